/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * SANITIZE over a restart: section "scsi_sanitize" of the unit's state.
 *
 *	{ "state": "none" }
 *	{ "state": "failed", "unrestricted": false }
 *	{ "state": "runs", "unrestricted": false, "erase": false, "crypto": false, "invert": true,
 *	  "passes": 2, "pattern": "00ff" }
 *
 * How far it was is not remembered: what is taken up begins anew, with the first pass.
 */
#include "scsi/sanitize.h"

#include "base/hex.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

json_t *scsi_sanitize_describe(enum scsi_sanitize_state state, const struct scsi_sanitize *s)
{
	char pattern[2 * SCSI_SANITIZE_PATTERN_MAX + 1];

	switch (state) {
	case SANITIZE_NONE:
		return json_pack("{s:s}", "state", "none");
	case SANITIZE_FAILED:
		return json_pack("{s:s, s:b}", "state", "failed", "unrestricted", s->unrestricted);
	default:
		hex_format(s->pattern, s->period, pattern);
		return json_pack("{s:s, s:b, s:b, s:b, s:b, s:i, s:s}", "state", "runs",
				 "unrestricted", s->unrestricted, "erase", s->erase, "crypto",
				 s->crypto, "invert", s->invert, "passes", (int)s->passes,
				 "pattern", pattern);
	}
}

static bool load_running(struct scsi_device *dev, const json_t *section)
{
	struct scsi_sanitize *s = dev->sanitize_left;
	int unrestricted, erase, crypto, invert, passes;
	const char *pattern;
	size_t digits;

	if (json_unpack((json_t *)section, "{s:b, s:b, s:b, s:b, s:i, s:s%}", "unrestricted",
			&unrestricted, "erase", &erase, "crypto", &crypto, "invert", &invert,
			"passes", &passes, "pattern", &pattern, &digits) ||
	    passes < 1 || passes > SCSI_SANITIZE_PASSES_MAX ||
	    !hex_parse(pattern, digits, s->pattern, sizeof(s->pattern)) ||
	    (!erase && !crypto && (!digits || digits / 2 > 1u << dev->block_shift)))
		return false;
	s->dev = dev;
	s->unrestricted = unrestricted;
	s->erase = erase;
	s->crypto = crypto;
	s->invert = invert;
	s->passes = (unsigned int)passes;
	s->period = (uint16_t)(digits / 2);
	atomic_store(&dev->sanitize_state, SANITIZE_RUNS);
	return true;
}

static bool load_failed(struct scsi_device *dev, const json_t *section)
{
	int unrestricted;

	if (json_unpack((json_t *)section, "{s:b}", "unrestricted", &unrestricted))
		return false;
	atomic_store(&dev->sanitize_unrestricted, unrestricted);
	atomic_store(&dev->sanitize_state, SANITIZE_FAILED);
	return true;
}

static bool is_over(const json_t *section)
{
	const char *state = json_string_value(json_object_get(section, "state"));

	return !section || (state && strcmp(state, "none") == 0);
}

int scsi_state_sealed(const char *dir, const char *key, struct error *err)
{
	json_t *section;
	int ret = state_peek(dir, key, SCSI_SANITIZE_SECTION, &section, err);

	if (!ret)
		ret = !is_over(section);
	json_decref(section);
	return ret;
}

int scsi_sanitize_load(struct scsi_device *dev, struct error *err)
{
	const json_t *section =
		dev->state ? state_section(dev->state, SCSI_SANITIZE_SECTION) : NULL;
	const char *state = json_string_value(json_object_get(section, "state"));
	bool good = state != NULL;

	if (is_over(section)) {
		if (disk_sealed(dev->lu->disk))
			disk_unseal(dev->lu->disk);
		return 0;
	}
	if (state && strcmp(state, "runs") == 0) {
		dev->sanitize_left = calloc(1, sizeof(*dev->sanitize_left));
		if (!dev->sanitize_left)
			return error_set(err, ENOMEM, "out of memory");
		good = load_running(dev, section);
	} else if (state) {
		good = strcmp(state, "failed") == 0 && load_failed(dev, section);
	}
	if (!good)
		return error_set(err, EINVAL,
				 "the state's section '" SCSI_SANITIZE_SECTION
				 "' is not one that this program writes");
	disk_seal(dev->lu->disk);
	return 0;
}
