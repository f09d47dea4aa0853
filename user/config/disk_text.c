/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Disks as the command line spells them. */
#include "blk/space.h"
#include "config/config.h"
#include "config/words.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* A comma that belongs to a word is written twice. */
static void put_word(FILE *out, const char *word)
{
	for (; *word; word++) {
		putc(*word, out);
		if (*word == ',')
			putc(',', out);
	}
}

static void put_store(FILE *out, const struct disk_spec *spec)
{
	char size[CONFIG_SIZE_TEXT];

	config_size_format(spec->size, size);
	switch (spec->kind) {
	case DISK_FILE:
		fputs("file:", out);
		put_word(out, spec->path);
		if (spec->size)
			fprintf(out, ",size=%s", size);
		break;
	case DISK_BLOCK:
		fputs("block:", out);
		put_word(out, spec->path);
		break;
	case DISK_RAM:
		fprintf(out, "ram:%s", size);
		break;
	case DISK_NULL:
		fprintf(out, "null:%s", size);
		break;
	}
}

static void put_options(FILE *out, const struct disk_spec *spec)
{
	char threshold[DISK_SPACE_TEXT];

	if (spec->read_only)
		fputs(",ro", out);
	if (spec->prealloc)
		fputs(",prealloc", out);
	if (spec->cache)
		fprintf(out, ",cache=%s",
			spec->cache == DISK_WRITEBACK ? "writeback" : "writethrough");
	if (spec->direct >= 0)
		fprintf(out, ",direct=%s", spec->direct ? "on" : "off");
	if (spec->block_size)
		fprintf(out, ",block_size=%u", spec->block_size);
	if (spec->serial[0]) {
		fputs(",serial=", out);
		put_word(out, spec->serial);
	}
	if (spec->wwn)
		fprintf(out, ",wwn=%016" PRIx64, spec->wwn);
	if (spec->removable)
		fputs(",removable", out);
	if (spec->thin)
		fprintf(out, ",thin=%s", spec->thin == DISK_THIN_ON ? "on" : "off");
	if (spec->logical_block)
		fprintf(out, ",logical_block_size=%u", spec->logical_block);
	if (spec->soft_threshold) {
		disk_space_format(spec->soft_threshold, threshold);
		fprintf(out, ",soft_threshold=%s", threshold);
	}
	if (spec->key_file) {
		fputs(",key_file=", out);
		put_word(out, spec->key_file);
	}
}

char *config_disk_text(const struct disk_spec *spec)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return NULL;
	put_store(out, spec);
	put_options(out, spec);
	if (fclose(out)) {
		free(text);
		return NULL;
	}
	return text;
}

static bool path_equal(const char *a, const char *b)
{
	return a == b || (a && b && !strcmp(a, b));
}

bool config_disk_spec_equal(const struct disk_spec *a, const struct disk_spec *b)
{
	return a->kind == b->kind && path_equal(a->path, b->path) && a->size == b->size &&
	       a->read_only == b->read_only && a->prealloc == b->prealloc && a->cache == b->cache &&
	       a->direct == b->direct && a->block_size == b->block_size &&
	       !strcmp(a->serial, b->serial) && a->wwn == b->wwn && a->removable == b->removable &&
	       a->thin == b->thin && a->logical_block == b->logical_block &&
	       a->soft_threshold == b->soft_threshold && path_equal(a->key_file, b->key_file);
}
