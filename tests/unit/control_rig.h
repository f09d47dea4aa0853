/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A control server in a folder of its own, whose loop the test turns by hand, and connections to
 * it. Each function fails the test when it cannot do what it says.
 */
#ifndef STGT_TEST_CONTROL_RIG_H
#define STGT_TEST_CONTROL_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "control/control.h"
#include "fixture.h"
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#define PATIENCE_MS 60000 /* where something must come */

struct rig {
	char *dir;
	char path[96];
	struct control_server *server; /* NULL: the test has closed it */
	int held, ended;	       /* the test's own */
};

/* For a cmocka setup function: *state becomes the rig, which the commands get as their `ctx`. */
static inline int rig_open(void **state, const struct control_command *commands)
{
	struct rig *rig = calloc(1, sizeof(*rig));
	struct error err;

	rig->dir = fixture_dir_make();
	snprintf(rig->path, sizeof(rig->path), "%s/control.sock", rig->dir);
	assert_int_equal(control_server_open(rig->path, commands, rig, &rig->server, &err), 0);
	*state = rig;
	return 0;
}

static inline int rig_close(void **state)
{
	struct rig *rig = *state;

	if (rig->server)
		control_server_close(rig->server);
	fixture_dir_remove(rig->dir);
	free(rig);
	return 0;
}

/* One turn of the server's loop; false when nothing happened for a while. */
static inline bool turn(struct rig *rig, int patience_ms)
{
	struct pollfd fds[1 + CONTROL_CLIENTS];
	unsigned int n = control_server_pollfds(rig->server, fds);

	if (poll(fds, n, patience_ms) <= 0)
		return false;
	control_server_dispatch(rig->server, fds, n);
	return true;
}

static inline struct sockaddr_un address(const char *path)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};

	strcpy(addr.sun_path, path);
	return addr;
}

/* A connection that the server has accepted. */
static inline int dial(struct rig *rig)
{
	const struct sockaddr_un addr = address(rig->path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(connect(fd, (const struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_true(turn(rig, PATIENCE_MS));
	return fd;
}

#endif
