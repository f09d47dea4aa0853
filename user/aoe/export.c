/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "aoe/export.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define SECTION "aoe"

struct aoe_export {
	struct aoe_address address;
	struct lu *lu;
	struct ata_device *ata;
	struct state *state;
	struct aoe_faults faults;
	/* A list is not empty. Lets requests to unrestricted exports do without the lock. */
	atomic_bool restricted;

	pthread_mutex_t lock; /* of what follows */
	struct aoe_settings settings;
	struct aoe_change *current; /* whose turn it is */
	struct list waiting;	    /* changes after it, in arrival order */
	struct aoe_settings edited; /* the current change's copy: its thread's alone */
};

static void export_update_restricted(struct aoe_export *export)
{
	atomic_store(&export->restricted,
		     export->settings.masks.count || export->settings.reserves.count);
}

int aoe_export_open(const struct aoe_address *addr, struct lu *lu, struct ata_device *ata,
		    struct state *state, struct aoe_export **out, struct error *err)
{
	struct aoe_export *export = calloc(1, sizeof(*export));
	char text[AOE_ADDRESS_TEXT];
	int ret;

	if (!export)
		return error_set(err, ENOMEM, "out of memory");
	export->address = *addr;
	export->lu = lu;
	export->ata = ata;
	export->state = state;
	list_init(&export->waiting);
	ret = aoe_settings_load(state ? state_section(state, SECTION) : NULL, &export->settings,
				err);
	if (ret) {
		aoe_address_format(addr, text);
		free(export);
		return error_prefix(err, -ret, "state of AoE export %s", text);
	}
	export_update_restricted(export);
	pthread_mutex_init(&export->lock, NULL);
	aoe_faults_init(&export->faults);
	*out = export;
	return 0;
}

void aoe_export_close(struct aoe_export *export)
{
	if (!export)
		return;
	aoe_faults_fini(&export->faults);
	pthread_mutex_destroy(&export->lock);
	free(export);
}

const struct aoe_address *aoe_export_address(const struct aoe_export *export)
{
	return &export->address;
}

struct lu *aoe_export_lu(struct aoe_export *export)
{
	return export->lu;
}

struct aoe_faults *aoe_export_faults(struct aoe_export *export)
{
	return &export->faults;
}

struct ata_device *aoe_export_ata(const struct aoe_export *export)
{
	return export->ata;
}

const struct aoe_settings *aoe_export_lock(struct aoe_export *export)
{
	pthread_mutex_lock(&export->lock);
	return &export->settings;
}

void aoe_export_unlock(struct aoe_export *export)
{
	pthread_mutex_unlock(&export->lock);
}

void aoe_export_settings(struct aoe_export *export, struct aoe_export_settings *out)
{
	const struct aoe_settings *settings = aoe_export_lock(export);

	memcpy(out->config, settings->config, settings->config_len);
	out->config_len = settings->config_len;
	out->masks = settings->masks.count;
	out->reserves = settings->reserves.count;
	aoe_export_unlock(export);
}

bool aoe_export_listens(struct aoe_export *export, const uint8_t mac[WIRE_MAC_LEN])
{
	const struct aoe_settings *settings;
	bool listens;

	if (!atomic_load_explicit(&export->restricted, memory_order_acquire))
		return true;
	settings = aoe_export_lock(export);
	listens = !settings->masks.count || aoe_macs_has(&settings->masks, mac);
	aoe_export_unlock(export);
	return listens;
}

bool aoe_export_reserved(struct aoe_export *export, const uint8_t mac[WIRE_MAC_LEN])
{
	const struct aoe_settings *settings;
	bool reserved;

	if (!atomic_load_explicit(&export->restricted, memory_order_acquire))
		return false;
	settings = aoe_export_lock(export);
	reserved = settings->reserves.count && !aoe_macs_has(&settings->reserves, mac);
	aoe_export_unlock(export);
	return reserved;
}

/* ---- changes ------------------------------------------------------------------------------- */

/* Ends the current change and hands the turn to the next one, on that one's own thread. */
static void change_end(struct aoe_change *change, int result)
{
	struct aoe_export *export = change->export;
	struct aoe_change *next = NULL;

	if (!result) {
		pthread_mutex_lock(&export->lock);
		export->settings = export->edited;
		export_update_restricted(export);
		pthread_mutex_unlock(&export->lock);
	}
	change->done(change, result);
	pthread_mutex_lock(&export->lock);
	if (!list_empty(&export->waiting))
		next = container_of(list_pop(&export->waiting), struct aoe_change, waiting);
	export->current = next;
	pthread_mutex_unlock(&export->lock);
	if (next)
		mailbox_post(next->mailbox, &next->resume);
}

static void change_saved(struct state_save *save)
{
	struct aoe_change *change = container_of(save, struct aoe_change, save);

	change_end(change, save->result);
}

static void change_run(struct aoe_change *change)
{
	struct aoe_export *export = change->export;

	/* Only the current change writes the settings, so it may read them without the lock. */
	export->edited = export->settings;
	change->apply(change, &export->edited);
	if (!export->state || aoe_settings_equal(&export->edited, &export->settings)) {
		change_end(change, 0);
		return;
	}
	change->save.reply = change->mailbox;
	change->save.done = change_saved;
	state_save(export->state, &change->save, SECTION, aoe_settings_save(&export->edited));
}

static void change_resume(struct message *msg)
{
	change_run(container_of(msg, struct aoe_change, resume));
}

void aoe_export_change(struct aoe_export *export, struct aoe_change *change)
{
	bool mine;

	change->export = export;
	change->resume.run = change_resume;
	list_init(&change->waiting);
	pthread_mutex_lock(&export->lock);
	mine = !export->current;
	if (mine)
		export->current = change;
	else
		list_add_tail(&export->waiting, &change->waiting);
	pthread_mutex_unlock(&export->lock);
	if (mine)
		change_run(change);
}
