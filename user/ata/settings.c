/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a device remembers over a restart: section "ata" of its export's state.
 *
 *	{ "smart": true, "autosave": true, "host_logs": { "80": "68656c6c6f..." } }
 *
 * Host logs are in hexadecimal without the zeroes at their end.
 */
#include "ata/device.h"

#include "base/hex.h"
#include <string.h>

#define SECTION "ata"
#define LOG_LEN (ATA_HOST_LOG_PAGES * ATA_LOG_PAGE)

static json_t *host_log_save(const uint8_t log[LOG_LEN])
{
	char text[2 * LOG_LEN + 1];
	size_t len = LOG_LEN;

	while (len && !log[len - 1])
		len--;
	hex_format(log, len, text);
	return json_string(text);
}

static bool host_log_load(struct ata_device *dev, const char *name, const json_t *value)
{
	const char *text = json_string_value(value);
	unsigned int i;
	char expected[3];

	for (i = 0; i < ATA_HOST_LOGS; i++) {
		snprintf(expected, sizeof(expected), "%02x", ATA_HOST_LOG + i);
		if (strcmp(name, expected))
			continue;
		dev->settings.logs_written |= 1u << i;
		return text &&
		       hex_parse(text, json_string_length(value), dev->host_logs[i], LOG_LEN);
	}
	return false;
}

int ata_settings_load(struct ata_device *dev, struct error *err)
{
	const json_t *section = dev->state ? state_section(dev->state, SECTION) : NULL;
	json_t *logs, *value;
	const char *name;
	int smart, autosave;

	if (section) {
		if (json_unpack((json_t *)section, "{s:b, s:b, s:o}", "smart", &smart, "autosave",
				&autosave, "host_logs", &logs) ||
		    !json_is_object(logs))
			return error_set(err, EINVAL,
					 "the state's section '" SECTION
					 "' is not one that this program writes");
		dev->settings.smart = smart;
		dev->settings.autosave = autosave;
		json_object_foreach (logs, name, value)
			if (!host_log_load(dev, name, value))
				return error_set(err, EINVAL, "bad host log '%s' in the state",
						 name);
	}
	atomic_store(&dev->smart, dev->settings.smart);
	return 0;
}

/* The staged settings; NULL when there is no memory. */
static json_t *settings_json(struct ata_device *dev)
{
	json_t *logs = json_object();
	unsigned int i;
	char name[3];

	for (i = 0; i < ATA_HOST_LOGS; i++) {
		const uint8_t *bytes =
			(int)i == dev->staged_index ? dev->staged_log : dev->host_logs[i];

		if (!(dev->staged.logs_written & 1u << i))
			continue;
		snprintf(name, sizeof(name), "%02x", ATA_HOST_LOG + i);
		if (json_object_set_new(logs, name, host_log_save(bytes))) {
			json_decref(logs);
			return NULL;
		}
	}
	/* Fails, giving up `logs`, when that is NULL. */
	return json_pack("{s:b, s:b, s:o}", "smart", dev->staged.smart, "autosave",
			 dev->staged.autosave, "host_logs", logs);
}

static void settings_commit(struct ata_device *dev)
{
	dev->settings = dev->staged;
	if (dev->staged_index >= 0)
		memcpy(dev->host_logs[dev->staged_index], dev->staged_log, LOG_LEN);
	atomic_store(&dev->smart, dev->settings.smart);
}

static void settings_stage(struct ata_device *dev, struct command *cmd)
{
	dev->staged = dev->settings;
	dev->staged_index = -1;
	ata_smart_stage(dev, cmd);
}

static void settings_saved(struct state_save *save);

/* Starts the save that waits longest. May run on another worker's thread than the command's. */
static void settings_next(struct ata_device *dev)
{
	struct command_model *m;
	struct command *cmd;

	pthread_mutex_lock(&dev->lock);
	dev->changing = !list_empty(&dev->changes);
	m = dev->changing ? container_of(list_pop(&dev->changes), struct command_model, waiting)
			  : NULL;
	pthread_mutex_unlock(&dev->lock);
	if (!m)
		return;
	cmd = container_of(m, struct command, model);
	settings_stage(dev, cmd);
	m->save.reply = cmd->queue->mailbox;
	m->save.done = settings_saved;
	state_save(dev->state, &m->save, SECTION, settings_json(dev));
}

/* On the command's thread. The next change starts first: the command is gone once it ended. */
static void settings_saved(struct state_save *save)
{
	struct command *cmd = container_of(save, struct command, model.save);
	struct ata_device *dev = ata_device_of(cmd);
	int result = save->result;

	if (!result) {
		pthread_mutex_lock(&dev->lock);
		settings_commit(dev);
		pthread_mutex_unlock(&dev->lock);
	}
	settings_next(dev);
	if (result)
		ata_abort(cmd);
	else
		ata_ok(cmd);
}

void ata_settings_change(struct ata_device *dev, struct command *cmd)
{
	bool first;

	pthread_mutex_lock(&dev->lock);
	if (!dev->state) {
		settings_stage(dev, cmd);
		settings_commit(dev);
		pthread_mutex_unlock(&dev->lock);
		ata_ok(cmd);
		return;
	}
	first = !dev->changing;
	dev->changing = true;
	list_add_tail(&dev->changes, &cmd->model.waiting);
	pthread_mutex_unlock(&dev->lock);
	if (first)
		settings_next(dev);
}
