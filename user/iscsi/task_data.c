/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A SCSI command's data and its answer: what the device server calls for, as R2Ts and Data-Out,
 * Data-In and Response.
 */
#include "iscsi/internal.h"

#include "scsi/sense.h"
#include <errno.h>
#include <string.h>

static struct iscsi_task *task_of(struct command *cmd)
{
	return container_of(cmd, struct iscsi_task, cmd);
}

/* ---- where data lies ---- */

/* Where the data-out ends. */
static uint32_t task_out_end(const struct iscsi_task *task)
{
	return task->cmd.data_out.nspans ? task->base + task->cmd.data_out.len : 0;
}

/* Where `len` bytes of data-in lie: behind the data-out, if there is any. */
static uint32_t task_place(const struct iscsi_task *task, uint32_t len)
{
	uint32_t at = iscsi_task_room(task) - len, out = task_out_end(task);

	if (!task->cmd.scsi.out_len)
		return 0;
	/* Aligned for the disk's sake, as far as there is room. */
	if ((at & ~(ARENA_FRAME_SIZE - 1)) >= out)
		return at & ~(ARENA_FRAME_SIZE - 1);
	return (at & ~(BLK_SECTOR - 1)) >= out ? at & ~(BLK_SECTOR - 1) : at;
}

static int task_ops_place(struct command *cmd, uint32_t len, struct sgl *data_in)
{
	struct iscsi_task *task = task_of(cmd);

	if (len > iscsi_task_room(task) - task_out_end(task))
		return -EMSGSIZE;
	data_in->nspans = iscsi_task_spans(task, task_place(task, len), len, task->in_spans);
	data_in->spans = task->in_spans;
	data_in->len = len;
	return 0;
}

/* ---- data-out ---- */

/* Makes room behind unsolicited data from `from` on: it moves to the start of the memory. */
static void task_shift(struct iscsi_task *task, uint32_t from, uint32_t len)
{
	struct arena *arena = task->session->worker->pool.arena;

	for (uint32_t i = 0; i < len; i++) {
		uint32_t a = from + i;
		uint8_t *to = arena_ptr(arena, task->runs[i / ISCSI_RUN_BYTES]);
		uint8_t *at = arena_ptr(arena, task->runs[a / ISCSI_RUN_BYTES]);

		to[i % ISCSI_RUN_BYTES] = at[a % ISCSI_RUN_BYTES];
	}
}

/* All that was solicited is there. */
static void task_out_complete(struct iscsi_task *task)
{
	void (*done)(struct command * cmd) = task->solicited;
	struct sgl *out = &task->cmd.data_out;

	out->nspans = iscsi_task_spans(task, task->base, task->want_len, task->out_spans);
	out->spans = task->out_spans;
	out->len = task->want_len;
	task->solicited = NULL;
	iscsi_task_receiving(task, false);
	done(&task->cmd);
}

static uint32_t task_burst(const struct iscsi_task *task)
{
	return task->session->params.value[ISCSI_MAX_BURST];
}

/* An R2T more may be outstanding, and there is something to ask for. */
static bool task_may_ask(const struct iscsi_task *task)
{
	return !task->spoiled && task->r2ts < task->session->params.value[ISCSI_MAX_R2T] &&
	       task->r2ts * task_burst(task) < task->want_len - task->want_got;
}

/* A tag for each sequence of what is still wanted, one after the other; none is reserved. */
static void task_take_tags(struct iscsi_task *task)
{
	uint32_t burst = task_burst(task), left = task->want_len - task->want_got;
	uint32_t n = (left + burst - 1) / burst, first = task->session->last_ttt + 1;

	if (n > ISCSI_NO_TAG - first)
		first = 0;
	task->session->last_ttt = first + n - 1;
	task->ttt = first;
}

/* The next sequence of what was solicited, or its end. */
static void task_out_next(struct iscsi_task *task)
{
	uint32_t left = task->want_len - task->want_got, burst = task_burst(task);

	if (!left) {
		task_out_complete(task);
		return;
	}
	task->r2t_off = task->want_off + task->want_got;
	task->r2t_len = left < burst ? left : burst;
	task->received = 0;
	task->data_sn_out = 0;
	iscsi_task_receiving(task, true);
	if (task->conn && task_may_ask(task) && !list_linked(&task->r2t_tx.link))
		iscsi_conn_queue(task->conn, &task->r2t_tx);
}

/*
 * As many as were agreed on, in the order in which their data has to come (RFC 7143 11.8): all
 * sequences but the last are as long as a burst may be.
 */
bool iscsi_task_build_r2t(struct iscsi_conn *conn, struct iscsi_tx *tx)
{
	struct iscsi_task *task = container_of(tx, struct iscsi_task, r2t_tx);
	uint32_t burst = task_burst(task);

	while (task_may_ask(task)) {
		uint32_t ahead = task->r2ts * burst;
		uint32_t left = task->want_len - task->want_got - ahead;
		uint8_t bhs[ISCSI_BHS] = {ISCSI_R2T, ISCSI_FINAL};

		put_be64(bhs + ISCSI_AT_LUN, task->cmd.scsi.lun);
		put_be32(bhs + ISCSI_AT_ITT, task->itt);
		put_be32(bhs + ISCSI_AT_TTT, task->ttt + task->r2ts);
		put_be32(bhs + ISCSI_DATA_AT_SN, task->data_sn);
		put_be32(bhs + ISCSI_DATA_AT_OFFSET, task->r2t_off + ahead);
		put_be32(bhs + ISCSI_R2T_AT_LENGTH, left < burst ? left : burst);
		if (!iscsi_batch_pdu(conn, bhs, NULL, 0, false, true))
			return false;
		task->data_sn++;
		task->r2ts++;
	}
	return true;
}

/* What is wanted is in memory already as far as it came unsolicited. */
static void task_out_begin(struct iscsi_task *task)
{
	uint32_t there = task->first > task->want_off ? task->first - task->want_off : 0;

	task->want_got = there < task->want_len ? there : task->want_len;
	task->base = there ? task->want_off : 0;
	if (task->base && task->want_len > iscsi_task_room(task) - task->base) {
		task_shift(task, task->base, task->want_got);
		task->base = 0;
	}
	task_take_tags(task);
	task_out_next(task);
}

static void task_ops_solicit(struct command *cmd, uint32_t off, uint32_t len,
			     void (*done)(struct command *cmd))
{
	struct iscsi_task *task = task_of(cmd);

	task->want_off = off;
	task->want_len = len;
	task->solicited = done;
	/* Another unit has come to the LUN since the memory was reserved. */
	if (len > iscsi_task_room(task))
		iscsi_task_fail(task, SCSI_KEY_ABORTED_COMMAND, SCSI_ASC_INSUFFICIENT_RESOURCES);
	else if (!task->unsolicited)
		task_out_begin(task);
	else
		iscsi_task_receiving(task, true);
}

/* RFC 7143 7.8: what is spoiled ends when the data of all outstanding R2Ts has come. */
void iscsi_task_data_arrived(struct iscsi_task *task)
{
	bool whole = task->r2t_len && task->received == task->r2t_len;

	if (task->unsolicited)
		return;
	if (whole) {
		task->want_got += task->r2t_len;
		task->r2t_len = 0;
		task->r2ts--;
		task->ttt++;
	}
	if (task->spoiled && !task->r2ts)
		iscsi_task_fail(task, SCSI_KEY_ABORTED_COMMAND, ISCSI_ASC_CRC_ERROR);
	else if (whole)
		task_out_next(task);
	else if (task->solicited && !task->r2t_len)
		task_out_begin(task);
}

void iscsi_task_data_ends(struct iscsi_task *task)
{
	iscsi_task_receiving(task, false);
}

/* ---- data-in and status ---- */

static bool task_collapses(const struct iscsi_task *task)
{
	return task->final && task->cmd.scsi.status == SCSI_GOOD && !task->cmd.scsi.sense_len;
}

static void task_put_residual(const struct iscsi_task *task, uint8_t *bhs)
{
	uint64_t expected =
		task->flags & (ISCSI_COMMAND_READ | ISCSI_COMMAND_WRITE) ? task->expected : 0;
	uint64_t wanted = task->cmd.scsi.wanted, residual;

	if (wanted == expected)
		return;
	bhs[ISCSI_AT_FLAGS] |= wanted > expected ? ISCSI_OVERFLOW : ISCSI_UNDERFLOW;
	residual = wanted > expected ? wanted - expected : expected - wanted;
	put_be32(bhs + ISCSI_RESPONSE_AT_RESIDUAL,
		 residual > UINT32_MAX ? UINT32_MAX : (uint32_t)residual);
}

/* One Data-In (RFC 7143 11.7); false: there is no room for it. */
static bool data_in_build(struct iscsi_conn *conn, struct iscsi_task *task)
{
	uint32_t burst = conn->session->params.value[ISCSI_MAX_BURST] - task->in_burst;
	uint32_t left = task->cmd.data_in.len - task->in_sent, n = left;
	uint8_t bhs[ISCSI_BHS] = {ISCSI_DATA_IN};
	bool last;

	if (n > conn->params.value[ISCSI_MAX_RECV])
		n = conn->params.value[ISCSI_MAX_RECV];
	if (n > burst)
		n = burst;
	last = n == left && task_collapses(task);
	if (n == left || n == burst)
		bhs[ISCSI_AT_FLAGS] = ISCSI_FINAL;
	put_be32(bhs + ISCSI_AT_ITT, task->itt);
	put_be32(bhs + ISCSI_AT_TTT, ISCSI_NO_TAG);
	put_be32(bhs + ISCSI_DATA_AT_SN, task->data_sn);
	put_be32(bhs + ISCSI_DATA_AT_OFFSET, task->in_off + task->in_sent);
	if (last) {
		bhs[ISCSI_AT_FLAGS] |= ISCSI_DATA_STATUS;
		bhs[ISCSI_DATA_AT_STATUS] = task->cmd.scsi.status;
		task_put_residual(task, bhs);
		iscsi_task_uncount(task);
	}
	if (!iscsi_batch_data(conn, bhs, &task->cmd.data_in, task->in_sent, n, last))
		return false;
	task->data_sn++;
	task->in_sent += n;
	task->in_burst = bhs[ISCSI_AT_FLAGS] & ISCSI_FINAL ? 0 : task->in_burst + n;
	if (!list_linked(&task->batch)) {
		list_add_tail(&conn->batch.tasks, &task->batch);
		iscsi_task_pin(task);
	}
	return true;
}

static bool response_build(struct iscsi_conn *conn, struct iscsi_task *task)
{
	uint8_t bhs[ISCSI_BHS] = {ISCSI_RESPONSE, ISCSI_FINAL}, data[2 + SCSI_SENSE_MAX];
	uint32_t len = task->cmd.scsi.sense_len;

	bhs[ISCSI_RESPONSE_AT_STATUS] = task->cmd.scsi.status;
	put_be32(bhs + ISCSI_AT_ITT, task->itt);
	put_be32(bhs + ISCSI_RESPONSE_AT_EXPDATASN, task->data_sn);
	task_put_residual(task, bhs);
	if (len) {
		put_be16(data, (uint16_t)len);
		memcpy(data + 2, task->cmd.scsi.sense, len);
		len += 2;
	}
	iscsi_task_uncount(task);
	return iscsi_batch_pdu(conn, bhs, data, len, true, true);
}

bool iscsi_task_build(struct iscsi_conn *conn, struct iscsi_tx *tx)
{
	struct iscsi_task *task = container_of(tx, struct iscsi_task, tx);

	while (task->in_sent < task->cmd.data_in.len)
		if (!data_in_build(conn, task))
			return false;
	if (!task->final) {
		task->in_built = true;
		return true;
	}
	if (!(task->cmd.data_in.len && task_collapses(task)) && !response_build(conn, task))
		return false;
	iscsi_task_over(task);
	return true;
}

void iscsi_task_sent(struct iscsi_task *task)
{
	void (*pushed)(struct command * cmd) = task->pushed;

	if (pushed && task->in_built) {
		task->pushed = NULL;
		pushed(&task->cmd);
	}
	iscsi_task_unpin(task);
}

static void task_queue_data(struct iscsi_task *task)
{
	struct sgl *in = &task->cmd.data_in;
	uint32_t left = task->cmd.scsi.in_len - task->in_off;

	if (in->len > left)
		in->len = left;
	task->in_sent = 0;
	task->in_built = false;
	task->asked = task->session->worker->now;
	iscsi_conn_queue(task->conn, &task->tx);
}

static void task_ops_push(struct command *cmd, void (*done)(struct command *cmd))
{
	struct iscsi_task *task = task_of(cmd);

	/* Without a connection, or data, there is nothing to wait for. */
	if (!task->conn || !cmd->data_in.len) {
		done(cmd);
		return;
	}
	task->in_off += task->in_built ? task->in_sent : 0;
	task->pushed = done;
	task_queue_data(task);
}

static void task_count_answer(const struct iscsi_task *task)
{
	struct iscsi_session *session = task->session;
	struct iscsi_worker_stats *stats = &session->worker->stats;
	const struct scsi_command *scsi = &task->cmd.scsi;
	uint64_t moved = scsi->wanted < task->expected ? scsi->wanted : task->expected;

	stats->commands++;
	stats->status[scsi->status]++;
	session->count.commands++;
	session->count.errors += scsi->status == SCSI_CHECK_CONDITION;
	if (task->flags & ISCSI_COMMAND_READ) {
		session->count.reads++;
		session->count.read_bytes += moved;
		stats->read_bytes += moved;
	} else if (task->flags & ISCSI_COMMAND_WRITE) {
		session->count.writes++;
		session->count.write_bytes += moved;
		stats->write_bytes += moved;
	}
	iscsi_count_answer(task, moved);
}

void iscsi_task_answer(struct iscsi_task *task)
{
	struct scsi_command *scsi = &task->cmd.scsi;

	if (task->failed) {
		struct scsi_sense sense = {.key = task->failed_key, .asc = task->failed_asc};

		scsi->status = SCSI_CHECK_CONDITION;
		scsi->sense_len = scsi_sense_format(&sense, false, scsi->sense);
		scsi->wanted = 0;
		task->cmd.data_in.len = 0;
	}
	if (!task->conn) {
		iscsi_task_over(task);
		return;
	}
	iscsi_task_receiving(task, false);
	if (list_linked(&task->r2t_tx.link))
		list_del(&task->r2t_tx.link);
	task_count_answer(task);
	task->state = ISCSI_TASK_ANSWERING;
	task->in_off += task->in_built ? task->in_sent : 0;
	task->final = true;
	task_queue_data(task);
}

static void task_ops_deliver(struct command *cmd)
{
	iscsi_task_answer(task_of(cmd));
}

/* ---- ends that nobody waited for ---- */

static void task_ops_drop(struct command *cmd)
{
	struct iscsi_task *task = task_of(cmd);

	if (task->failed)
		iscsi_task_answer(task);
	else
		iscsi_task_over(task);
}

/* Called for every aborted command, also for one that does not wait for us. */
static void task_ops_cancel(struct command *cmd)
{
	struct iscsi_task *task = task_of(cmd);
	void (*done)(struct command * cmd) = task->solicited ? task->solicited : task->pushed;

	if (!done)
		return;
	task->solicited = task->pushed = NULL;
	task->r2t_len = task->r2ts = 0;
	iscsi_task_receiving(task, false);
	if (list_linked(&task->tx.link))
		list_del(&task->tx.link);
	if (list_linked(&task->r2t_tx.link))
		list_del(&task->r2t_tx.link);
	task->cmd.data_out = (struct sgl){};
	done(cmd);
}

const struct transport_ops iscsi_task_ops = {
	.place = task_ops_place,
	.deliver = task_ops_deliver,
	.solicit = task_ops_solicit,
	.push = task_ops_push,
	.cancel = task_ops_cancel,
	.drop = task_ops_drop,
};
