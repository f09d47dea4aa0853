/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "base/listener.h"

#include "base/cleanup.h"
#include "base/log.h"
#include "base/patience.h"
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

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
