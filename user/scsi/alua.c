/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Asymmetric logical unit access (SPC-5 5.16): which of a unit's ways are good. A state belongs to
 * a unit and a target port group; all ports of the group have the same.
 */
#include "scsi/device.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FORMAT_MASK	0xe0
#define FORMAT_EXTENDED 0x20
#define PREFERRED	0x80
#define SUPPORTED	0xcf /* every state but that of parts of a unit */
#define BY_COMMAND	0x01 /* status code: how the state came about */
#define BY_ITSELF	0x02
#define GROUP_LEN	8u
#define PORT_LEN	4u
#define SET_LEN		4u /* header and descriptors of SET TARGET PORT GROUPS */

/* ---- words ---- */

static const struct {
	const char *word;
	enum scsi_access access;
} words[] = {
	{"active/optimized", SCSI_ACCESS_OPTIMIZED},
	{"active/nonoptimized", SCSI_ACCESS_NONOPTIMIZED},
	{"standby", SCSI_ACCESS_STANDBY},
	{"unavailable", SCSI_ACCESS_UNAVAILABLE},
	{"offline", SCSI_ACCESS_OFFLINE},
	{"transitioning", SCSI_ACCESS_TRANSITIONING},
};

#define WORDS (sizeof(words) / sizeof(words[0]))

const char *scsi_access_name(enum scsi_access access)
{
	unsigned int i = 0;

	while (words[i].access != access)
		i++;
	return words[i].word;
}

static bool read_state(const char *word, size_t len, enum scsi_access *access)
{
	for (unsigned int i = 0; i < WORDS; i++)
		if (strlen(words[i].word) == len && !memcmp(words[i].word, word, len)) {
			*access = words[i].access;
			return true;
		}
	return false;
}

/* Each may be said once. */
static bool read_flag(const char *word, size_t len, struct scsi_access_state *state)
{
	bool *flag = len == 9 && !memcmp(word, "preferred", len)  ? &state->preferred
		     : len == 8 && !memcmp(word, "implicit", len) ? &state->implicit
								  : NULL;

	if (!flag || *flag)
		return false;
	return *flag = true;
}

int scsi_access_parse(const char *text, struct scsi_access_state *state, struct error *err)
{
	size_t len = strcspn(text, ",");
	const char *word = text;
	bool good;

	*state = (struct scsi_access_state){.access = SCSI_ACCESS_OPTIMIZED};
	good = read_state(word, len, &state->access);
	while (good && word[len]) {
		word += len + 1;
		len = strcspn(word, ",");
		good = read_flag(word, len, state);
	}
	if (good)
		return 0;
	return error_set(err, EINVAL,
			 "'%.64s' is no access state: active/optimized, active/nonoptimized, "
			 "standby, unavailable, offline or transitioning, and perhaps ,preferred "
			 "or ,implicit",
			 text);
}

/* ---- states ---- */

/* Returns whether that is news. The unit's lock is held. */
static bool access_set_locked(struct scsi_device *dev, uint16_t group,
			      struct scsi_access_state access, uint8_t reason)
{
	struct scsi_it_l *it_l;
	struct scsi_lun *lun;
	bool news = false;

	list_for_each_entry (lun, &dev->shown, link) {
		if (lun->target->config.group != group)
			continue;
		news |= !scsi_access_equal(lun->access, access);
		lun->access = access;
		lun->access_reason = reason;
	}
	list_for_each_entry (it_l, &dev->it_ls, link) {
		if (it_l->nexus->target->config.group != group)
			continue;
		atomic_store(&it_l->access, access.access);
		atomic_store(&it_l->implicit, access.implicit);
	}
	return news;
}

void scsi_target_set_access(struct scsi_target *target, struct scsi_access_state access)
{
	pthread_mutex_lock(&target->lock);
	target->config.access = access;
	for (uint16_t lun = 0; lun < SCSI_LUNS_MAX; lun++) {
		struct scsi_device *dev = target->luns[lun].dev;

		if (!dev)
			continue;
		pthread_mutex_lock(&dev->lock);
		if (access_set_locked(dev, target->config.group, access, BY_ITSELF))
			scsi_attend_locked(dev, NULL, SCSI_ASC_ACCESS_STATE_CHANGED);
		pthread_mutex_unlock(&dev->lock);
	}
	pthread_mutex_unlock(&target->lock);
}

void scsi_alua_show_locked(struct scsi_device *dev, struct scsi_lun *lun)
{
	const struct scsi_lun *other;

	lun->access = lun->target->config.access;
	lun->access_reason = 0;
	list_for_each_entry (other, &dev->shown, link) {
		if (other == lun || other->target->config.group != lun->target->config.group)
			continue;
		lun->access = other->access;
		lun->access_reason = other->access_reason;
		return;
	}
}

void scsi_alua_admit_locked(struct scsi_it_l *it_l)
{
	const struct scsi_lun *lun = &it_l->nexus->target->luns[it_l->lun];

	atomic_store(&it_l->access, lun->access.access);
	atomic_store(&it_l->implicit, lun->access.implicit);
}

uint16_t scsi_alua_refuses(const struct command *cmd)
{
	unsigned int access = atomic_load_explicit(&cmd->scsi.it_l->access, memory_order_relaxed);
	unsigned int flags = cmd->scsi.opcode->flags;

	if (access < SCSI_ACCESS_STANDBY || flags & SCSI_PAST_ALUA)
		return 0;
	if (access == SCSI_ACCESS_UNAVAILABLE)
		return SCSI_ASC_TARGET_PORT_UNAVAILABLE;
	if (access == SCSI_ACCESS_OFFLINE)
		return SCSI_ASC_UNIT_OFFLINE;
	if (access == SCSI_ACCESS_TRANSITIONING)
		return SCSI_ASC_ACCESS_STATE_TRANSITION;
	return flags & SCSI_STANDBY ? 0 : SCSI_ASC_TARGET_PORT_STANDBY;
}

/* ---- REPORT TARGET PORT GROUPS ---- */

/* The first of its group: whether none before `lun` is of the same. */
static bool group_begins(const struct scsi_device *dev, const struct scsi_lun *lun)
{
	const struct scsi_lun *other;

	list_for_each_entry (other, &dev->shown, link) {
		if (other == lun)
			return true;
		if (other->target->config.group == lun->target->config.group)
			return false;
	}
	return false;
}

/* A unit may stand under several LUNs of one port. */
static bool port_is_listed(const uint8_t *ports, uint8_t n, uint16_t port)
{
	for (uint8_t i = 0; i < n; i++)
		if (get_be16(ports + PORT_LEN * i + 2) == port)
			return true;
	return false;
}

static uint8_t *put_group(const struct scsi_device *dev, const struct scsi_lun *lun, uint8_t *out)
{
	const struct scsi_lun *other;
	uint8_t n = 0;

	out[0] = (uint8_t)(lun->access.access | (lun->access.preferred ? PREFERRED : 0));
	out[1] = SUPPORTED;
	put_be16(out + 2, lun->target->config.group);
	out[5] = lun->access_reason;
	list_for_each_entry (other, &dev->shown, link) {
		uint16_t port = other->target->config.relative_port;

		if (other->target->config.group != lun->target->config.group || n == UINT8_MAX ||
		    port_is_listed(out + GROUP_LEN, n, port))
			continue;
		put_be16(out + GROUP_LEN + PORT_LEN * n + 2, port);
		n++;
	}
	out[7] = n;
	return out + GROUP_LEN + PORT_LEN * n;
}

json_t *scsi_device_access(struct scsi_device *dev)
{
	const struct scsi_lun *lun;
	json_t *groups = json_array();

	pthread_mutex_lock(&dev->lock);
	list_for_each_entry (lun, &dev->shown, link)
		if (group_begins(dev, lun))
			json_array_append_new(groups,
					      json_pack("{s:i, s:s, s:b, s:b}", "group",
							(int)lun->target->config.group, "state",
							scsi_access_name(lun->access.access),
							"preferred", lun->access.preferred,
							"implicit", lun->access.implicit));
	pthread_mutex_unlock(&dev->lock);
	return groups;
}

static size_t shown_count(const struct scsi_device *dev)
{
	const struct scsi_lun *lun;
	size_t n = 0;

	list_for_each_entry (lun, &dev->shown, link)
		n++;
	return n;
}

void scsi_report_target_port_groups(struct scsi_device *dev, struct command *cmd)
{
	uint8_t format = cmd->scsi.cdb[1] & FORMAT_MASK, *out, *at;
	const struct scsi_lun *lun;
	uint32_t len = 0;

	if (format && format != FORMAT_EXTENDED) {
		scsi_bad_cdb(cmd, 1, 7);
		return;
	}
	pthread_mutex_lock(&dev->lock);
	out = calloc(1, 8 + shown_count(dev) * (GROUP_LEN + PORT_LEN));
	if (out) {
		/* The extended header: its format, and how long a change of state takes (no time).
		 */
		out[4] = format >> 1;
		at = out + (format ? 8 : 4);
		list_for_each_entry (lun, &dev->shown, link)
			if (group_begins(dev, lun))
				at = put_group(dev, lun, at);
		len = (uint32_t)(at - out);
		put_be32(out, len - 4);
	}
	pthread_mutex_unlock(&dev->lock);
	if (out)
		scsi_return(cmd, out, len, get_be32(cmd->scsi.cdb + 6));
	else
		scsi_end(cmd, SCSI_BUSY);
	free(out);
}

/* ---- SET TARGET PORT GROUPS ---- */

/* A unit's LUN that shows how a group is, or NULL. */
static const struct scsi_lun *find_group_locked(const struct scsi_device *dev, uint16_t group)
{
	const struct scsi_lun *lun;

	list_for_each_entry (lun, &dev->shown, link)
		if (lun->target->config.group == group)
			return lun;
	return NULL;
}

/* Where the list is wrong, or 0. The unit's lock is held. */
static uint32_t set_check_locked(const struct scsi_device *dev, const uint8_t *list, uint32_t len)
{
	for (uint32_t at = SET_LEN; at < len; at += SET_LEN) {
		const struct scsi_lun *lun = find_group_locked(dev, get_be16(list + at + 2));

		if ((list[at] & 0x0f) > SCSI_ACCESS_UNAVAILABLE)
			return at;
		if (!lun || lun->access.implicit)
			return at + 2;
	}
	return 0;
}

static bool set_one_locked(struct scsi_device *dev, const uint8_t *descriptor)
{
	uint16_t group = get_be16(descriptor + 2);
	struct scsi_access_state access = find_group_locked(dev, group)->access;

	access.access = descriptor[0] & 0x0f;
	return access_set_locked(dev, group, access, BY_COMMAND);
}

static void set_fetched(struct command *cmd)
{
	struct scsi_device *dev = scsi_device_of(cmd);
	uint32_t len = get_be32(cmd->scsi.cdb + 6), wrong;
	const uint8_t *list = scsi_list(cmd);
	bool news = false;

	pthread_mutex_lock(&dev->lock);
	wrong = set_check_locked(dev, list, len);
	for (uint32_t at = SET_LEN; at < len && !wrong; at += SET_LEN)
		news |= set_one_locked(dev, list + at);
	if (news)
		scsi_attend_locked(dev, cmd->scsi.it_l, SCSI_ASC_ACCESS_STATE_CHANGED);
	pthread_mutex_unlock(&dev->lock);
	if (wrong)
		scsi_bad_list(cmd, wrong, wrong % SET_LEN ? 7 : 3);
	else
		scsi_good(cmd);
}

void scsi_set_target_port_groups(struct scsi_device *dev, struct command *cmd)
{
	uint32_t len = get_be32(cmd->scsi.cdb + 6);

	if (!len)
		scsi_good(cmd);
	else if (len < SET_LEN || len % SET_LEN)
		scsi_refuse(cmd, SCSI_KEY_ILLEGAL_REQUEST, SCSI_ASC_LIST_LENGTH);
	else
		scsi_fetch_list(cmd, len, set_fetched);
}
