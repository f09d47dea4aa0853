/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a serving process is, whoever started it: a target, a control socket, the signals, and the
 * loop that waits for all of them. `attach` fills the target from its command line; `daemon` keeps
 * it in step with a configuration, which is what the live commands of the control socket change.
 *
 * Everything here is for the control thread, the process's first.
 */
#ifndef STGT_SERVICE_H
#define STGT_SERVICE_H

#include "base/error.h"
#include "config/config.h"
#include "target/target.h"

struct service;

struct service_options {
	const char *state_dir;
	const char *config_path; /* the daemon's file, read again on reload; NULL: no daemon */
};

/*
 * Blocks the signals it waits for (SIGINT, SIGTERM, SIGHUP), which every thread started later
 * inherits, and opens an empty target. 0 or negative errno.
 */
int service_open(const struct service_options *options, struct service **service,
		 struct error *err);
/* Detaches every interface and closes everything. */
void service_close(struct service *service);

/*
 * Listens on `socket`, or on the default path when that is NULL. When another process answers there
 * and `beside` is not NULL, on CONTROL_DIR/control-BESIDE.sock: `status` finds both.
 */
int service_listen(struct service *service, const char *socket, const char *beside,
		   struct error *err);

/*
 * Metrics over HTTP at ADDR:PORT from now on, or not at all (NULL). On failure nothing has changed.
 */
int service_export(struct service *service, const char *listen, struct error *err);

/*
 * A process that serves what its command line says and is no daemon: `fill` puts it into the
 * target. Listens, exports, and runs until told to stop. 0 or negative errno; everything is undone
 * either way.
 */
struct service_foreground {
	const char *state_dir;
	const char *socket, *beside; /* see service_listen() */
	const char *exporter;	     /* see service_export() */
	int (*fill)(struct target *target, const void *ctx, struct error *err);
	const void *ctx;
};
int service_foreground(const struct service_foreground *what, struct error *err);

/*
 * The daemon: makes what runs what `wanted` says, touching nothing else. All or nothing: when a
 * step fails, those before it are undone, and the error says which it was. `wanted` stays the
 * caller's.
 */
int service_apply(struct service *service, const struct config *wanted, struct error *err);
/* Reads the file again and applies it; systemd is told. */
int service_reload(struct service *service, struct error *err);

/*
 * Says that it is ready, on stdout and to systemd, and serves until told to stop. 0, or -ENODEV
 * when a process that is no daemon has lost its last interface.
 */
int service_run(struct service *service, struct error *err);

#endif
