/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "config/words.h"

#include "base/listener.h"
#include "config/config.h"
#include "config/schema.h"
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <yaml.h>

bool config_number_parse(const char *text, uint64_t max, uint64_t *value)
{
	uint64_t n = 0;

	if (!*text)
		return false;
	for (; *text; text++)
		if (!isdigit((unsigned char)*text) || __builtin_mul_overflow(n, 10, &n) ||
		    __builtin_add_overflow(n, (uint64_t)(*text - '0'), &n))
			return false;
	*value = n;
	return n <= max;
}

void config_size_format(uint64_t bytes, char text[CONFIG_SIZE_TEXT])
{
	static const char *const units[] = {"", "KiB", "MiB", "GiB", "TiB"};
	unsigned int unit = 0;

	while (bytes && !(bytes & 1023) && unit < 4) {
		bytes >>= 10;
		unit++;
	}
	snprintf(text, CONFIG_SIZE_TEXT, "%" PRIu64 "%s", bytes, units[unit]);
}

bool config_vlan_parse(const char *text, uint32_t *vlan)
{
	char whole[CONFIG_VLAN_TEXT + 4];
	struct aoe_address addr;

	if (strlen(text) >= CONFIG_VLAN_TEXT || strchr(text, ':'))
		return false;
	snprintf(whole, sizeof(whole), "%s:0.0", text);
	if (aoe_address_parse(whole, &addr, NULL))
		return false;
	*vlan = addr.vlan;
	return true;
}

void config_vlan_format(uint32_t vlan, char text[CONFIG_VLAN_TEXT])
{
	uint32_t outer = vlan >> 12, vid = vlan & WIRE_VID_MASK;

	if (outer)
		snprintf(text, CONFIG_VLAN_TEXT, "%u.%u", outer, vid);
	else
		snprintf(text, CONFIG_VLAN_TEXT, "%u", vid);
}

/* The YAML emitter takes exactly what is. */
bool config_text_is_utf8(const char *text)
{
	yaml_event_t event;
	bool good = yaml_scalar_event_initialize(&event, NULL, NULL, (const yaml_char_t *)text,
						 (int)strlen(text), 1, 1, YAML_ANY_SCALAR_STYLE);

	if (good)
		yaml_event_delete(&event);
	return good;
}

bool config_is_disk_name(const char *text)
{
	size_t len = strlen(text);

	if (!len || len >= CONFIG_NAME_MAX || *text == '.' || *text == '-')
		return false;
	for (; *text; text++)
		if (!isalnum((unsigned char)*text) && !strchr("._-", *text))
			return false;
	return true;
}

bool config_is_interface_name(const char *text)
{
	size_t len = strlen(text);

	if (!len || len >= IFNAMSIZ || !strcmp(text, ".") || !strcmp(text, ".."))
		return false;
	for (; *text; text++)
		if (*text <= ' ' || *text > '~' || *text == '/' || *text == ':')
			return false;
	return true;
}

bool config_is_serial(const char *text)
{
	size_t len = strlen(text);

	if (!len || len >= sizeof(((struct disk_spec *)NULL)->serial))
		return false;
	for (; *text; text++)
		if (*text < ' ' || *text > '~')
			return false;
	return true;
}

const char *config_log_level_name(int level)
{
	const char *word = schema_word(schema_log_levels, level);

	return word ? word : "error";
}

int config_log_level_parse(const char *text, int *level, struct error *err)
{
	for (const cyaml_strval_t *word = schema_log_levels; word->str; word++)
		if (!strcmp(word->str, text)) {
			*level = (int)word->val;
			return 0;
		}
	return error_set(err, EINVAL,
			 "'%s' is no log level: use error, warning, notice, info or debug", text);
}

int config_listen_parse(const char *text, struct sockaddr_storage *addr, socklen_t *len,
			struct error *err)
{
	if (listener_address_parse(text, addr, len))
		return 0;
	return error_set(err, EINVAL,
			 "'%.64s' is no address and port: write 127.0.0.1:9464 or [::1]:9464",
			 text);
}
