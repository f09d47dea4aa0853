/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* TCP sockets that listen. Any thread. */
#ifndef STGT_BASE_LISTENER_H
#define STGT_BASE_LISTENER_H

#include "base/error.h"
#include <stdbool.h>
#include <sys/socket.h>

/*
 * "ADDR:PORT", or "[ADDR]:PORT" for IPv6: numbers, no names, and no port 0. False when `text` is
 * something else. What is not of the address in *addr is zeroes.
 */
bool listener_address_parse(const char *text, struct sockaddr_storage *addr, socklen_t *len);

enum listener_flag {
	/* [::] is for IPv6 alone. */
	LISTENER_V6ONLY = 1 << 0,
	/*
	 * An address that no interface has may come later, as at boot: then it listens all the
	 * same, and is found from when there is one. Without this: -EADDRNOTAVAIL.
	 */
	LISTENER_MAY_COME = 1 << 1,
};

/*
 * Listens on an IPv4 or IPv6 address with its port; `name` is what people call that. The
 * descriptor, which is blocking and the caller's, or negative errno; `err` tells what to do, too.
 * Of an address that may come it is logged that it is not there. An address in use is waited for, a
 * second at most: a process that was killed may hold it for a moment after its end.
 */
int listener_open(const struct sockaddr *address, socklen_t len, unsigned int flags, int backlog,
		  const char *name, struct error *err);

#endif
