/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "aoe/settings.h"

#include "aoe/mac.h"
#include "base/hex.h"

#include <errno.h>
#include <string.h>

static unsigned int macs_find(const struct aoe_macs *list, const uint8_t mac[WIRE_MAC_LEN])
{
	unsigned int i;

	for (i = 0; i < list->count; i++)
		if (!memcmp(list->macs[i], mac, WIRE_MAC_LEN))
			break;
	return i;
}

bool aoe_macs_has(const struct aoe_macs *list, const uint8_t mac[WIRE_MAC_LEN])
{
	return macs_find(list, mac) < list->count;
}

bool aoe_macs_add(struct aoe_macs *list, const uint8_t mac[WIRE_MAC_LEN])
{
	if (aoe_macs_has(list, mac))
		return true;
	if (list->count == AOE_MACS_MAX)
		return false;
	memcpy(list->macs[list->count++], mac, WIRE_MAC_LEN);
	return true;
}

void aoe_macs_delete(struct aoe_macs *list, const uint8_t mac[WIRE_MAC_LEN])
{
	unsigned int at = macs_find(list, mac);

	if (at == list->count)
		return;
	list->count--;
	memmove(list->macs[at], list->macs[at + 1], (list->count - at) * WIRE_MAC_LEN);
}

static bool macs_equal(const struct aoe_macs *a, const struct aoe_macs *b)
{
	return a->count == b->count && !memcmp(a->macs, b->macs, a->count * WIRE_MAC_LEN);
}

bool aoe_settings_equal(const struct aoe_settings *a, const struct aoe_settings *b)
{
	return a->config_len == b->config_len && !memcmp(a->config, b->config, a->config_len) &&
	       macs_equal(&a->masks, &b->masks) && macs_equal(&a->reserves, &b->reserves);
}

static json_t *config_save(const struct aoe_settings *settings)
{
	char hex[2 * AOE_CONFIG_MAX + 1];

	hex_format(settings->config, settings->config_len, hex);
	return json_string(hex);
}

static json_t *macs_save(const struct aoe_macs *list)
{
	json_t *array = json_array();

	for (unsigned int i = 0; array && i < list->count; i++) {
		char text[MAC_TEXT];

		mac_format(list->macs[i], text);
		if (json_array_append_new(array, json_string(text))) {
			json_decref(array);
			array = NULL;
		}
	}
	return array;
}

json_t *aoe_settings_save(const struct aoe_settings *settings)
{
	json_t *section = json_object();

	/* Each call takes its value over even when it fails, as it does for a NULL one. */
	if (section && !json_object_set_new(section, "config", config_save(settings)) &&
	    !json_object_set_new(section, "masks", macs_save(&settings->masks)) &&
	    !json_object_set_new(section, "reserves", macs_save(&settings->reserves)))
		return section;
	json_decref(section);
	return NULL;
}

static int config_load(const json_t *value, struct aoe_settings *settings, struct error *err)
{
	const char *hex = json_string_value(value);
	size_t digits = json_string_length(value);

	if (!value)
		return 0;
	if (!hex || !hex_parse(hex, digits, settings->config, AOE_CONFIG_MAX))
		return error_set(err, EINVAL, "\"aoe\".\"config\" is not up to %d bytes in hex",
				 AOE_CONFIG_MAX);
	settings->config_len = (unsigned int)(digits / 2);
	return 0;
}

static int macs_load(const json_t *value, const char *member, struct aoe_macs *list,
		     struct error *err)
{
	const json_t *entry;
	size_t i;

	if (!value)
		return 0;
	if (!json_is_array(value) || json_array_size(value) > AOE_MACS_MAX)
		return error_set(err, EINVAL, "\"aoe\".\"%s\" is not a list of up to %d MACs",
				 member, AOE_MACS_MAX);
	json_array_foreach (value, i, entry) {
		const char *text = json_string_value(entry);

		if (!text || !mac_parse(text, json_string_length(entry), list->macs[i]))
			return error_set(err, EINVAL, "\"aoe\".\"%s\"[%zu] is not a MAC address",
					 member, i);
		list->count = (unsigned int)i + 1;
	}
	return 0;
}

int aoe_settings_load(const json_t *section, struct aoe_settings *settings, struct error *err)
{
	int ret;

	memset(settings, 0, sizeof(*settings));
	if (!section)
		return 0;
	if (!json_is_object(section))
		return error_set(err, EINVAL, "\"aoe\" is not an object");
	ret = config_load(json_object_get(section, "config"), settings, err);
	if (!ret)
		ret = macs_load(json_object_get(section, "masks"), "masks", &settings->masks, err);
	if (!ret)
		ret = macs_load(json_object_get(section, "reserves"), "reserves",
				&settings->reserves, err);
	return ret;
}
