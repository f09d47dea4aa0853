/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * SMART EXECUTE OFF-LINE IMMEDIATE (ACS-3 7.48.5). A self-test reads samples that lie evenly over
 * the medium, the first and the last sectors among them, and is over when the command ends, even
 * when it might go on in the background: its result is in the log by then.
 */
#include "ata/device.h"

#define SHORT_SAMPLES	 2u
#define EXTENDED_SAMPLES 64u
#define CAPTIVE		 0x80u
#define FAILED_STATUS	 0x2cf400ull /* in LBA mid and high: a captive test failed */
#define STATUS_MASK	 0xffff00ull
#define READ_FAILED	 7u

enum self_test {
	SELF_TEST_OFFLINE = 0x00, /* data collection: nothing is left to collect */
	SELF_TEST_SHORT = 0x01,
	SELF_TEST_EXTENDED = 0x02,
	SELF_TEST_ABORT = 0x7f,
};

static unsigned int samples_of(uint8_t test)
{
	return (test & ~CAPTIVE) == SELF_TEST_SHORT ? SHORT_SAMPLES : EXTENDED_SAMPLES;
}

/* Where sample `i` begins; nothing overflows with 2^55 sectors, more than a disk can have. */
static uint64_t sample_lba(uint64_t i, unsigned int samples, uint64_t room)
{
	return room / (samples - 1) * i + room % (samples - 1) * i / (samples - 1);
}

static bool sample_submit(struct command *cmd)
{
	struct command_model *m = &cmd->model;
	uint64_t capacity = ata_capacity(ata_device_of(cmd), ATA_EXT);
	uint64_t sectors = cmd->data_in.len / BLK_SECTOR;
	unsigned int samples = samples_of((uint8_t)cmd->ata.lba);

	if (!m->left || capacity < sectors)
		return false;
	ata_pieces_read(cmd, sample_lba(samples - m->left, samples, capacity - sectors), sectors);
	m->left--;
	return true;
}

static void self_test_record(struct ata_device *dev, struct command *cmd)
{
	struct ata_self_test *entry;

	pthread_mutex_lock(&dev->lock);
	entry = &dev->self_tests[dev->nself_tests++ % ATA_SELF_TESTS];
	*entry = (struct ata_self_test){
		.test = (uint8_t)cmd->ata.lba,
		.hours = ata_power_on_hours(dev),
	};
	if (cmd->model.status != BLK_OK) {
		entry->result = READ_FAILED;
		entry->lba = cmd->io.lba;
	}
	pthread_mutex_unlock(&dev->lock);
}

static void self_test_finish(struct command *cmd)
{
	bool captive = cmd->ata.lba & CAPTIVE;

	cmd->data_in.len = 0;
	if (cmd->model.status == BLK_ESEALED) {
		ata_abort(cmd);
		return;
	}
	self_test_record(ata_device_of(cmd), cmd);
	if (cmd->model.status == BLK_OK || !captive) {
		ata_ok(cmd);
		return;
	}
	cmd->ata.lba = (cmd->ata.lba & ~STATUS_MASK) | FAILED_STATUS;
	ata_abort(cmd);
}

void ata_self_test(struct ata_device *dev, struct command *cmd)
{
	uint8_t test = (uint8_t)cmd->ata.lba;
	uint64_t capacity = ata_capacity(dev, ATA_EXT);

	switch (test) {
	case SELF_TEST_OFFLINE:
	case SELF_TEST_ABORT: /* none is ever running */
		ata_ok(cmd);
		return;
	case SELF_TEST_SHORT:
	case SELF_TEST_EXTENDED:
	case SELF_TEST_SHORT | CAPTIVE:
	case SELF_TEST_EXTENDED | CAPTIVE:
		break;
	default:
		ata_abort(cmd);
		return;
	}
	if (!ata_pieces_place(cmd, capacity)) {
		cmd->data_in.len = 0;
		ata_abort(cmd);
		return;
	}
	cmd->model.left = samples_of(test);
	ata_pieces_start(cmd, sample_submit, self_test_finish);
}
