/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * PERSISTENT RESERVE OUT (SPC-5 6.17). One command after the other (changes.c) works on a copy of
 * the table, which is valid when it is saved, if it has to be; who lost what by it is what
 * differs between the two.
 */
#include "scsi/reserve.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LIST_LEN  24u
#define APTPL	  0x01
#define ALL_TG_PT 0x04
#define SPEC_I_PT 0x08
#define UNREG	  0x02 /* REGISTER AND MOVE */

enum action {
	REGISTER = 0,
	RESERVE = 1,
	RELEASE = 2,
	CLEAR = 3,
	PREEMPT = 4,
	PREEMPT_AND_ABORT = 5,
	REGISTER_AND_IGNORE = 6,
	REGISTER_AND_MOVE = 7,
};

struct out {
	struct scsi_device *dev;
	const struct scsi_nexus *nexus;
	struct scsi_pr_table *table; /* the staged one */
	struct scsi_verdict *verdict;
	const uint8_t *list;
	uint32_t len;
	enum action action;
	uint8_t scope_type;
	uint64_t key, action_key;
	int own; /* the nexus's registration, or -1 */
	bool changed;
	/* Who is registered, and whether what he has stays. */
	const uint8_t *id;
	uint32_t id_len;
	bool others;
};

static void conflict(struct out *o)
{
	o->verdict->status = SCSI_RESERVATION_CONFLICT;
}

static bool refused(const struct out *o)
{
	return o->verdict->status != SCSI_GOOD;
}

/* Registered, and with that key: what everything but registering begins with. */
static bool own_key_ok(struct out *o)
{
	if (o->own >= 0 && o->table->list[o->own].key == o->key)
		return true;
	conflict(o);
	return false;
}

static bool scope_and_type_ok(struct out *o)
{
	if (scsi_pr_type_valid(o->scope_type))
		return true;
	scsi_verdict_bad_cdb(o->verdict, 2, o->scope_type >> 4 ? 7 : 3);
	return false;
}

static void changed(struct out *o)
{
	o->changed = true;
	o->table->generation++;
}

/* ---- registering ---- */

/* Calls `each` with the nexus's port, or with all that show the unit. */
static void for_ports(struct out *o, void (*each)(struct out *o, const char *port))
{
	const struct scsi_lun *lun;

	if (!(o->list[20] & ALL_TG_PT)) {
		each(o, o->nexus->target->config.port_name);
		return;
	}
	pthread_mutex_lock(&o->dev->lock);
	list_for_each_entry (lun, &o->dev->shown, link)
		each(o, lun->target->config.port_name);
	pthread_mutex_unlock(&o->dev->lock);
}

static void add_on(struct out *o, const char *port)
{
	if (refused(o) || (o->others && scsi_pr_find_port(o->table, port, o->id, o->id_len) >= 0))
		return;
	if (scsi_pr_add(o->table, o->action_key, port, o->id, o->id_len))
		scsi_verdict_refuse(o->verdict, SCSI_ASC_INSUFFICIENT_RESOURCES);
}

static void add(struct out *o, const uint8_t *id, uint32_t id_len, bool others)
{
	o->id = id;
	o->id_len = id_len;
	o->others = others;
	for_ports(o, add_on);
}

/* SPEC_I_PT: the ports of others that the list names. */
static void add_listed(struct out *o)
{
	uint8_t protocol = o->nexus->target->config.protocol;
	uint32_t at = LIST_LEN + 4, size;

	if (o->len < at || get_be32(o->list + LIST_LEN) != o->len - at) {
		scsi_verdict_bad_list(o->verdict, LIST_LEN, 7);
		return;
	}
	for (; at < o->len && !refused(o); at += size) {
		size = scsi_transport_id_length(o->list + at, o->len - at, protocol);
		if (!size) {
			scsi_verdict_bad_list(o->verdict, at, 7);
			return;
		}
		add(o, o->list + at, size, true);
	}
}

static void unregister_on(struct out *o, const char *port)
{
	int found = scsi_pr_find_port(o->table, port, o->nexus->transport_id,
				      o->nexus->config.transport_id_len);

	if (found >= 0)
		scsi_pr_remove(o->table, (unsigned int)found);
}

static void out_register(struct out *o)
{
	bool ignore = o->action == REGISTER_AND_IGNORE, listed = o->list[20] & SPEC_I_PT;

	if (!ignore && o->key != (o->own < 0 ? 0 : o->table->list[o->own].key)) {
		conflict(o);
		return;
	}
	/* Others are registered by who registers himself, and not later. */
	if (listed && (ignore || o->own >= 0 || !o->action_key)) {
		scsi_verdict_bad_list(o->verdict, 20, 3);
		return;
	}
	if (o->list[20] & APTPL && !o->dev->state) {
		scsi_verdict_bad_list(o->verdict, 20, 0);
		return;
	}
	if (o->own < 0 && !o->action_key)
		return;
	if (!o->action_key)
		for_ports(o, unregister_on);
	else
		add(o, o->nexus->transport_id, o->nexus->config.transport_id_len, false);
	if (listed && !refused(o))
		add_listed(o);
	o->table->kept = o->list[20] & APTPL;
	changed(o);
}

/* The name of the port with this relative identifier; false: none that shows the unit has it. */
static bool port_name(struct scsi_device *dev, uint16_t relative, char name[SCSI_PORT_NAME_MAX])
{
	const struct scsi_lun *lun;

	name[0] = 0;
	pthread_mutex_lock(&dev->lock);
	list_for_each_entry (lun, &dev->shown, link)
		if (lun->target->config.relative_port == relative)
			snprintf(name, SCSI_PORT_NAME_MAX, "%s", lun->target->config.port_name);
	pthread_mutex_unlock(&dev->lock);
	return name[0];
}

static void out_move(struct out *o)
{
	uint8_t protocol = o->nexus->target->config.protocol;
	char port[SCSI_PORT_NAME_MAX];
	const uint8_t *id = o->list + LIST_LEN;
	uint32_t id_len;
	int to;

	if (!own_key_ok(o))
		return;
	if (!scsi_pr_holds(o->table, o->own) || scsi_pr_type_all(o->table->type)) {
		conflict(o);
		return;
	}
	id_len = scsi_transport_id_length(id, o->len - LIST_LEN, protocol);
	if (!o->action_key)
		scsi_verdict_bad_list(o->verdict, 8, 7);
	else if (o->list[17] & APTPL && !o->dev->state)
		scsi_verdict_bad_list(o->verdict, 17, 0);
	else if (!port_name(o->dev, get_be16(o->list + 18), port))
		scsi_verdict_bad_list(o->verdict, 18, 7);
	else if (!id_len || get_be32(o->list + 20) != o->len - LIST_LEN)
		scsi_verdict_bad_list(o->verdict, 20, 7);
	else if (scsi_pr_find_port(o->table, port, id, id_len) == o->own)
		scsi_verdict_bad_list(o->verdict, LIST_LEN, 7);
	else if (scsi_pr_add(o->table, o->action_key, port, id, id_len))
		scsi_verdict_refuse(o->verdict, SCSI_ASC_INSUFFICIENT_RESOURCES);
	if (refused(o))
		return;
	to = scsi_pr_find_port(o->table, port, id, id_len);
	o->table->holder = to;
	o->table->kept = o->list[17] & APTPL;
	if (o->list[17] & UNREG)
		scsi_pr_remove(o->table, (unsigned int)o->own);
	changed(o);
}

/* ---- reserving ---- */

static void out_reserve(struct out *o)
{
	if (!own_key_ok(o) || !scope_and_type_ok(o))
		return;
	if (o->table->type) {
		if (!scsi_pr_holds(o->table, o->own) || o->table->type != o->scope_type)
			conflict(o);
		return;
	}
	o->table->type = o->scope_type;
	o->table->holder = o->own;
	o->changed = true;
}

static void out_release(struct out *o)
{
	if (!own_key_ok(o) || !scsi_pr_holds(o->table, o->own))
		return;
	if (o->table->type != o->scope_type) {
		scsi_verdict_refuse(o->verdict, SCSI_ASC_RELEASE_OF_RESERVATION);
		return;
	}
	o->table->type = SCSI_PR_NONE;
	o->changed = true;
}

static void out_clear(struct out *o)
{
	if (!own_key_ok(o))
		return;
	o->table->n = 0;
	o->table->type = SCSI_PR_NONE;
	changed(o);
}

/* All others' registrations with the key, or all others'; returns how many there were. */
static unsigned int remove_others(struct out *o, bool all)
{
	struct scsi_pr_table *table = o->table;
	unsigned int before = table->n;

	for (unsigned int i = table->n; i-- > 0;) {
		if ((int)i == o->own || (!all && table->list[i].key != o->action_key))
			continue;
		scsi_pr_remove(table, i);
		o->own -= (int)i < o->own;
	}
	return before - table->n;
}

/* One's own registration with the key goes, too, unless it takes the reservation over. */
static unsigned int remove_own(struct out *o)
{
	if (o->key != o->action_key)
		return 0;
	scsi_pr_remove(o->table, (unsigned int)o->own);
	o->own = -1;
	return 1;
}

/* SPC-5 5.14.11.4 */
static void out_preempt(struct out *o)
{
	struct scsi_pr_table *table = o->table;
	bool all = scsi_pr_type_all(table->type);
	unsigned int removed;
	bool takes_over;

	if (!own_key_ok(o))
		return;
	if (!o->action_key && !all) {
		scsi_verdict_bad_list(o->verdict, 8, 7);
		return;
	}
	takes_over = all ? !o->action_key
			 : table->type && table->list[table->holder].key == o->action_key;
	if (takes_over && !scope_and_type_ok(o))
		return;
	removed = remove_others(o, all && !o->action_key);
	if (!takes_over)
		removed += remove_own(o);
	if (!removed && !takes_over) {
		conflict(o);
		return;
	}
	if (takes_over) {
		table->type = o->scope_type;
		table->holder = o->own;
	}
	changed(o);
}

static void (*const actions[])(struct out *o) = {
	[REGISTER] = out_register,
	[RESERVE] = out_reserve,
	[RELEASE] = out_release,
	[CLEAR] = out_clear,
	[PREEMPT] = out_preempt,
	[PREEMPT_AND_ABORT] = out_preempt,
	[REGISTER_AND_IGNORE] = out_register,
	[REGISTER_AND_MOVE] = out_move,
};

static void out_stage(struct scsi_device *dev, struct command *cmd, struct scsi_verdict *verdict)
{
	struct scsi_reservations *r = dev->reservations;
	const uint8_t *list = scsi_list(cmd);
	struct out o = {.dev = dev,
			.nexus = cmd->scsi.nexus,
			.table = &r->staged,
			.verdict = verdict,
			.list = list,
			.len = get_be32(cmd->scsi.cdb + 5),
			.action = cmd->scsi.opcode->action,
			.scope_type = cmd->scsi.cdb[2],
			.key = get_be64(list),
			.action_key = get_be64(list + 8)};
	bool longer =
		o.action == REGISTER_AND_MOVE ||
		(list[20] & SPEC_I_PT && (o.action == REGISTER || o.action == REGISTER_AND_IGNORE));

	scsi_pr_copy(o.table, &r->current);
	o.own = scsi_pr_find(o.table, o.nexus);
	if (scsi_reserved_simply(dev))
		conflict(&o);
	else if (o.len != LIST_LEN && !longer)
		scsi_verdict_refuse(verdict, SCSI_ASC_LIST_LENGTH);
	else
		actions[o.action](&o);
	verdict->keep = dev->state && o.changed && (r->current.kept || o.table->kept);
}

/* ---- what follows from it ---- */

/* What another nexus is told: SPC-5 table 71; 0: nothing. */
static uint16_t news_of(const struct scsi_pr_table *before, const struct scsi_pr_table *after,
			const struct scsi_it_l *it_l, enum action action)
{
	bool preempts = action == PREEMPT || action == PREEMPT_AND_ABORT;

	if (scsi_pr_find(before, it_l->nexus) < 0)
		return 0;
	if (scsi_pr_find(after, it_l->nexus) < 0) {
		if (action == CLEAR)
			return SCSI_ASC_RESERVATIONS_PREEMPTED;
		return preempts ? SCSI_ASC_REGISTRATIONS_PREEMPTED : 0;
	}
	if (preempts && before->type && after->type != before->type)
		return SCSI_ASC_RESERVATIONS_RELEASED;
	/* Those who shared in what was released. */
	if (!after->type && scsi_pr_type_registrants(before->type))
		return SCSI_ASC_RESERVATIONS_RELEASED;
	return 0;
}

/* What the preempted had under way ends, and the medium is not theirs to hold. */
static void preempt_and_abort_locked(struct scsi_it_l *it_l, const struct scsi_it_l *own)
{
	scsi_tasks_abort_locked(it_l->dev, it_l, own, NULL);
	it_l->prevents_removal = false;
}

static bool out_commit(struct scsi_device *dev, struct command *cmd)
{
	struct scsi_reservations *r = dev->reservations;
	enum action action = cmd->scsi.opcode->action;
	struct scsi_it_l *own = cmd->scsi.it_l, *it_l;

	pthread_mutex_lock(&dev->lock);
	list_for_each_entry (it_l, &dev->it_ls, link) {
		uint16_t news = news_of(&r->current, &r->staged, it_l, action);

		if (!news || it_l->nexus == own->nexus)
			continue;
		scsi_attend_one_locked(it_l, news);
		if (action == PREEMPT_AND_ABORT && news == SCSI_ASC_REGISTRATIONS_PREEMPTED)
			preempt_and_abort_locked(it_l, own);
	}
	scsi_pr_copy(&r->current, &r->staged);
	scsi_reservations_enforce_locked(dev);
	pthread_mutex_unlock(&dev->lock);
	return action != PREEMPT_AND_ABORT;
}

struct out_abortion {
	struct scsi_tmf tmf;
	struct command *cmd;
};

static void out_aborted(struct scsi_tmf *tmf)
{
	struct out_abortion *abortion = container_of(tmf, struct out_abortion, tmf);

	scsi_good(abortion->cmd);
	free(abortion);
}

/* The tasks that were preempted have ended before the command does. */
static void out_abort(struct scsi_device *dev, struct command *cmd)
{
	struct out_abortion *abortion = calloc(1, sizeof(*abortion));
	bool waits = abortion != NULL;

	if (waits) {
		abortion->cmd = cmd;
		abortion->tmf.done = out_aborted;
		abortion->tmf.nexus = cmd->scsi.nexus;
		atomic_store(&abortion->tmf.waiting, 1);
		pthread_mutex_lock(&dev->lock);
		/* Aborted itself, it would wait for itself. */
		waits = !scsi_task_aborted(cmd) && scsi_abort_wait_locked(dev, &abortion->tmf);
		pthread_mutex_unlock(&dev->lock);
	}
	if (!waits) {
		free(abortion);
		scsi_good(cmd);
		return;
	}
	scsi_nexus_begin(cmd->scsi.nexus, NULL);
	scsi_tmf_unit_done(&abortion->tmf);
}

static const struct scsi_change out_change = {
	.section = SCSI_PR_SECTION,
	.stage = out_stage,
	.describe = scsi_reservations_describe,
	.commit = out_commit,
	.finish = out_abort,
};

static void out_fetched(struct command *cmd)
{
	scsi_change_start(scsi_device_of(cmd), cmd, &out_change);
}

void scsi_pr_out(struct scsi_device *dev, struct command *cmd)
{
	uint32_t len = get_be32(cmd->scsi.cdb + 5);

	if (len < LIST_LEN)
		scsi_refuse(cmd, SCSI_KEY_ILLEGAL_REQUEST, SCSI_ASC_LIST_LENGTH);
	else
		scsi_fetch_list(cmd, len, out_fetched);
}
