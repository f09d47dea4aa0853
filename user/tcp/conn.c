/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The socket of a connection: at most one receive and one send are under way at a time. Whatever
 * happens only marks the connection dirty; its turn comes when the completions of this round are
 * through, so that many answers leave with one send, and every staging buffer is free again before
 * receives are posted anew.
 */
#include "tcp/internal.h"

#include "base/clock.h"
#include "base/log.h"
#include <arpa/inet.h>
#include <errno.h>
#include <linux/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#define END_NS 1000000000u /* for the last words to an initiator that takes none */
/* Bytes: two headers. Who sends more at a time may have sent the next by now. */
#define LITTLE 96
/* Whose answers are not received, or not read, for so long is gone: they keep memory from others.
 */
#define DEAF_MS 30000

static void conn_dirty(struct tcp_conn *conn)
{
	if (!list_linked(&conn->dirty))
		list_add_tail(&conn->worker->dirty, &conn->dirty);
}

/* States only go forward. */
static void conn_state(struct tcp_conn *conn, enum tcp_conn_state state)
{
	if (state > conn->state)
		conn->state = state;
	conn_dirty(conn);
}

void tcp_conn_abort(struct tcp_conn *conn)
{
	conn_state(conn, TCP_CLOSED);
}

/* ---- receiving ---- */

static void rx_done(struct ring_event *ev, int res, unsigned int flags)
{
	struct tcp_conn *conn = container_of(ev, struct tcp_conn, rx_event);

	conn->receiving = false;
	conn->drained = !(flags & IORING_CQE_F_SOCK_NONEMPTY) && res <= LITTLE;
	conn_dirty(conn);
	if (flags & IORING_CQE_F_BUFFER) {
		conn->staging = (uint16_t)(flags >> IORING_CQE_BUFFER_SHIFT);
		conn->staged_len = res > 0 ? (uint32_t)res : 0;
		if (!conn->staged_len)
			tcp_staging_put(conn->worker, conn->staging);
	} else if (conn->direct && res > 0 && conn->state == TCP_OPEN) {
		iscsi_conn_landed(conn->iscsi, (uint32_t)res, clock_now_ns());
	}
	/* Without a staging buffer it is tried again. */
	if (res <= 0 && res != -EINTR && res != -ENOBUFS &&
	    !(res == -ECANCELED && conn->state == TCP_MOVING))
		conn_state(conn, TCP_CLOSED);
}

static void receive_staged(struct tcp_conn *conn)
{
	struct io_uring_sqe *sqe = ring_sqe(&conn->worker->ring, &conn->rx_event);

	io_uring_prep_recv(sqe, conn->fd, NULL, STAGING_BYTES, 0);
	sqe->flags |= IOSQE_BUFFER_SELECT;
	sqe->buf_group = 0;
	/* Trying at once would be in vain, and costs as much as receiving. */
	if (conn->drained)
		sqe->ioprio |= IORING_RECVSEND_POLL_FIRST;
}

static void receive_direct(struct tcp_conn *conn)
{
	conn->rx_msg = (struct msghdr){.msg_iov = conn->want.iov, .msg_iovlen = conn->want.niov};
	io_uring_prep_recvmsg(ring_sqe(&conn->worker->ring, &conn->rx_event), conn->fd,
			      &conn->rx_msg, MSG_WAITALL);
}

/* Offers the transport bytes that came; returns how many it took. */
static uint32_t conn_offer(struct tcp_conn *conn, const uint8_t *bytes, uint32_t len)
{
	return (uint32_t)iscsi_conn_input(conn->iscsi, bytes, len, conn->worker->now_ns);
}

/* Gives the transport what came before; true when nothing of it is left. */
static bool conn_feed(struct tcp_conn *conn)
{
	uint32_t taken;

	if (!conn->carried)
		return true;
	taken = conn_offer(conn, conn->carried + conn->carried_at, conn->carried_len);
	conn->carried_at += taken;
	conn->carried_len -= taken;
	if (conn->carried_len)
		return false;
	free(conn->carried);
	conn->carried = NULL;
	return true;
}

/*
 * Takes what was received out of its staging buffer. What the transport does not take now is
 * copied: who does not read his answers, or waits for memory, must keep no buffer from others.
 */
static void conn_unstage(struct tcp_conn *conn)
{
	const uint8_t *bytes = tcp_staging(conn->worker, conn->staging);
	uint32_t len = conn->staged_len, taken = 0;

	if (!len)
		return;
	if (conn->state == TCP_OPEN)
		taken = conn_offer(conn, bytes, len);
	if (taken < len && (conn->state == TCP_OPEN || conn->state == TCP_MOVING)) {
		conn->carried = malloc(len - taken);
		if (conn->carried)
			memcpy(conn->carried, bytes + taken, len - taken);
		else
			tcp_conn_abort(conn);
		conn->carried_at = 0;
		conn->carried_len = len - taken;
	}
	conn->staged_len = 0;
	tcp_staging_put(conn->worker, conn->staging);
}

static void conn_receive(struct tcp_conn *conn)
{
	if (conn->receiving || !conn_feed(conn) || conn->state != TCP_OPEN)
		return;
	iscsi_conn_want(conn->iscsi, &conn->want);
	if (conn->want.kind == ISCSI_WANT_NOTHING)
		return;
	conn->receiving = true;
	conn->direct = conn->want.kind == ISCSI_WANT_DIRECT;
	if (conn->direct)
		receive_direct(conn);
	else
		receive_staged(conn);
}

/* ---- sending ---- */

static void tx_done(struct ring_event *ev, int res, unsigned int flags)
{
	struct tcp_conn *conn = container_of(ev, struct tcp_conn, tx_event);

	conn->sending = false;
	conn_dirty(conn);
	if (res > 0)
		iscsi_conn_sent(conn->iscsi, (size_t)res, clock_now_ns());
	else if (res != -EINTR && res != -EAGAIN)
		conn_state(conn, TCP_CLOSED);
}

/* False: there is nothing to send. */
static bool conn_send(struct tcp_conn *conn)
{
	unsigned int n;

	if (conn->sending)
		return true;
	n = iscsi_conn_output(conn->iscsi, conn->tx_iov, OUTPUT_IOV);
	if (!n)
		return false;
	conn->sending = true;
	conn->tx_msg = (struct msghdr){.msg_iov = conn->tx_iov, .msg_iovlen = n};
	io_uring_prep_sendmsg(ring_sqe(&conn->worker->ring, &conn->tx_event), conn->fd,
			      &conn->tx_msg, MSG_NOSIGNAL | MSG_WAITALL);
	return true;
}

/* ---- moving to another worker ---- */

static void cancel_done(struct ring_event *ev, int res, unsigned int flags)
{
	struct tcp_conn *conn = container_of(ev, struct tcp_conn, cancel_event);

	conn->cancelling = false;
	conn_dirty(conn);
}

static bool conn_transferring(const struct tcp_conn *conn)
{
	return conn->receiving || conn->sending || conn->cancelling;
}

static void conn_arrive(struct message *message)
{
	struct tcp_conn *conn = container_of(message, struct tcp_conn, message);

	conn->worker = conn->to;
	conn->state = TCP_OPEN;
	list_add_tail(&conn->worker->conns, &conn->link);
	iscsi_conn_adopt(conn->iscsi, conn->worker->iscsi, clock_now_ns());
	if (conn->worker->closing)
		tcp_conn_abort(conn);
	conn_dirty(conn);
}

static void conn_move(struct tcp_conn *conn)
{
	if (conn->receiving && !conn->cancelling) {
		conn->cancelling = true;
		io_uring_prep_cancel(ring_sqe(&conn->worker->ring, &conn->cancel_event),
				     &conn->rx_event, 0);
	}
	if (conn_transferring(conn))
		return;
	list_del(&conn->link);
	/* The bytes that made it move may have marked it since its turn began. */
	list_del(&conn->dirty);
	conn->message.run = conn_arrive;
	mailbox_post(&conn->to->thread.mailbox, &conn->message);
}

/* ---- ends ---- */

static void conn_free(struct tcp_conn *conn)
{
	iscsi_conn_close(conn->iscsi);
	free(conn->carried);
	close(conn->fd);
	list_del(&conn->link);
	list_del(&conn->dirty);
	free(conn);
}

/* Transfers end once the socket is shut down. */
static void conn_close(struct tcp_conn *conn)
{
	if (conn_transferring(conn))
		shutdown(conn->fd, SHUT_RDWR);
	else
		conn_free(conn);
}

void tcp_conn_turn(struct tcp_conn *conn)
{
	conn_unstage(conn);
	switch (conn->state) {
	case TCP_OPEN:
		conn_receive(conn);
		if (conn->state == TCP_OPEN)
			conn_send(conn);
		break;
	case TCP_ENDING:
		if (!conn_send(conn))
			tcp_conn_abort(conn);
		break;
	case TCP_MOVING:
		conn_move(conn);
		break;
	case TCP_CLOSED:
		conn_close(conn);
		break;
	}
}

/* ---- what the transport asks for ---- */

static void ops_dirty(struct iscsi_conn *iscsi)
{
	conn_dirty(iscsi_conn_ctx(iscsi));
}

static void ops_hang_up(struct iscsi_conn *iscsi, bool polite)
{
	struct tcp_conn *conn = iscsi_conn_ctx(iscsi);

	conn->end_ns = clock_now_ns() + END_NS;
	conn->worker->ending = true;
	conn_state(conn, polite ? TCP_ENDING : TCP_CLOSED);
}

static void ops_adopt(struct iscsi_conn *iscsi, struct iscsi_worker *to)
{
	struct tcp_conn *conn = iscsi_conn_ctx(iscsi);

	conn->to = iscsi_worker_ctx(to);
	conn_state(conn, TCP_MOVING);
}

static uint64_t ops_moved(struct iscsi_conn *iscsi)
{
	struct tcp_conn *conn = iscsi_conn_ctx(iscsi);
	struct tcp_info info = {};
	socklen_t len = sizeof(info);

	getsockopt(conn->fd, IPPROTO_TCP, TCP_INFO, &info, &len);
	return info.tcpi_bytes_acked + info.tcpi_bytes_received;
}

static void ops_log(struct iscsi_conn *iscsi, int priority, const char *text)
{
	log_write(priority, "%s", text);
}

static bool ops_random(struct iscsi_worker *worker, uint8_t *bytes, size_t len)
{
	return getrandom(bytes, len, GRND_NONBLOCK) == (ssize_t)len;
}

const struct iscsi_conn_ops tcp_conn_ops = {
	.output = ops_dirty,
	.input = ops_dirty,
	.hang_up = ops_hang_up,
	.adopt = ops_adopt,
	.moved = ops_moved,
	.log = ops_log,
	.random = ops_random,
};

/* ---- a new connection ---- */

/* "ADDR:PORT", "[ADDR]:PORT"; an IPv4 address that came in through an IPv6 socket as IPv4. */
static void address_text(const struct sockaddr_storage *address, char text[ISCSI_PORTAL_MAX])
{
	const struct sockaddr_in *in = (const struct sockaddr_in *)address;
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)address;
	char host[INET6_ADDRSTRLEN] = "?";

	if (address->ss_family == AF_INET) {
		inet_ntop(AF_INET, &in->sin_addr, host, sizeof(host));
		snprintf(text, ISCSI_PORTAL_MAX, "%s:%u", host, ntohs(in->sin_port));
	} else {
		inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof(host));
		snprintf(text, ISCSI_PORTAL_MAX, "[%s]:%u", host, ntohs(in6->sin6_port));
	}
}

static int conn_open_iscsi(struct tcp_conn *conn, const struct sockaddr_storage *peer,
			   uint16_t group)
{
	char peer_text[ISCSI_PORTAL_MAX], local_text[ISCSI_PORTAL_MAX];
	const struct iscsi_conn_config config = {
		.worker = conn->worker->iscsi,
		.ctx = conn,
		.peer = peer_text,
		.local = local_text,
		.group = group,
	};
	struct sockaddr_storage local = {};
	socklen_t len = sizeof(local);

	if (getsockname(conn->fd, (struct sockaddr *)&local, &len))
		return -errno;
	address_text(peer, peer_text);
	address_text(&local, local_text);
	/* The worker may have slept since it last looked at its clock. */
	return iscsi_conn_open(&config, clock_now_ns(), &conn->iscsi);
}

void tcp_conn_open(struct tcp_worker *worker, int fd, const struct sockaddr_storage *peer,
		   uint16_t group)
{
	struct tcp_conn *conn = calloc(1, sizeof(*conn));
	int one = 1, timeout = DEAF_MS;

	if (!conn) {
		close(fd);
		return;
	}
	conn->worker = worker;
	conn->fd = fd;
	conn->rx_event.done = rx_done;
	conn->tx_event.done = tx_done;
	conn->cancel_event.done = cancel_done;
	list_init(&conn->dirty);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one));
	setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout, sizeof(timeout));
	if (worker->closing || conn_open_iscsi(conn, peer, group)) {
		close(fd);
		free(conn);
		return;
	}
	list_add_tail(&worker->conns, &conn->link);
	conn_dirty(conn);
}
