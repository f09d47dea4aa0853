/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A veth pair in a network namespace of the test program's own: `near` is served, `far` is the
 * network. Names are unique on the machine, because pins and locks go by name.
 */
#ifndef STGT_TEST_VETH_H
#define STGT_TEST_VETH_H

#include <net/if.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct veth {
	char near[IF_NAMESIZE];
	char far[IF_NAMESIZE];
};

/*
 * Runs `tests` in a child that has its own network namespace, with `veth` named but not made; then,
 * however the child ended, removes what it left pinned. The exit status for main().
 */
int veth_run(int (*tests)(struct veth *veth));

/* Makes the pair and sets it up; both go away with the namespace. Failure is a failed test. */
void veth_make(const struct veth *veth, unsigned int mtu);
void veth_delete(const struct veth *veth);

/* Runs a command line that must succeed. */
void shell(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* A packet socket on the interface, for frames of the EtherType. */
int packet_open(const char *name, uint16_t type);
void packet_send(int fd, const void *frame, size_t len);
/* The next frame's length; 0 when none came for `timeout_ms`. */
size_t packet_receive(int fd, void *frame, size_t size, int timeout_ms);

/* Forks a child that runs `serve` and then sleeps; returns its id once serve() has returned. */
pid_t child_serving(void (*serve)(void *ctx), void *ctx);
void child_kill(pid_t pid);

/* The value of `body` in a child process, where it may change what it likes; 0..255. */
int child_returns(int (*body)(void *ctx), void *ctx);

#endif
