/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * An export, as the AoE commands see it. Workers share it; its settings are under its lock, which
 * is held for a moment only, and changes to them take turns.
 */
#ifndef STGT_AOE_EXPORT_H
#define STGT_AOE_EXPORT_H

#include "aoe/aoe.h"
#include "aoe/settings.h"

/*
 * One change to the settings, embedded in the request that asks for it. Everything is called on the
 * thread of `mailbox`.
 */
struct aoe_change {
	struct mailbox *mailbox;
	/* The change's turn has come: edits a copy of the settings as they are now. */
	void (*apply)(struct aoe_change *change, struct aoe_settings *settings);
	/* 0: what apply() made of the settings holds and is durable. -errno: nothing changed. */
	void (*done)(struct aoe_change *change, int result);

	/* The export's own until done. */
	struct aoe_export *export;
	struct list waiting;
	struct message resume;
	struct state_save save;
};

/* Runs the change in turn with others, perhaps before it returns. What changes nothing saves none.
 */
void aoe_export_change(struct aoe_export *export, struct aoe_change *change);

struct ata_device *aoe_export_ata(const struct aoe_export *export);

/* True when the export listens to the MAC (AoEr11 3.3: an empty list means to everybody). */
bool aoe_export_listens(struct aoe_export *export, const uint8_t mac[WIRE_MAC_LEN]);

/* True when the export is reserved for others than the MAC (AoEr11 3.4). */
bool aoe_export_reserved(struct aoe_export *export, const uint8_t mac[WIRE_MAC_LEN]);

/* The settings, locked for reading until aoe_export_unlock(). Any thread, for a moment. */
const struct aoe_settings *aoe_export_lock(struct aoe_export *export);
void aoe_export_unlock(struct aoe_export *export);

#endif
