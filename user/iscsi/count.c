/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What each session asked of each unit, and how long it took. It is counted where it happens, on
 * the session's thread; when a session ends its numbers are added to what others before it asked of
 * the same unit of the target, so that no sum ever goes back.
 *
 * Time is read once for all answers of a turn: an answer waits here for iscsi_worker_stamp().
 */
#include "iscsi/internal.h"

#include "scsi/sense.h"
#include <stdlib.h>
#include <string.h>

/* What sessions that are over asked of a target. */
struct iscsi_past {
	struct list link;
	const struct iscsi_target *target;
	struct iscsi_lun_stats *luns[SCSI_LUNS_MAX];
};

/* ---- counting ---- */

/* Of CHECK CONDITION. */
static uint8_t key_of(const struct scsi_command *scsi)
{
	return scsi->sense[scsi->sense[0] == SCSI_SENSE_DESCRIPTOR ? 1 : 2] & 0xf;
}

/* To be told something, or that data differs, is no failure of what was asked for. */
static bool is_failure(const struct scsi_command *scsi)
{
	return scsi->status == SCSI_CHECK_CONDITION && key_of(scsi) != SCSI_KEY_UNIT_ATTENTION &&
	       key_of(scsi) != SCSI_KEY_MISCOMPARE;
}

static bool is_attention(const struct scsi_command *scsi)
{
	return scsi->status == SCSI_CHECK_CONDITION && key_of(scsi) == SCSI_KEY_UNIT_ATTENTION;
}

/* NULL: the LUN shows nothing, or memory is short. */
static struct iscsi_lun_stats *stats_of(struct iscsi_session *session, uint64_t lun)
{
	uint16_t number;

	if (!session->scsi || !scsi_nexus_shows(session->scsi, lun, &number))
		return NULL;
	if (!session->luns[number])
		session->luns[number] = calloc(1, sizeof(*session->luns[number]));
	return session->luns[number];
}

void iscsi_count_answer(const struct iscsi_task *task, uint64_t bytes)
{
	struct iscsi_worker *worker = task->session->worker;
	const struct scsi_command *scsi = &task->cmd.scsi;
	struct iscsi_lun_stats *stats = stats_of(task->session, scsi->lun);

	if (!stats)
		return;
	stats->conflicts += scsi->status == SCSI_RESERVATION_CONFLICT;
	stats->attentions += is_attention(scsi);
	if (worker->nanswered == ISCSI_ANSWERED_MAX)
		iscsi_worker_stamp(worker, worker->now);
	worker->answered[worker->nanswered++] = (struct iscsi_answered){
		.op = &stats->ops[scsi_command_op(&task->cmd)],
		.taken_ns = task->taken,
		.bytes = bytes,
		.failed = is_failure(scsi),
	};
}

bool iscsi_worker_unstamped(const struct iscsi_worker *worker)
{
	return worker->nanswered;
}

void iscsi_worker_stamp(struct iscsi_worker *worker, uint64_t now_ns)
{
	for (unsigned int i = 0; i < worker->nanswered; i++) {
		const struct iscsi_answered *answer = &worker->answered[i];
		uint64_t ns = now_ns > answer->taken_ns ? now_ns - answer->taken_ns : 0;

		lu_op_count(answer->op, ns, answer->bytes, answer->failed);
	}
	worker->nanswered = 0;
}

/* ---- what is over ---- */

void iscsi_lun_stats_add(struct iscsi_lun_stats *to, const struct iscsi_lun_stats *from)
{
	for (unsigned int op = 0; op < LU_OPS; op++)
		lu_op_add(&to->ops[op], &from->ops[op]);
	to->conflicts += from->conflicts;
	to->attentions += from->attentions;
}

static struct iscsi_past *past_of(struct iscsi_worker *worker, const struct iscsi_target *target)
{
	struct iscsi_past *past;

	list_for_each_entry (past, &worker->pasts, link)
		if (past->target == target)
			return past;
	past = calloc(1, sizeof(*past));
	if (past) {
		past->target = target;
		list_add_tail(&worker->pasts, &past->link);
	}
	return past;
}

void iscsi_count_end(struct iscsi_session *session)
{
	struct iscsi_worker *worker = session->worker;
	struct iscsi_past *past = session->target ? past_of(worker, session->target) : NULL;

	iscsi_worker_stamp(worker, worker->now);
	for (uint16_t lun = 0; lun < SCSI_LUNS_MAX; lun++) {
		struct iscsi_lun_stats *stats = session->luns[lun];

		session->luns[lun] = NULL;
		if (!stats || !past) {
			free(stats);
		} else if (past->luns[lun]) {
			iscsi_lun_stats_add(past->luns[lun], stats);
			free(stats);
		} else {
			past->luns[lun] = stats;
		}
	}
}

void iscsi_count_forget(struct iscsi_worker *worker, const struct iscsi_target *target)
{
	struct iscsi_past *past, *next;

	list_for_each_entry_safe (past, next, &worker->pasts, link) {
		if (target && past->target != target)
			continue;
		for (uint16_t lun = 0; lun < SCSI_LUNS_MAX; lun++)
			free(past->luns[lun]);
		list_del(&past->link);
		free(past);
	}
}

/* ---- report ---- */

struct report {
	struct iscsi_lun_report *out;
	unsigned int n, max;
};

static void report_luns(struct report *report, const char *target, const char *initiator,
			struct iscsi_lun_stats *const *luns)
{
	for (uint16_t lun = 0; lun < SCSI_LUNS_MAX; lun++) {
		struct iscsi_lun_report *out;

		if (!luns[lun])
			continue;
		if (report->n++ >= report->max)
			continue;
		out = &report->out[report->n - 1];
		strcpy(out->target, target);
		strcpy(out->initiator, initiator);
		out->lun = lun;
		out->stats = *luns[lun];
	}
}

unsigned int iscsi_worker_luns(struct iscsi_worker *worker, struct iscsi_lun_report *out,
			       unsigned int max)
{
	struct report report = {.out = out, .max = max};
	const struct iscsi_session *session;
	const struct iscsi_past *past;

	iscsi_worker_stamp(worker, worker->now);
	list_for_each_entry (past, &worker->pasts, link)
		report_luns(&report, past->target->name, "", past->luns);
	list_for_each_entry (session, &worker->sessions, link)
		if (session->target)
			report_luns(&report, session->target->name, session->id.initiator,
				    session->luns);
	return report.n;
}
