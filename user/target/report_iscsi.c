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

static json_t *luns_json(const struct target_iscsi *iscsi)
{
	json_t *luns = json_array();

	for (uint16_t lun = 0; lun < SCSI_LUNS_MAX; lun++)
		if (iscsi->units[lun])
			json_array_append_new(
				luns,
				json_pack("{s:i, s:o, s:o}", "lun", (int)lun, "disk",
					  json_text(iscsi->units[lun]->disk->name), "reservation",
					  scsi_device_reservation(iscsi->units[lun]->device)));
	return luns;
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
			json_array_append_new(portals, json_text(iscsi->portals[i].address));
		json_array_append_new(targets,
				      json_pack("{s:o, s:o, s:o, s:o}", "name",
						json_text(iscsi_target_name(iscsi->target)),
						"portals", portals, "luns", luns_json(iscsi),
						"allow", allow_json(iscsi)));
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

static void sessions_take(struct iscsi_worker *worker, void *arg)
{
	struct iscsi_session_report *all = calloc(SESSIONS_MAX, sizeof(*all));
	unsigned int n = all ? iscsi_worker_sessions(worker, all, SESSIONS_MAX) : 0;
	json_t *sessions = arg;

	for (unsigned int i = 0; i < n && i < SESSIONS_MAX; i++)
		json_array_append_new(sessions, session_json(&all[i]));
	free(all);
}

json_t *target_sessions_json(const struct target *target)
{
	json_t *sessions = json_array();

	if (target->tcp)
		tcp_server_each(target->tcp, sessions_take, sessions);
	return sessions;
}
