/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "base/cleanup.h"
#include "base/size.h"
#include "blk/blk.h"
#include "blk/space.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static bool spec_is_memory(const struct disk_spec *spec)
{
	return spec->kind == DISK_RAM || spec->kind == DISK_NULL;
}

static int spec_size(const char *text, uint64_t *size, struct error *err)
{
	int ret = size_parse(text, size);

	if (ret == -ERANGE || (!ret && *size > INT64_MAX))
		return error_set(err, EINVAL, "size '%s' is too large", text);
	if (ret)
		return error_set(err, EINVAL, "'%s' is not a size: write a number and K, M, G or T",
				 text);
	if (!*size || *size % BLK_SECTOR)
		return error_set(err, EINVAL, "size '%s' is not a multiple of 512 bytes above 0",
				 text);
	return 0;
}

static int option_ro(struct disk_spec *spec, const char *value, struct error *err)
{
	spec->read_only = true;
	return 0;
}

static int option_prealloc(struct disk_spec *spec, const char *value, struct error *err)
{
	if (spec->kind != DISK_FILE && spec->kind != DISK_RAM)
		return error_set(err, EINVAL, "prealloc: only files and memory take space");
	spec->prealloc = true;
	return 0;
}

static int option_size(struct disk_spec *spec, const char *value, struct error *err)
{
	if (spec_is_memory(spec))
		return error_set(err, EINVAL, "size=%s: the size is already given", value);
	if (spec->kind == DISK_BLOCK)
		return error_set(err, EINVAL, "size=%s: a block device has its own size", value);
	return spec_size(value, &spec->size, err);
}

static int option_cache(struct disk_spec *spec, const char *value, struct error *err)
{
	if (!strcmp(value, "writeback"))
		spec->cache = DISK_WRITEBACK;
	else if (!strcmp(value, "writethrough"))
		spec->cache = DISK_WRITETHROUGH;
	else
		return error_set(err, EINVAL, "cache=%s: use writeback or writethrough", value);
	return 0;
}

static int option_direct(struct disk_spec *spec, const char *value, struct error *err)
{
	if (spec_is_memory(spec))
		return error_set(err, EINVAL,
				 "direct=%s: only files and block devices know direct I/O", value);
	if (!strcmp(value, "on"))
		spec->direct = 1;
	else if (!strcmp(value, "off"))
		spec->direct = 0;
	else
		return error_set(err, EINVAL, "direct=%s: use on or off", value);
	return 0;
}

/* False: initiators know of no such blocks. */
static bool spec_block(const char *value, uint32_t *bytes)
{
	if (!strcmp(value, "512"))
		*bytes = 512;
	else if (!strcmp(value, "4096"))
		*bytes = 4096;
	else
		return false;
	return true;
}

static int option_block_size(struct disk_spec *spec, const char *value, struct error *err)
{
	if (!spec_block(value, &spec->block_size))
		return error_set(err, EINVAL, "block_size=%s: use 512 or 4096", value);
	return 0;
}

static int option_logical_block_size(struct disk_spec *spec, const char *value, struct error *err)
{
	if (!spec_block(value, &spec->logical_block))
		return error_set(err, EINVAL, "logical_block_size=%s: use 512 or 4096", value);
	return 0;
}

static int option_removable(struct disk_spec *spec, const char *value, struct error *err)
{
	spec->removable = true;
	return 0;
}

static int option_thin(struct disk_spec *spec, const char *value, struct error *err)
{
	if (!strcmp(value, "on"))
		spec->thin = DISK_THIN_ON;
	else if (!strcmp(value, "off"))
		spec->thin = DISK_THIN_OFF;
	else
		return error_set(err, EINVAL, "thin=%s: use on or off", value);
	return 0;
}

static int option_soft_threshold(struct disk_spec *spec, const char *value, struct error *err)
{
	if (spec->kind != DISK_FILE)
		return error_set(err, EINVAL, "soft_threshold=%s: only files take space by and by",
				 value);
	if (!disk_space_parse(value, &spec->soft_threshold))
		return error_set(err, EINVAL, "soft_threshold=%s: use 1%% to 99%%, or off", value);
	return 0;
}

static int option_key_file(struct disk_spec *spec, const char *value, struct error *err)
{
	if (spec_is_memory(spec))
		return error_set(err, EINVAL,
				 "key_file=%s: only files and block devices are encrypted", value);
	if (!*value)
		return error_set(err, EINVAL, "key_file=: the path is empty");
	spec->key_file = strdup(value);
	return spec->key_file ? 0 : error_set(err, ENOMEM, "no memory");
}

static int option_serial(struct disk_spec *spec, const char *value, struct error *err)
{
	size_t len = strlen(value);
	bool good = len > 0 && len < sizeof(spec->serial);

	for (const char *c = value; good && *c; c++)
		good = *c >= ' ' && *c <= '~';
	if (!good)
		return error_set(err, EINVAL, "serial=%s: use 1 to 20 printable ASCII characters",
				 value);
	memcpy(spec->serial, value, len + 1);
	return 0;
}

static int option_wwn(struct disk_spec *spec, const char *value, struct error *err)
{
	const char *digits = strncmp(value, "0x", 2) ? value : value + 2;
	bool good = strlen(digits) == 16;

	for (const char *c = digits; good && *c; c++)
		good = isxdigit((unsigned char)*c);
	spec->wwn = good ? strtoull(digits, NULL, 16) : 0;
	if (!spec->wwn)
		return error_set(err, EINVAL, "wwn=%s: use 16 hexadecimal digits, not all 0",
				 value);
	return 0;
}

static const struct spec_option {
	const char *name;
	bool has_value;
	int (*parse)(struct disk_spec *spec, const char *value, struct error *err);
} spec_options[] = {
	{"ro", false, option_ro},
	{"prealloc", false, option_prealloc},
	{"size", true, option_size},
	{"cache", true, option_cache},
	{"direct", true, option_direct},
	{"block_size", true, option_block_size},
	{"serial", true, option_serial},
	{"wwn", true, option_wwn},
	{"removable", false, option_removable},
	{"thin", true, option_thin},
	{"logical_block_size", true, option_logical_block_size},
	{"soft_threshold", true, option_soft_threshold},
	{"key_file", true, option_key_file},
};

#define SPEC_OPTIONS (sizeof(spec_options) / sizeof(spec_options[0]))

static int spec_option(struct disk_spec *spec, char *word, unsigned int *seen, struct error *err)
{
	char *value = strchr(word, '=');

	if (value)
		*value++ = '\0';
	for (unsigned int i = 0; i < SPEC_OPTIONS; i++) {
		const struct spec_option *option = &spec_options[i];

		if (strcmp(word, option->name))
			continue;
		if (*seen & 1u << i)
			return error_set(err, EINVAL, "option '%s' is given twice", word);
		*seen |= 1u << i;
		if (!value && option->has_value)
			return error_set(err, EINVAL, "option '%s' needs a value: %s=", word, word);
		if (value && !option->has_value)
			return error_set(err, EINVAL, "option '%s' takes no value", word);
		return option->parse(spec, value, err);
	}
	return error_set(err, EINVAL,
			 "unknown option '%s': use ro, prealloc, size=, cache=, direct=, "
			 "block_size=, serial=, wwn=, removable, thin=, logical_block_size=, "
			 "soft_threshold= or key_file=",
			 word);
}

/*
 * Cuts the next word off *rest, which becomes NULL after the last one. Two commas are one that
 * belongs to the word.
 */
static char *spec_word(char **rest)
{
	char *word = *rest, *from = word, *to = word;

	for (; *from; from++) {
		if (*from == ',') {
			if (from[1] != ',')
				break;
			from++;
		}
		*to++ = *from;
	}
	*rest = *from ? from + 1 : NULL;
	*to = '\0';
	return word;
}

/* The text after "PREFIX:", or NULL. */
static const char *spec_after(const char *word, const char *prefix)
{
	size_t len = strlen(prefix);

	return strncmp(word, prefix, len) || word[len] != ':' ? NULL : word + len + 1;
}

static int spec_path(struct disk_spec *spec, enum disk_kind kind, const char *path,
		     struct error *err)
{
	if (!*path)
		return error_set(err, EINVAL, "the path is empty");
	spec->kind = kind;
	spec->path = strdup(path);
	return spec->path ? 0 : error_set(err, ENOMEM, "no memory");
}

static int spec_store(struct disk_spec *spec, const char *word, struct error *err)
{
	const char *rest;
	struct stat st;

	if ((rest = spec_after(word, "ram"))) {
		spec->kind = DISK_RAM;
		return spec_size(rest, &spec->size, err);
	}
	if ((rest = spec_after(word, "null"))) {
		spec->kind = DISK_NULL;
		return spec_size(rest, &spec->size, err);
	}
	if ((rest = spec_after(word, "block")))
		return spec_path(spec, DISK_BLOCK, rest, err);
	if ((rest = spec_after(word, "file")))
		return spec_path(spec, DISK_FILE, rest, err);
	return spec_path(spec, stat(word, &st) == 0 && S_ISBLK(st.st_mode) ? DISK_BLOCK : DISK_FILE,
			 word, err);
}

int disk_spec_parse(const char *text, struct disk_spec *spec, struct error *err)
{
	_cleanup_free_ char *copy = strdup(text);
	unsigned int seen = 0;
	char *rest = copy;
	int ret;

	*spec = (struct disk_spec){.direct = -1};
	if (!copy)
		return error_set(err, ENOMEM, "no memory");
	ret = spec_store(spec, spec_word(&rest), err);
	while (!ret && rest)
		ret = spec_option(spec, spec_word(&rest), &seen, err);
	if (!ret && spec->block_size && spec->block_size < spec->logical_block)
		ret = error_set(err, EINVAL, "block_size=%u: it is less than logical_block_size=%u",
				spec->block_size, spec->logical_block);
	if (ret) {
		disk_spec_fini(spec);
		return error_prefix(err, -ret, "disk '%s'", text);
	}
	return 0;
}

void disk_spec_fini(struct disk_spec *spec)
{
	free(spec->path);
	free(spec->key_file);
	*spec = (struct disk_spec){.direct = -1};
}

int disk_spec_check(const char *text, struct error *err)
{
	struct disk_spec spec;
	int ret = disk_spec_parse(text, &spec, err);

	if (!ret)
		disk_spec_fini(&spec);
	return ret;
}
