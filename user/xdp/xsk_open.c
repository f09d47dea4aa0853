/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Opening an AF_XDP socket in the best mode that the interface can do. */
#include "xdp/xsk_socket.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define BUSY_WAIT_MS  3000
#define BUSY_RETRY_MS 50

#define BUSY_POLL_US	 20
#define BUSY_POLL_BUDGET 64

struct mode_info {
	const char *name;
	bool zerocopy, multi_buffer, generic;
};

/* Best first: the order of probing. */
static const struct mode_info modes[] = {
	[XSK_ZEROCOPY_SG] = {"zerocopy+sg", true, true, false},
	[XSK_ZEROCOPY] = {"zerocopy", true, false, false},
	[XSK_COPY_SG] = {"copy+sg", false, true, false},
	[XSK_COPY] = {"copy", false, false, false},
	[XSK_GENERIC_SG] = {"generic+sg", false, true, true},
	[XSK_GENERIC] = {"generic", false, false, true},
};

#define NMODES (sizeof(modes) / sizeof(modes[0]))

const char *xsk_mode_name(enum xsk_mode mode)
{
	return modes[mode].name;
}

static bool mode_wanted(const struct mode_info *mode, const struct xsk_config *config)
{
	if (mode->generic != config->generic)
		return false;
	return config->request != STEER_ZEROCOPY || mode->zerocopy;
}

static uint32_t ring_size(uint32_t entries)
{
	uint32_t size = 64;

	while (size < entries)
		size *= 2;
	return size;
}

static void socket_close(struct xsk *xsk)
{
	xsk_socket__delete(xsk->socket);
	xsk->socket = NULL;
	if (xsk->umem)
		xsk_umem__delete(xsk->umem);
	xsk->umem = NULL;
}

/*
 * One attempt. The UMEM is registered anew for each: after a failed bind libxdp has unmapped its
 * rings. libxdp leaves ring fields unset, hence the zeroes.
 */
static int socket_open(struct xsk *xsk, const struct xsk_config *config,
		       const struct mode_info *mode)
{
	struct arena *arena = xsk->sink.arena;
	const uint32_t tx_size = ring_size(arena->config.runs * arena->config.run_frames);
	const uint32_t rx_size = ring_size(arena->config.rx_frames);
	const struct xsk_umem_config umem = {
		.fill_size = rx_size,
		.comp_size = tx_size,
		.frame_size = ARENA_FRAME_SIZE,
		.frame_headroom = ARENA_UMEM_HEADROOM,
	};
	const struct xsk_socket_config socket = {
		.rx_size = rx_size,
		.tx_size = tx_size,
		.libxdp_flags = XSK_LIBXDP_FLAGS__INHIBIT_PROG_LOAD,
		.bind_flags =
			(__u16)(XDP_USE_NEED_WAKEUP | (mode->zerocopy ? XDP_ZEROCOPY : XDP_COPY) |
				(mode->multi_buffer ? XSK_BIND_USE_SG : 0)),
	};
	int rc;

	memset(&xsk->fill, 0, sizeof(xsk->fill));
	memset(&xsk->comp, 0, sizeof(xsk->comp));
	memset(&xsk->rx, 0, sizeof(xsk->rx));
	memset(&xsk->tx, 0, sizeof(xsk->tx));
	rc = xsk_umem__create(&xsk->umem, arena->base, arena->size, &xsk->fill, &xsk->comp, &umem);
	if (rc) {
		xsk->umem = NULL;
		/* ENOBUFS and ENOMEM speak of the memory; bind's errors come below. */
		return rc;
	}
	rc = xsk_socket__create(&xsk->socket, config->netif->name, config->queue, xsk->umem,
				&xsk->rx, &xsk->tx, &socket);
	if (rc) {
		xsk->socket = NULL;
		socket_close(xsk);
		return rc;
	}
	xsk->fd = xsk_socket__fd(xsk->socket);
	return 0;
}

/* The same, patient with the socket of a process that ended but is not all gone. */
static int socket_open_patiently(struct xsk *xsk, const struct xsk_config *config,
				 const struct mode_info *mode, int *patience_ms)
{
	const struct timespec pause = {.tv_nsec = BUSY_RETRY_MS * 1000000l};
	int rc;

	while ((rc = socket_open(xsk, config, mode)) == -EBUSY && *patience_ms > 0) {
		nanosleep(&pause, NULL);
		*patience_ms -= BUSY_RETRY_MS;
	}
	return rc;
}

/* Whether the kernel gave what was asked for. */
static bool mode_is(int fd, const struct mode_info *mode)
{
	struct xdp_options options = {};
	socklen_t len = sizeof(options);

	if (getsockopt(fd, SOL_XDP, XDP_OPTIONS, &options, &len) < 0)
		return false;
	return !!(options.flags & XDP_OPTIONS_ZEROCOPY) == mode->zerocopy;
}

static int explain(const struct xsk_config *config, const struct arena *arena, int rc,
		   struct error *err)
{
	const char *name = config->netif->name;

	switch (-rc) {
	case EBUSY:
		return error_set(err, EBUSY,
				 "%s queue %u: another process has an AF_XDP socket on it", name,
				 config->queue);
	case ENOBUFS:
	case ENOMEM:
		return error_set(
			err, ENOBUFS,
			"cannot register %zu MiB of memory for %s: raise the memlock limit "
			"(`ulimit -l`, LimitMEMLOCK=)",
			arena->size >> 20, name);
	case ENETDOWN:
		return error_set(err, ENETDOWN, "%s is down: `ip link set %s up`", name, name);
	case EPERM:
		return error_set(err, EPERM, "must be root to open AF_XDP sockets (CAP_NET_RAW)");
	case EOPNOTSUPP:
	case EINVAL:
		if (config->request == STEER_ZEROCOPY)
			return error_set(err, EOPNOTSUPP,
					 "%s (driver %s) cannot do zero-copy: use --xdp native or "
					 "auto",
					 name, config->netif->driver);
	}
	return error_set(err, -rc, "%s queue %u: cannot open an AF_XDP socket: %s", name,
			 config->queue, strerror(-rc));
}

static int open_best(struct xsk *xsk, const struct xsk_config *config, struct error *err)
{
	int patience_ms = BUSY_WAIT_MS, rc = -EOPNOTSUPP;
	unsigned int i;

	for (i = 0; i < NMODES; i++) {
		if (!mode_wanted(&modes[i], config))
			continue;
		rc = socket_open_patiently(xsk, config, &modes[i], &patience_ms);
		if (!rc && mode_is(xsk->fd, &modes[i])) {
			xsk->mode = (enum xsk_mode)i;
			return 0;
		}
		if (!rc) {
			socket_close(xsk);
			rc = -EOPNOTSUPP;
		}
		/* These do not depend on the mode. */
		if (rc == -EBUSY || rc == -ENETDOWN || rc == -EPERM || rc == -ENOBUFS)
			break;
	}
	return explain(config, xsk->sink.arena, rc, err);
}

static int set_and_check(int fd, int option, int value)
{
	int now = 0;
	socklen_t len = sizeof(now);

	if (setsockopt(fd, SOL_SOCKET, option, &value, sizeof(value)) < 0)
		return -errno;
	/* Linux answers for some of these options from 6.x on only; what it takes it keeps. */
	if (getsockopt(fd, SOL_SOCKET, option, &now, &len) < 0)
		return errno == ENOPROTOOPT ? 0 : -errno;
	return now == value ? 0 : -EOPNOTSUPP;
}

static int tune(struct xsk *xsk, const struct xsk_config *config, struct error *err)
{
	int budget = (int)xsk->tx.size;
	int sndbuf = (int)(xsk->sink.arena->size < INT32_MAX / 2 ? xsk->sink.arena->size
								 : INT32_MAX / 2);
	int rc;

	/* Both spare system calls where they are known, and change nothing else. */
	setsockopt(xsk->fd, SOL_XDP, XSK_MAX_TX_SKB_BUDGET, &budget, sizeof(budget));
	setsockopt(xsk->fd, SOL_SOCKET, SO_SNDBUFFORCE, &sndbuf, sizeof(sndbuf));
	if (!config->busy_poll)
		return 0;
	rc = set_and_check(xsk->fd, XSK_SO_PREFER_BUSY_POLL, 1);
	if (!rc)
		rc = set_and_check(xsk->fd, SO_BUSY_POLL, BUSY_POLL_US);
	if (!rc)
		rc = set_and_check(xsk->fd, XSK_SO_BUSY_POLL_BUDGET, BUSY_POLL_BUDGET);
	if (rc)
		return error_set(err, EOPNOTSUPP, "%s: the kernel refuses busy polling: %s",
				 config->netif->name, strerror(-rc));
	return 0;
}

int xsk_open(const struct xsk_config *config, struct arena *arena, struct xsk **out,
	     struct error *err)
{
	struct xsk *xsk;
	int rc;

	if (arena->config.run_frames > 64)
		return error_set(err, EINVAL, "runs of %u frames: at most 64",
				 arena->config.run_frames);
	xsk = calloc(1, sizeof(*xsk));
	if (!xsk)
		return error_set(err, ENOMEM, "out of memory");
	xsk->sink = (struct sink){.ops = &xsk_sink_ops, .arena = arena};
	xsk->max_spans =
		config->spans && config->spans < XSK_MAX_SPANS ? config->spans : XSK_MAX_SPANS;
	xsk->tx_outstanding = calloc(arena->config.runs + 1u, sizeof(*xsk->tx_outstanding));
	rc = xsk->tx_outstanding ? open_best(xsk, config, err)
				 : error_set(err, ENOMEM, "out of memory");
	if (!rc)
		rc = tune(xsk, config, err);
	if (rc) {
		xsk_close(xsk);
		return rc;
	}
	*out = xsk;
	return 0;
}

/* What the kernel never sent it has dropped with the socket: their owners get those runs back. */
static void return_unsent(struct xsk *xsk)
{
	const struct arena_config *config = &xsk->sink.arena->config;

	for (uint32_t run = 0; run < config->runs && xsk->tx_runs; run++) {
		uint32_t frame = config->rx_frames + run * config->run_frames;
		void *owner;

		if (!arena_run_completed(xsk->sink.arena, frame << ARENA_FRAME_SHIFT, &owner))
			continue;
		xsk->tx_runs--;
		((struct tx *)owner)->done(owner);
	}
}

void xsk_close(struct xsk *xsk)
{
	socket_close(xsk);
	return_unsent(xsk);
	free(xsk->tx_outstanding);
	free(xsk);
}

enum xsk_mode xsk_mode(const struct xsk *xsk)
{
	return xsk->mode;
}

bool xsk_multi_buffer(const struct xsk *xsk)
{
	return modes[xsk->mode].multi_buffer;
}

int xsk_fd(const struct xsk *xsk)
{
	return xsk->fd;
}

struct sink *xsk_sink(struct xsk *xsk)
{
	return &xsk->sink;
}
