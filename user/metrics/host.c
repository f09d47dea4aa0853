/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "metrics/host.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

bool host_is_local(const char *host)
{
	static const char local[] = ".localhost";
	size_t len = host ? strcspn(host, ":") : 0;
	char name[256];
	struct in_addr address;

	/* Only an IPv6 address stands in brackets. */
	if (!len || host[0] == '[')
		return true;
	if (len >= sizeof(name))
		return false;
	memcpy(name, host, len);
	name[len] = '\0';
	if (!strchr(name, '.') || inet_pton(AF_INET, name, &address) == 1)
		return true;
	return len >= strlen(local) && strcasecmp(name + len - strlen(local), local) == 0;
}
