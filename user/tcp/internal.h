/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the files of this module share. */
#ifndef STGT_TCP_INTERNAL_H
#define STGT_TCP_INTERNAL_H

#include "base/ring.h"
#include "base/thread.h"
#include "tcp/tcp.h"
#include <netinet/in.h>
#include <sys/socket.h>

/* Received bytes land in one of these until the transport has taken them. */
#define STAGING_BYTES 16384u
#define STAGINGS      64u /* a worker's; a power of two */
#define OUTPUT_IOV    64u

struct tcp_worker;

/* An address to listen on, and its socket, which one worker accepts from. */
struct tcp_portal {
	struct list link; /* in the server's */
	struct sockaddr_storage address;
	socklen_t address_len;
	uint16_t group;
	unsigned int users;
	int fd;
	struct tcp_worker *worker;
	struct tcp_server *server;
	struct ring_event accept_event, cancel_event;
	struct sockaddr_storage peer;
	socklen_t peer_len;
	struct __kernel_timespec pause; /* until it accepts again */
	bool accepting, cancelling, closing;
	struct message begin_message, end_message; /* to the worker, which frees it */
};

enum tcp_conn_state {
	TCP_OPEN,
	TCP_ENDING, /* what is left to say is sent */
	TCP_MOVING, /* to another worker, once no transfer is under way */
	TCP_CLOSED, /* as soon as no transfer is under way */
};

struct tcp_conn {
	struct list link;  /* in the worker's */
	struct list dirty; /* in the worker's: has to be looked at before it sleeps */
	struct tcp_worker *worker;
	struct iscsi_conn *iscsi;
	int fd;
	enum tcp_conn_state state;
	struct ring_event rx_event, tx_event, cancel_event;
	bool receiving, sending, cancelling;
	bool direct;	 /* the receive under way goes to arena memory */
	bool drained;	 /* the last receive brought little and left nothing in the socket */
	uint64_t end_ns; /* when an ending connection is closed whatever is left */
	/* Received in this turn; staging buffers are everybody's, so none outlives it. */
	uint16_t staging;
	uint32_t staged_len; /* 0: none */
	uint8_t *carried;    /* received and not taken yet; NULL: none */
	uint32_t carried_at, carried_len;
	struct iscsi_want want;
	struct msghdr rx_msg, tx_msg;
	struct iovec tx_iov[OUTPUT_IOV];
	/* To its next worker. */
	struct message message;
	struct tcp_worker *to;
};

struct tcp_worker {
	struct thread thread;
	struct tcp_server *server;
	struct arena arena;
	struct ring ring;
	struct blk_queue blk;
	struct iscsi_worker *iscsi;
	struct io_uring_buf_ring *stagings; /* those that the kernel has */
	uint8_t *staging_memory;
	struct list conns, dirty;
	struct ring_event mail_event;
	bool mail_armed;
	bool closing;	      /* connections end, and no more come */
	bool stopping;	      /* nor does anything from other workers */
	bool ending;	      /* connections may be in TCP_ENDING */
	unsigned int portals; /* that it accepts from */
	/* When this turn began; completions come long after, when it slept. */
	uint64_t now_ns;
	/* See worker_look(): sleeps before the next one, and how many after one in vain. */
	unsigned int looks_left_out, look_pause;
};

struct tcp_server {
	struct tcp_server_config config;
	struct copier *copier; /* of all workers */
	struct tcp_worker *workers;
	unsigned int nworkers;
	atomic_uint next; /* worker for the next connection */
	struct list portals;
};

/* ---- worker.c ---- */

int tcp_worker_open(struct tcp_server *server, struct tcp_worker *worker, struct error *err);
/*
 * Ends its connections: of all workers before one of them is closed, as a connection may be on its
 * way from one to another.
 */
void tcp_worker_empty(struct tcp_worker *worker);
void tcp_worker_close(struct tcp_worker *worker, struct mailbox *control);

/* A staging buffer's memory; and it is the kernel's again. */
uint8_t *tcp_staging(struct tcp_worker *worker, uint16_t index);
void tcp_staging_put(struct tcp_worker *worker, uint16_t index);

/* ---- conn.c: the worker's thread ---- */

extern const struct iscsi_conn_ops tcp_conn_ops;

/* Takes over the socket. */
void tcp_conn_open(struct tcp_worker *worker, int fd, const struct sockaddr_storage *peer,
		   uint16_t group);
/* Does what a dirty connection needs: receive, send, end. May free it. */
void tcp_conn_turn(struct tcp_conn *conn);
/* Ends it without another word. */
void tcp_conn_abort(struct tcp_conn *conn);

/* ---- portal.c ---- */

/* Stops listening at once, and waits for nobody; whoever connected stays. Control thread. */
void tcp_portal_close(struct tcp_portal *portal);

#endif
