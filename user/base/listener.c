/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "base/listener.h"

#include "base/cleanup.h"
#include "base/log.h"
#include "base/patience.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Decimal digits and nothing else. */
static bool port_parse(const char *text, uint16_t *port)
{
	size_t len = strlen(text);
	unsigned long value = strtoul(text, NULL, 10);

	if (strspn(text, "0123456789") != len || len > 16 || !value || value > UINT16_MAX)
		return false;
	*port = (uint16_t)value;
	return true;
}

/* Cuts "HOST:PORT" or "[HOST]:PORT"; `host` has room for INET6_ADDRSTRLEN. */
static bool address_cut(const char *text, char *host, uint16_t *port)
{
	const char *colon = strrchr(text, ':');
	size_t len;

	if (!colon || !port_parse(colon + 1, port))
		return false;
	len = (size_t)(colon - text);
	if (*text == '[') {
		if (len < 2 || text[len - 1] != ']')
			return false;
		text++;
		len -= 2;
	} else if (memchr(text, ':', len)) {
		return false;
	}
	if (len >= INET6_ADDRSTRLEN)
		return false;
	memcpy(host, text, len);
	host[len] = '\0';
	return true;
}

bool listener_address_parse(const char *text, struct sockaddr_storage *addr, socklen_t *len)
{
	struct sockaddr_in *in = (struct sockaddr_in *)addr;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)addr;
	char host[INET6_ADDRSTRLEN];
	uint16_t port;

	memset(addr, 0, sizeof(*addr));
	if (!address_cut(text, host, &port))
		return false;
	if (*text != '[' && inet_pton(AF_INET, host, &in->sin_addr) == 1) {
		in->sin_family = AF_INET;
		in->sin_port = htons(port);
		*len = sizeof(*in);
		return true;
	}
	if (*text == '[' && inet_pton(AF_INET6, host, &in6->sin6_addr) == 1) {
		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons(port);
		*len = sizeof(*in6);
		return true;
	}
	return false;
}

static int set(int fd, int level, int option)
{
	const int on = 1;

	return setsockopt(fd, level, option, &on, sizeof(on));
}

/* Lets the socket have an address that is nobody's. */
static int be_ahead(int fd, sa_family_t family)
{
	return family == AF_INET6 ? set(fd, IPPROTO_IPV6, IPV6_FREEBIND)
				  : set(fd, IPPROTO_IP, IP_FREEBIND);
}

static int take(int fd, const struct sockaddr *address, socklen_t len, bool may_come, bool *absent)
{
	*absent = false;
	if (!bind(fd, address, len))
		return 0;
	if (errno != EADDRNOTAVAIL || !may_come || be_ahead(fd, address->sa_family))
		return -1;
	*absent = true;
	return bind(fd, address, len);
}

static const char *advice(int code)
{
	switch (code) {
	case EADDRINUSE:
		return ": `ss -ltnp` shows who listens there";
	case EADDRNOTAVAIL:
		return ": `ip address` lists the addresses of this machine";
	case EACCES:
		return ": ports below 1024 take root or CAP_NET_BIND_SERVICE";
	default:
		return "";
	}
}

/* A socket that listens, or negative errno. */
static int open_once(const struct sockaddr *address, socklen_t len, unsigned int flags, int backlog,
		     bool *absent)
{
	_cleanup_close_ int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool v6only = address->sa_family == AF_INET6 && flags & LISTENER_V6ONLY;

	if (fd < 0 || set(fd, SOL_SOCKET, SO_REUSEADDR) ||
	    (v6only && set(fd, IPPROTO_IPV6, IPV6_V6ONLY)) ||
	    take(fd, address, len, flags & LISTENER_MAY_COME, absent) || listen(fd, backlog))
		return -errno;
	return cleanup_steal_fd(&fd);
}

int listener_open(const struct sockaddr *address, socklen_t len, unsigned int flags, int backlog,
		  const char *name, struct error *err)
{
	unsigned int tries = 0;
	bool absent = false;
	int fd;

	do
		fd = open_once(address, len, flags, backlog, &absent);
	while (fd == -EADDRINUSE && patience_wait(&tries));
	if (fd < 0)
		return error_set(err, -fd, "cannot listen on %s: %s%s", name, strerror(-fd),
				 advice(-fd));
	if (absent)
		log_warning(
			"%s: no interface has this address yet; it is served from when one does",
			name);
	return fd;
}
