/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* iSCSI: targets, what all sessions did together, and each session that there is. */
#include "metrics/document.h"
#include "metrics/series.h"

#include <stdio.h>

#define SESSIONS_MAX 1000u /* have series of their own: what a monitoring system should bear */

static bool label_lun(struct text *labels, const json_t *target, const json_t *lun)
{
	uint64_t number;
	char text[24];

	if (!document_number(lun, "lun", &number))
		return false;
	snprintf(text, sizeof(text), "%llu", (unsigned long long)number);
	text_label(labels, "target", document_text(target, "name"));
	text_label(labels, "lun", text);
	return true;
}

static void render_luns(const json_t *status, struct text *out)
{
	static const struct metric info = {"stgt_iscsi_lun_info", "gauge",
					   "The disk behind a LUN, always 1."};
	const json_t *target, *lun;
	struct series_list list = {.failed = false};
	size_t i, k;

	json_array_foreach (json_object_get(status, "iscsi"), i, target) {
		json_array_foreach (json_object_get(target, "luns"), k, lun) {
			struct text labels = {.failed = false};

			if (!label_lun(&labels, target, lun))
				continue;
			text_label(&labels, "disk", document_text(lun, "disk"));
			series_add(&list, &labels, 1);
		}
	}
	series_print(&list, &info, out);
}

/*
 * A member of the document: with `label` a series that has this label with `value`; without `value`
 * each member of the member.
 */
struct iscsi_number {
	const char *member, *label, *value;
};

static const struct iscsi_metric {
	struct metric metric;
	struct iscsi_number numbers[6];
} metrics[] = {
	{{"stgt_iscsi_connections_total", "counter",
	  "Connections, by what became of them: served, or refused because there were too many."},
	 {{"connections", "result", "served"}, {"connections_refused", "result", "refused"}}},
	{{"stgt_iscsi_logins_total", "counter", "Logins that succeeded."},
	 {{"logins", NULL, NULL}}},
	{{"stgt_iscsi_logins_failed_total", "counter",
	  "Logins that failed, those who were denied among them."},
	 {{"logins_failed", NULL, NULL}}},
	{{"stgt_iscsi_logins_denied_total", "counter",
	  "Logins that failed because the initiator is not on the list, or did not prove who it "
	  "is."},
	 {{"logins_denied", NULL, NULL}}},
	{{"stgt_iscsi_commands_total", "counter", "SCSI commands by the status they ended with."},
	 {{"status", "status", NULL}}},
	{{"stgt_iscsi_bytes_total", "counter", "Data of SCSI commands."},
	 {{"read_bytes", "direction", "read"}, {"write_bytes", "direction", "write"}}},
	{{"stgt_iscsi_copied_bytes_total", "counter",
	  "Data of EXTENDED COPY, by who copied it: the store, or reading and writing did."},
	 {{"copied_by_store", "by", "store"}, {"copied_by_memory", "by", "memory"}}},
	{{"stgt_iscsi_task_management_total", "counter", "Task management requests by function."},
	 {{"task_management", "function", NULL}}},
	{{"stgt_iscsi_errors_total", "counter", "What went wrong on connections, by kind."},
	 {{"header_digest_errors", "kind", "header_digest"},
	  {"data_digest_errors", "kind", "data_digest"},
	  {"rejects", "kind", "reject"},
	  {"protocol_errors", "kind", "protocol"},
	  {"sessions_lost", "kind", "session_lost"}}},
	{{"stgt_iscsi_memory_waits_total", "counter", "Commands that waited for memory."},
	 {{"memory_waits", NULL, NULL}}},
};

static void add_one(struct series_list *list, const char *label, const char *value,
		    const json_t *number)
{
	struct text labels = {.failed = false};

	if (!json_is_integer(number) || json_integer_value(number) < 0)
		return;
	if (label)
		text_label(&labels, label, value);
	else
		text_put(&labels, "");
	series_add(list, &labels, (uint64_t)json_integer_value(number));
}

static void render_counters(const json_t *iscsi, struct text *out)
{
	const char *member;
	json_t *value;

	for (size_t m = 0; m < sizeof(metrics) / sizeof(metrics[0]); m++) {
		struct series_list list = {.failed = false};

		for (const struct iscsi_number *n = metrics[m].numbers; n->member; n++) {
			json_t *number = json_object_get(iscsi, n->member);

			if (!n->label || n->value)
				add_one(&list, n->label, n->value, number);
			else
				json_object_foreach (number, member, value)
					add_one(&list, n->label, member, value);
		}
		series_print(&list, &metrics[m].metric, out);
	}
}

/* ---- sessions ---- */

/* How many there are, of each target; a discovery session has none. */
static void render_session_count(const json_t *iscsi, struct text *out)
{
	static const struct metric metric = {"stgt_iscsi_sessions", "gauge",
					     "Sessions that there are."};
	struct series_list list = {.failed = false};
	const json_t *session;
	size_t i;

	json_array_foreach (json_object_get(iscsi, "sessions"), i, session) {
		struct text labels = {.failed = false};

		text_label(&labels, "target", document_text(session, "target"));
		series_add(&list, &labels, 1);
	}
	series_print(&list, &metric, out);
}

/* A new session has another TSIH, so that no counter of these ever goes back. */
static void session_labels(struct text *labels, const json_t *session)
{
	uint64_t tsih = 0;
	char text[24];

	document_number(session, "tsih", &tsih);
	snprintf(text, sizeof(text), "%llu", (unsigned long long)tsih);
	text_label(labels, "target", document_text(session, "target"));
	text_label(labels, "initiator", document_text(session, "initiator"));
	text_label(labels, "tsih", text);
}

static void render_sessions(const json_t *iscsi, struct text *out)
{
	static const struct {
		struct metric metric;
		const char *member;
	} numbers[] = {
		{{"stgt_iscsi_session_commands_total", "counter", "Commands of a session."},
		 "commands"},
		{{"stgt_iscsi_session_read_bytes_total", "counter", "What a session read."},
		 "read_bytes"},
		{{"stgt_iscsi_session_write_bytes_total", "counter", "What a session wrote."},
		 "write_bytes"},
		{{"stgt_iscsi_session_errors_total", "counter",
		  "Commands of a session that ended with CHECK CONDITION."},
		 "errors"},
		{{"stgt_iscsi_session_inflight", "gauge", "Commands under way in a session."},
		 "inflight"},
	};
	const json_t *session;
	uint64_t value;
	size_t i;

	for (size_t m = 0; m < sizeof(numbers) / sizeof(numbers[0]); m++) {
		struct series_list list = {.failed = false};

		json_array_foreach (json_object_get(iscsi, "sessions"), i, session) {
			struct text labels = {.failed = false};

			if (i >= SESSIONS_MAX || !*document_text(session, "target") ||
			    !document_number(session, numbers[m].member, &value))
				continue;
			session_labels(&labels, session);
			series_add(&list, &labels, value);
		}
		series_print(&list, &numbers[m].metric, out);
	}
}

/* A number of each LUN. */
static void render_lun_number(const json_t *iscsi, const struct metric *metric, const char *member,
			      struct text *out)
{
	struct series_list list = {.failed = false};
	const json_t *target, *lun;
	size_t t, l;

	json_array_foreach (json_object_get(iscsi, "targets"), t, target) {
		json_array_foreach (json_object_get(target, "luns"), l, lun) {
			struct text labels = {.failed = false};
			uint64_t value;

			if (!document_number(lun, member, &value) ||
			    !label_lun(&labels, target, lun))
				continue;
			series_add(&list, &labels, value);
		}
	}
	series_print(&list, metric, out);
}

void render_iscsi(const json_t *status, const json_t *stats, struct text *out)
{
	static const struct metric conflicts = {
		"stgt_iscsi_reservation_conflicts_total", "counter",
		"Commands that another's reservation of the unit refused."};
	static const struct metric attentions = {"stgt_iscsi_unit_attentions_total", "counter",
						 "Unit attentions that initiators were told."};
	const json_t *iscsi = json_object_get(stats, "iscsi");

	render_luns(status, out);
	render_lun_number(iscsi, &conflicts, "conflicts", out);
	render_lun_number(iscsi, &attentions, "attentions", out);
	render_counters(iscsi, out);
	render_session_count(iscsi, out);
	render_sessions(iscsi, out);
}
