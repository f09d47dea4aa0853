/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Any bytes as the file of what a unit remembers (state/state.h), read by all that keep something
 * in it: reservations, mode pages and a SANITIZE of the SCSI unit, the ATA device, the AoE export.
 * It is refused in one line, or accepted; what is accepted can be used, changed and saved, and is
 * the same when it is read again.
 */
#include "aoe/aoe.h"
#include "ata/ata.h"
#include "base/bytes.h"
#include "fixture_scsi.h"
#include "kept.h"
#include "script.h"
#include "scsi/mode.h"
#include "scsi/reserve.h"
#include "scsi/sanitize.h"

#include <stdlib.h>
#include <string.h>

#define KEY   "disk"
#define TURNS 40u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned int seed);

static struct fixture_scsi fs;

static void require(int holds)
{
	if (!holds)
		abort();
}

/* ---- what must hold ---- */

static bool refused(int ret, const struct error *err)
{
	if (!ret)
		return false;
	require(ret < 0 && err->text[0] && !strchr(err->text, '\n'));
	return true;
}

static void check_table(const struct scsi_pr_table *table)
{
	require(!table->n || table->kept);
	for (unsigned int i = 0; i < table->n; i++) {
		const struct scsi_registration *r = &table->list[i];

		require(r->key);
		require(scsi_transport_id_length(r->id, r->id_len, r->id[0] & 0xf) == r->id_len);
		require(scsi_pr_find_port(table, r->port, r->id, r->id_len) == (int)i);
	}
}

static void require_same_table(const struct scsi_pr_table *a, const struct scsi_pr_table *b)
{
	require(a->n == b->n && a->type == b->type && a->kept == b->kept);
	require(!a->type || a->holder == b->holder);
	for (unsigned int i = 0; i < a->n; i++) {
		const struct scsi_registration *r = &a->list[i], *s = &b->list[i];

		require(r->key == s->key && r->id_len == s->id_len && !strcmp(r->port, s->port));
		require(!memcmp(r->id, s->id, r->id_len));
	}
}

/* ---- all who read the file ---- */

static bool try_scsi(struct state *state, struct lu *lu)
{
	const struct scsi_device_config config = {.lu = lu, .state = state, .logical_block = 512};
	struct scsi_device *dev;
	struct error err = {};

	if (refused(scsi_device_open(&config, &dev, &err), &err))
		return false;
	check_table(&dev->reservations->current);
	scsi_device_close(dev);
	return true;
}

static void try_aoe(struct state *state, struct lu *lu)
{
	static const struct aoe_address address = {.shelf = 7, .slot = 1};
	struct aoe_export_settings settings;
	struct aoe_export *export;
	struct ata_device *ata;
	struct error err = {};

	if (refused(ata_device_open(lu, state, &ata, &err), &err))
		return;
	if (!refused(aoe_export_open(&address, lu, ata, state, &export, &err), &err)) {
		aoe_export_settings(export, &settings);
		require(settings.config_len <= AOE_CONFIG_MAX);
		aoe_export_close(export);
	}
	ata_device_close(ata);
}

/* ---- use ---- */

static void run(const uint8_t *cdb, uint8_t len, const void *out, uint32_t out_len)
{
	fs.fc.cmd.scsi.lun = 0;
	fs.fc.hold_out = false;
	fixture_scsi_run(&fs, 0, cdb, len, out, out_len, 8192);
}

static void look(void)
{
	static const uint8_t cdbs[][16] = {
		{0x5e, 0, 0, 0, 0, 0, 0, 0x20}, {0x5e, 1, 0, 0, 0, 0, 0, 0, 255},
		{0x5e, 3, 0, 0, 0, 0, 0, 0x20}, {0x1a, 0, 0x3f, 0, 255},
		{0x03, 0, 0, 0, 252},		{0x28, 0, 0, 0, 0, 0, 0, 0, 1},
		{0x2a, 0, 0, 0, 0, 0, 0, 0, 1},
	};
	static const uint8_t block[512];

	for (size_t i = 0; i < sizeof(cdbs) / sizeof(cdbs[0]); i++)
		run(cdbs[i], 16, block, cdbs[i][0] == 0x2a ? sizeof(block) : 0);
	json_decref(scsi_device_reservation(fs.dev));
}

/* REGISTER AND IGNORE EXISTING KEY with APTPL: everything is written. */
static void change(void)
{
	static const uint8_t cdb[10] = {0x5f, 6, [8] = 24};
	uint8_t list[24] = {[15] = 0x42, [20] = 1};

	run(cdb, sizeof(cdb), list, sizeof(list));
}

static void open_again(struct state **state)
{
	struct error err;

	require(!state_open(kept_dir(), KEY, NULL, state, &err));
	fixture_scsi_open(&fs, &(struct fixture_scsi_config){.state = *state});
}

static void note(void *ctx)
{
	*(bool *)ctx = true;
}

static void close_again(struct state *state)
{
	bool stopped = false;

	scsi_device_stop(fs.dev, note, &stopped);
	for (unsigned int i = 0; i < TURNS && !stopped; i++)
		fixture_scsi_turn(&fs);
	require(stopped);
	fixture_scsi_close(&fs);
	state_close(state);
}

static void use(void)
{
	static struct scsi_pr_table before;
	struct scsi_mode_values saved;
	struct state *state;
	unsigned int sanitize;

	open_again(&state);
	if (scsi_device_unfinished(fs.dev)) {
		require(scsi_device_resume(fs.dev, &fs.queue));
		mailbox_drain(&fs.mailbox);
	}
	look();
	change();
	check_table(&fs.dev->reservations->current);
	scsi_pr_copy(&before, &fs.dev->reservations->current);
	saved = fs.dev->modes->saved;
	close_again(state);
	open_again(&state);
	sanitize = atomic_load(&fs.dev->sanitize_state);
	require_same_table(&before, &fs.dev->reservations->current);
	require(!memcmp(&saved, &fs.dev->modes->saved, sizeof(saved)));
	require((sanitize == SANITIZE_RUNS) == scsi_device_unfinished(fs.dev));
	close_again(state);
}

/* ---- changing a file as JSON ---- */

static json_t *random_text(struct script_random *random)
{
	static const char *const texts[] = {
		"",
		"00",
		"none",
		"failed",
		"runs",
		"0500001461000000000000000000000000000000000000",
		"00000000000000ab",
		"iqn.2026-11.example:test,t,0x0001",
		"02:00:00:00:00:0a",
		"80",
	};

	return json_string(texts[script_random(random, sizeof(texts) / sizeof(texts[0]))]);
}

static json_t *random_number(struct script_random *random)
{
	static const json_int_t numbers[] = {0,	 1,   -1,    3,		8,	  31,
					     32, 256, 65536, INT32_MAX, INT64_MAX};

	return json_integer(numbers[script_random(random, sizeof(numbers) / sizeof(numbers[0]))]);
}

/* Another value in the place of this one; NULL: it goes. */
static json_t *another(struct script_random *random, json_t *value)
{
	switch (script_random(random, 6)) {
	case 0:
		return random_text(random);
	case 1:
		return random_number(random);
	case 2:
		return json_boolean(script_random(random, 2));
	case 3:
		return script_chance(random, 2) ? json_array() : json_object();
	case 4:
		return NULL;
	default:
		if (!json_is_string(value) || !json_string_length(value))
			return json_incref(value);
		return json_stringn_nocheck(json_string_value(value),
					    script_random(random,
							  1 + (uint32_t)json_string_length(value)));
	}
}

static void change_array(struct script_random *random, json_t *array)
{
	size_t i = script_random(random, (uint32_t)json_array_size(array));
	json_t *entry = json_array_get(array, i), *fresh;

	if (script_chance(random, 3)) {
		json_array_append_new(array, json_deep_copy(entry));
		return;
	}
	fresh = another(random, entry);
	if (!fresh)
		json_array_remove(array, i);
	else
		json_array_set_new(array, i, fresh);
}

static void change_object(struct script_random *random, json_t *object)
{
	uint32_t which = script_random(random, (uint32_t)json_object_size(object)), i = 0;
	const char *name;
	json_t *member;

	json_object_foreach (object, name, member) {
		json_t *fresh;
		char *key;

		if (i++ != which)
			continue;
		key = strdup(name);
		fresh = another(random, member);
		if (!fresh)
			json_object_del(object, key);
		else
			json_object_set_new(object, key, fresh);
		free(key);
		return;
	}
}

/* Goes down some way and changes what is there. */
static void change_somewhere(struct script_random *random, json_t *value)
{
	for (unsigned int depth = 0; depth < 6; depth++) {
		json_t *inner = NULL;

		if (json_is_array(value) && json_array_size(value)) {
			inner = json_array_get(
				value, script_random(random, (uint32_t)json_array_size(value)));
		} else if (json_is_object(value) && json_object_size(value)) {
			uint32_t n = script_random(random, (uint32_t)json_object_size(value));
			void *at = json_object_iter(value);

			while (n--)
				at = json_object_iter_next(value, at);
			inner = json_object_iter_value(at);
		} else {
			return;
		}
		/* The outermost members say only whose file it is. */
		if (depth && (script_chance(random, 3) ||
			      (!json_is_array(inner) && !json_is_object(inner)))) {
			if (json_is_array(value))
				change_array(random, value);
			else
				change_object(random, value);
			return;
		}
		value = inner;
	}
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned int seed)
{
	struct script_random random = {seed * 2654435761u + 1};
	json_t *document =
		script_chance(&random, 8) ? NULL : json_loadb((const char *)data, size, 0, NULL);
	char *text;
	size_t len;

	if (!document)
		return LLVMFuzzerMutate(data, size, max);
	for (uint32_t i = 0, n = 1 + script_random(&random, 3); i < n; i++)
		change_somewhere(&random, document);
	text = json_dumps(document, JSON_COMPACT);
	json_decref(document);
	len = text ? strlen(text) : 0;
	if (len && len <= max) {
		memcpy(data, text, len);
		size = len;
	}
	free(text);
	return size;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fixture_disk *disk;
	struct error err = {};
	struct state *state;
	bool scsi;
	struct lu lu;

	kept_set(KEY, data, size);
	if (refused(state_open(kept_dir(), KEY, NULL, &state, &err), &err))
		return 0;
	disk = fixture_disk_open(64, 64);
	lu_init(&lu, &disk->disk, false);
	scsi = try_scsi(state, &lu);
	try_aoe(state, &lu);
	lu_fini(&lu);
	fixture_disk_close(disk);
	state_close(state);
	if (scsi)
		use();
	return 0;
}
