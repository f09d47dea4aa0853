/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Every option that the schema knows, by itself, set to what is not its default: it is read,
 * copied, printed, compared and in the manual. The options come from the schema's tables, so that
 * none can be forgotten: a new one fails here until it has a sample.
 */
#include "base/cleanup.h"
#include "config/schema.h"
#include "config_text.h"

/* What to write for an option that takes no word from a list. */
static const struct {
	const char *option, *value;
} samples[] = {
	{"disks.name", "other"},
	{"disks.file", "/other"},
	{"disks.block", "/dev/other"},
	{"disks.ram", "3MiB"},
	{"disks.null", "3MiB"},
	{"disks.size", "3MiB"},
	{"disks.block_size", "512"},
	{"disks.serial", "\"no, 1\""},
	{"disks.wwn", "\"5000000000000001\""},
	{"disks.logical_block_size", "4096"},
	{"disks.soft_threshold", "75%"},
	{"disks.key_file", "/other"},
	{"interfaces.name", "other"},
	{"interfaces.busy_poll", "7"},
	{"interfaces.flood_guard", "9"},
	{"aoe.interface", "e2"},
	{"aoe.interfaces", "[e1, e2]"},
	{"aoe.address", "\"7.2\""},
	{"aoe.vlan", "\"9.8\""},
	{"aoe.disk", "d2"},
	{"aoe.allow", "[\"02:00:00:00:00:01/ro\", any/deny]"},
	{"iscsi.name", "iqn.2026-11.org.example:other"},
	{"iscsi.alias", "\"the disks\""},
	{"iscsi.portals", "[\"[::1],9\", 192.0.2.1:3261]"},
	{"iscsi.allow", "[\"iqn.2026-11.org.example:*/lun=1-3/lun=7/ro\", any]"},
	{"iscsi.luns", "[{lun: 255, disk: d2}, {lun: 0, disk: d2, ro: on}]"},
	{"iscsi.chap",
	 "{user: joe, secret: \"a secret 1234\", mutual: {user: d, secret_file: /s}}"},
	{"discovery_chap.user", "jim"},
	{"discovery_chap.secret", "anothersecret"},
	{"discovery_chap.secret_file", "/secret"},
	{"discovery_chap.mutual", "{user: d, secret: othersecret}"},
	{"alua.group", "7"},
	{"alua.state", "standby"},
	{"limits.initiator", "\"02:00:00:00:00:02\""},
	{"limits.iops", "2"},
	{"limits.bytes", "3MiB"},
	{"exporter.listen", "\"[::1]:1\""},
	{"state_dir", "/other"},
	{"socket", "/other"},
};

/* An entry with as little in it as can be; what an option excludes is left out beside it. */
static const struct {
	const char *list, *key, *value, *excluded_by;
} minimum[] = {
	{"disks", "name", "d1", NULL},
	{"disks", "file", "/d1", "block ram null"},
	{"interfaces", "name", "e1", NULL},
	{"aoe", "address", "\"7.1\"", NULL},
	{"aoe", "disk", "d1", NULL},
	{"aoe", "interface", "e1", "interfaces"},
	{"aoe", "allow", "[any]", NULL},
	{"alua", "group", "4", NULL},
	{"alua", "preferred", "on", NULL},
	{"limits", "initiator", "\"02:00:00:00:00:01\"", NULL},
	{"limits", "iops", "1", NULL},
	{"iscsi", "name", "iqn.2026-11.org.example:disks", NULL},
	{"iscsi", "allow", "[any/ro]", NULL},
	{"iscsi", "luns", "[{lun: 0, disk: d2}]", NULL},
	{"discovery_chap", "user", "joe", NULL},
	{"discovery_chap", "secret", "secretsecret", "secret_file"},
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

struct option {
	const char *list; /* or mapping; NULL: the option is at the top */
	const char *key;
};

static bool is_of(const struct option *option, const char *list)
{
	return option->list && !strcmp(option->list, list);
}

/* The minimal entry of `list` with the option, if it is one of that list's. */
static void put_entry(FILE *out, const char *list, const struct option *option, const char *value)
{
	bool mine = value && is_of(option, list);
	const char *comma = "";

	fprintf(out, "%s{", strcmp(list, "discovery_chap") ? "- " : "");
	for (size_t i = 0; i < COUNT(minimum); i++) {
		if (strcmp(minimum[i].list, list) || (mine && !strcmp(minimum[i].key, option->key)))
			continue;
		if (mine && minimum[i].excluded_by && strstr(minimum[i].excluded_by, option->key))
			continue;
		fprintf(out, "%s%s: %s", comma, minimum[i].key, minimum[i].value);
		comma = ", ";
	}
	if (mine)
		fprintf(out, "%s%s: %s", comma, option->key, value);
	fprintf(out, "}\n");
}

/* A whole configuration with the option, or without it (`value` is NULL). */
static struct config *make(const struct option *option, const char *value)
{
	_cleanup_free_ char *text = NULL;
	bool renames = !strcmp(option->key, "name");
	size_t size;
	FILE *out = open_memstream(&text, &size);

	fprintf(out, "disks:\n");
	put_entry(out, "disks", option, value);
	fprintf(out, "- {name: d2, ram: 1MiB}\ninterfaces:\n");
	put_entry(out, "interfaces", option, value);
	fprintf(out, "- {name: e2}\n");
	if (!renames) {
		fprintf(out, "aoe:\n");
		put_entry(out, "aoe", option, value);
	}
	fprintf(out, "iscsi:\n");
	put_entry(out, "iscsi", option, value);
	fprintf(out, "discovery_chap: ");
	put_entry(out, "discovery_chap", option, value);
	fprintf(out, "alua:\n");
	put_entry(out, "alua", option, value);
	fprintf(out, "limits:\n");
	put_entry(out, "limits", option, value);
	if (value && is_of(option, "exporter"))
		fprintf(out, "exporter: {%s: %s}\n", option->key, value);
	if (value && is_of(option, "log"))
		fprintf(out, "log: {%s: %s}\n", option->key, value);
	if (value && !option->list)
		fprintf(out, "%s: %s\n", option->key, value);
	fclose(out);
	return config_of(text);
}

static char *saved(const struct config *config)
{
	char *text;

	assert_int_equal(config_save(config, &text), 0);
	return text;
}

static unsigned int steps_between(const struct config *a, const struct config *b)
{
	struct config_step *steps;
	unsigned int nsteps;

	assert_int_equal(config_diff(a, b, &steps, &nsteps, NULL), 0);
	config_steps_free(steps, nsteps);
	return nsteps;
}

/* True when the value is another one than the default. */
static bool check_value(const struct option *option, const char *value)
{
	struct config *without = make(option, NULL), *with = make(option, value);
	struct config *copy = config_copy(with), *again;
	_cleanup_free_ char *plain = saved(without), *text = saved(with), *copied = saved(copy);
	_cleanup_free_ char *same = NULL;
	bool differs = strcmp(plain, text) != 0;

	again = config_of(text);
	same = saved(again);
	assert_string_equal(same, text);
	assert_string_equal(copied, text);
	assert_int_equal(steps_between(with, again), 0);
	assert_int_equal(steps_between(with, copy), 0);
	/* What is printed is what is compared: no reload passes over it. */
	assert_int_equal(steps_between(without, with) > 0, differs);
	config_free(without);
	config_free(with);
	config_free(copy);
	config_free(again);
	return differs;
}

static void check_manual(const struct option *option)
{
	_cleanup_free_ char *page = NULL;
	FILE *f = fopen("docs/stgt-xdp.yaml.5.scd", "r");
	char key[64];
	size_t size = 0;

	assert_non_null(f);
	assert_true(getdelim(&page, &size, '\0', f) > 0);
	fclose(f);
	snprintf(key, sizeof(key), "*%s*:", option->key);
	if (!strstr(page, key))
		fail_msg("the manual has no %s", key);
}

static const char *sample_of(const char *path)
{
	for (size_t i = 0; i < COUNT(samples); i++)
		if (!strcmp(samples[i].option, path))
			return samples[i].value;
	fail_msg("%s is new: give it a sample here", path);
	return NULL;
}

static void check_option(const struct option *option, const cyaml_schema_value_t *schema)
{
	bool differs = false;
	char path[128];

	snprintf(path, sizeof(path), "%s%s%s", option->list ? option->list : "",
		 option->list ? "." : "", option->key);
	check_manual(option);
	if (schema->type == CYAML_ENUM) {
		for (uint32_t i = 0; i < schema->enumeration.count; i++)
			differs |= check_value(option, schema->enumeration.strings[i].str);
	} else {
		differs = check_value(option, sample_of(path));
	}
	if (!differs)
		fail_msg("%s is not printed", path);
}

static void test_every_option(void **state)
{
	unsigned int checked = 0;

	for (const cyaml_schema_field_t *f = schema_config.mapping.fields; f->key; f++) {
		const cyaml_schema_value_t *inside =
			f->value.type == CYAML_SEQUENCE ? f->value.sequence.entry : &f->value;

		if (inside->type != CYAML_MAPPING) {
			check_option(&(struct option){NULL, f->key}, inside);
			checked++;
			continue;
		}
		for (const cyaml_schema_field_t *g = inside->mapping.fields; g->key; g++) {
			check_option(&(struct option){f->key, g->key}, &g->value);
			checked++;
		}
	}
	assert_true(checked >= COUNT(samples));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_option),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
