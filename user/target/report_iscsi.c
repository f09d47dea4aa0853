/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* iSCSI in the document of status. */
#include "target/internal.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/json_text.h"
#include "config/iscsi_words.h"
#include <stdio.h>
#include <stdlib.h>

#define SESSIONS_MAX 4096u /* in one report */

static json_t *allow_json(const struct target_iscsi *iscsi)
{
	json_t *allow = json_array();

	for (unsigned int i = 0; i < iscsi->nrules; i++) {
		_cleanup_free_ char *text = config_rule_text(&iscsi->rules[i]);

		json_array_append_new(allow, json_text(text ? text : ""));
	}
	return allow;
}

static bool mask_has(const uint64_t *mask, unsigned int lun)
{
	return lun < SCSI_LUNS_MAX && mask[lun / 64] >> lun % 64 & 1;
}

/* The LUNs that are in a mask: [first, last] of each range. */
static json_t *mask_json(const uint64_t *mask)
{
	json_t *ranges = json_array();
	unsigned int first = 0;

	for (unsigned int lun = 0; lun < SCSI_LUNS_MAX; lun++) {
		if (!mask_has(mask, lun))
			continue;
		if (!lun || !mask_has(mask, lun - 1))
			first = lun;
		if (!mask_has(mask, lun + 1))
			json_array_append_new(ranges, json_pack("[i, i]", (int)first, (int)lun));
	}
	return ranges;
}

/* In their order: the first that an initiator's name fits holds. */
static json_t *acl_json(const struct target_iscsi *iscsi)
{
	json_t *acl = json_array();

	for (unsigned int i = 0; i < iscsi->nrules; i++) {
		const struct iscsi_rule *rule = &iscsi->rules[i];

		json_array_append_new(acl, json_pack("{s:o, s:o, s:o}", "initiator",
						     json_text(rule->pattern), "luns",
						     mask_json(rule->mask.visible), "read_only",
						     mask_json(rule->mask.read_only)));
	}
	return acl;
}

static json_t *luns_json(const struct target_iscsi *iscsi)
{
	json_t *luns = json_array();

	for (uint16_t lun = 0; lun < SCSI_LUNS_MAX; lun++)
		if (iscsi->units[lun])
			json_array_append_new(
				luns,
				json_pack("{s:i, s:o, s:b, s:o, s:o}", "lun", (int)lun, "disk",
					  json_text(iscsi->units[lun]->disk->name), "read_only",
					  iscsi->read_only[lun] ||
						  iscsi->units[lun]->disk->read_only,
					  "reservation",
					  scsi_device_reservation(iscsi->units[lun]->device),
					  "access", scsi_device_access(iscsi->units[lun]->device)));
	return luns;
}

static json_t *portal_json(const struct iscsi_portal *portal)
{
	char text[CONFIG_PORTAL_TEXT];

	config_portal_format(portal, text);
	return json_text(text);
}

void target_iscsi_summary(const struct target *target, const char *separator, FILE *out)
{
	const struct target_iscsi *iscsi;

	list_for_each_entry (iscsi, &target->iscsi, link) {
		fprintf(out, "%s%s on", separator, iscsi_target_name(iscsi->target));
		for (unsigned int i = 0; i < iscsi->nportals; i++)
			fprintf(out, "%s %s", i ? "," : "", iscsi->portals[i].address);
		separator = "; ";
	}
}

json_t *target_iscsi_json(const struct target *target)
{
	const struct target_iscsi *iscsi;
	json_t *targets = json_array();

	list_for_each_entry (iscsi, &target->iscsi, link) {
		json_t *portals = json_array();

		for (unsigned int i = 0; i < iscsi->nportals; i++)
			json_array_append_new(portals, portal_json(&iscsi->portals[i]));
		json_array_append_new(
			targets, json_pack("{s:o, s:o, s:o, s:o, s:o}", "name",
					   json_text(iscsi_target_name(iscsi->target)), "portals",
					   portals, "luns", luns_json(iscsi), "allow",
					   allow_json(iscsi), "acl", acl_json(iscsi)));
	}
	return targets;
}

static json_t *session_json(const struct iscsi_session_report *session)
{
	char isid[13];

	for (unsigned int i = 0; i < 6; i++)
		sprintf(isid + 2 * i, "%02x", session->isid[i]);
	return json_pack("{s:o, s:o, s:s, s:i, s:i, s:s, s:s, s:b, s:b, s:b, s:i, s:f, s:I, s:I,"
			 " s:I, s:I, s:I, s:I}",
			 "initiator", json_text(session->initiator), "target",
			 json_text(session->target), "isid", isid, "tsih", (int)session->tsih,
			 "connections", (int)session->conns, "peer", session->peer, "local",
			 session->local, "header_digest", session->header_digest, "data_digest",
			 session->data_digest, "chap", session->chap, "inflight",
			 (int)session->inflight, "seconds",
			 (double)(clock_now_ns() - session->since_ns) / CLOCK_NS_PER_S, "commands",
			 (json_int_t)session->commands, "reads", (json_int_t)session->reads,
			 "writes", (json_int_t)session->writes, "read_bytes",
			 (json_int_t)session->read_bytes, "write_bytes",
			 (json_int_t)session->write_bytes, "errors", (json_int_t)session->errors);
}

/* ---- what the workers have to tell ---- */

/* Copied by the workers, each a while, into memory made before: they serve meanwhile. */
struct numbers {
	struct iscsi_worker_stats stats; /* of all */
	struct iscsi_session_report *sessions;
	unsigned int nsessions;
};

static void numbers_take(struct iscsi_worker *worker, void *arg)
{
	const struct iscsi_worker_stats *stats = iscsi_worker_stats(worker);
	const uint64_t *from = (const uint64_t *)stats;
	struct numbers *numbers = arg;
	uint64_t *to = (uint64_t *)&numbers->stats;
	unsigned int room = SESSIONS_MAX - numbers->nsessions, n;

	for (size_t i = 0; i < sizeof(*stats) / sizeof(*to); i++)
		to[i] += from[i];
	n = iscsi_worker_sessions(worker, numbers->sessions + numbers->nsessions, room);
	numbers->nsessions += n < room ? n : room;
}

/* False: no iSCSI is served, or memory ran out. The sessions are to be freed. */
static bool numbers_read(const struct target *target, struct numbers *numbers)
{
	*numbers = (struct numbers){.nsessions = 0};
	if (!target->tcp)
		return false;
	numbers->sessions = calloc(SESSIONS_MAX, sizeof(*numbers->sessions));
	if (numbers->sessions)
		tcp_server_each(target->tcp, numbers_take, numbers);
	return numbers->sessions;
}

static json_t *sessions_json(const struct numbers *numbers)
{
	json_t *sessions = json_array();

	for (unsigned int i = 0; i < numbers->nsessions; i++)
		json_array_append_new(sessions, session_json(&numbers->sessions[i]));
	return sessions;
}

json_t *target_sessions_json(const struct target *target)
{
	struct numbers numbers;
	json_t *sessions;

	numbers_read(target, &numbers);
	sessions = sessions_json(&numbers);
	free(numbers.sessions);
	return sessions;
}

/* ---- counters ---- */

static json_t *by_status(const struct iscsi_worker_stats *stats)
{
	static const struct {
		uint8_t code; /* SAM-5 5.3.1 */
		const char *name;
	} names[] = {
		{0x00, "good"},	      {0x02, "check_condition"},      {0x04, "condition_met"},
		{0x08, "busy"},	      {0x18, "reservation_conflict"}, {0x28, "task_set_full"},
		{0x30, "aca_active"}, {0x40, "task_aborted"},
	};
	json_t *status = json_object();

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		json_object_set_new(status, names[i].name,
				    json_integer((json_int_t)stats->status[names[i].code]));
	return status;
}

static json_t *by_function(const struct iscsi_worker_stats *stats)
{
	/* RFC 7143 11.5.1, RFC 7144 4.2 */
	static const char *const names[16] = {
		[1] = "abort_task",	   [2] = "abort_task_set",     [3] = "clear_aca",
		[4] = "clear_task_set",	   [5] = "logical_unit_reset", [6] = "target_warm_reset",
		[7] = "target_cold_reset", [8] = "task_reassign",      [9] = "query_task",
		[10] = "query_task_set",   [11] = "i_t_nexus_reset",   [12] = "query_async_event",
	};
	json_t *functions = json_object();

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (names[i])
			json_object_set_new(functions, names[i],
					    json_integer((json_int_t)stats->tmf[i]));
	return functions;
}

json_t *target_iscsi_stats_json(const struct target *target)
{
	struct numbers numbers;
	const struct iscsi_worker_stats *s = &numbers.stats;
	json_t *json = NULL;

	if (numbers_read(target, &numbers))
		json = json_pack(
			"{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I,"
			" s:I, s:I, s:I, s:o, s:o, s:o, s:o}",
			"connections", (json_int_t)s->conns, "connections_refused",
			(json_int_t)s->conns_refused, "logins", (json_int_t)s->logins,
			"logins_failed", (json_int_t)s->logins_failed, "logins_denied",
			(json_int_t)s->logins_denied, "logouts", (json_int_t)s->logouts,
			"sessions_lost", (json_int_t)s->sessions_lost, "header_digest_errors",
			(json_int_t)s->header_digest_errors, "data_digest_errors",
			(json_int_t)s->data_digest_errors, "rejects", (json_int_t)s->rejects,
			"protocol_errors", (json_int_t)s->protocol_errors, "read_bytes",
			(json_int_t)s->read_bytes, "write_bytes", (json_int_t)s->write_bytes,
			"memory_waits", (json_int_t)s->memory_waits, "task_set_full",
			(json_int_t)s->task_set_full, "copied_by_store",
			(json_int_t)s->copied_by_store, "copied_by_memory",
			(json_int_t)s->copied_by_memory, "status", by_status(s), "task_management",
			by_function(s), "sessions", sessions_json(&numbers), "targets",
			target_luns_stats_json(target));
	free(numbers.sessions);
	return json;
}
