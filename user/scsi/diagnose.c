/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * SEND DIAGNOSTIC and RECEIVE DIAGNOSTIC RESULTS (SPC-5 6.38, 6.26). A self-test reads samples that
 * lie evenly over the medium, the first and the last block among them, and is over when the command
 * ends, even when it might go on in the background: its result is in the log by then.
 */
#include "scsi/device.h"

#include "base/clock.h"

#define PF	       0x10
#define SELFTEST       0x04
#define PCV	       0x01
#define CODE_SHIFT     5
#define PAGE_SUPPORTED 0x00
#define PAGE_HEADER    4u
#define SHORT_SAMPLES  2u
#define LONG_SAMPLES   64u
#define SAMPLE	       4096u /* bytes */
#define READ_FAILED    7u
#define HOUR_NS	       (3600 * CLOCK_NS_PER_S)

/* SPC-5 6.38, SELF-TEST CODE. */
enum self_test {
	SELF_TEST_DEFAULT = 0,
	SELF_TEST_BACKGROUND_SHORT = 1,
	SELF_TEST_BACKGROUND_EXTENDED = 2,
	SELF_TEST_ABORT = 4,
	SELF_TEST_SHORT = 5,
	SELF_TEST_EXTENDED = 6,
};

static enum self_test test_of(const struct command *cmd)
{
	return cmd->scsi.cdb[1] >> CODE_SHIFT;
}

static bool in_background(enum self_test test)
{
	return test == SELF_TEST_BACKGROUND_SHORT || test == SELF_TEST_BACKGROUND_EXTENDED;
}

uint64_t scsi_diagnose_memory(const struct scsi_device *dev, const struct command *cmd)
{
	uint32_t list = cmd->scsi.out_len < SCSI_LIST_MAX ? cmd->scsi.out_len : SCSI_LIST_MAX;

	return list > SAMPLE ? list : SAMPLE;
}

/* ---- the self-test ---- */

static void record(struct scsi_device *dev, const struct command *cmd, bool failed)
{
	uint64_t hours = (clock_now_ns() - dev->since_ns) / HOUR_NS;
	unsigned int shift = dev->block_shift - BLK_SECTOR_SHIFT;

	pthread_mutex_lock(&dev->lock);
	dev->self_tests[dev->nself_tests++ % SCSI_SELF_TESTS] = (struct scsi_self_test){
		.code = (uint8_t)test_of(cmd),
		.result = failed ? READ_FAILED : 0,
		.hours = hours < UINT16_MAX ? (uint16_t)hours : UINT16_MAX,
		.lba = failed ? cmd->io.lba >> shift : UINT64_MAX,
	};
	pthread_mutex_unlock(&dev->lock);
}

static void sample_read(struct command *cmd);

static void test_end(struct command *cmd, bool failed)
{
	struct scsi_device *dev = scsi_device_of(cmd);

	record(dev, cmd, failed);
	cmd->data_in.len = 0;
	if (!failed || in_background(test_of(cmd)))
		scsi_good(cmd);
	else
		scsi_refuse(cmd, SCSI_KEY_HARDWARE_ERROR, SCSI_ASC_SELF_TEST_FAILED);
}

static void sample_done(struct blk_io *io)
{
	struct command *cmd = scsi_command_of(io);

	if (io->status == BLK_ESEALED) {
		scsi_end_io(cmd, io->status, 0);
		return;
	}
	if (io->status != BLK_OK)
		scsi_log_error(scsi_device_of(cmd), false);
	if (scsi_task_aborted(cmd))
		scsi_end(cmd, SCSI_TASK_ABORTED);
	else if (io->status != BLK_OK || ++cmd->scsi.moved == cmd->scsi.total)
		test_end(cmd, io->status != BLK_OK);
	else
		sample_read(cmd);
}

/* Sample `moved` of `total`; nothing overflows with 2^55 sectors, more than a disk can have. */
static void sample_read(struct command *cmd)
{
	struct scsi_device *dev = scsi_device_of(cmd);
	uint64_t room = atomic_load(&dev->lu->disk->nblocks) - cmd->io.nblocks;
	uint64_t last = cmd->scsi.total - 1;

	cmd->io.flags = 0;
	cmd->io.lba = room / last * cmd->scsi.moved + room % last * cmd->scsi.moved / last;
	cmd->io.sgl = cmd->data_in;
	scsi_submit(dev, cmd, BLK_READ, NULL, sample_done);
}

static void self_test(struct scsi_device *dev, struct command *cmd, unsigned int samples)
{
	uint64_t sectors = SAMPLE >> BLK_SECTOR_SHIFT, all = atomic_load(&dev->lu->disk->nblocks);

	cmd->io.nblocks = sectors < all ? sectors : all;
	if (cmd->ops->place(cmd, (uint32_t)cmd->io.nblocks << BLK_SECTOR_SHIFT, &cmd->data_in)) {
		scsi_refuse(cmd, SCSI_KEY_ILLEGAL_REQUEST, SCSI_ASC_INSUFFICIENT_RESOURCES);
		return;
	}
	cmd->scsi.moved = 0;
	cmd->scsi.total = samples;
	sample_read(cmd);
}

static void send_test(struct scsi_device *dev, struct command *cmd)
{
	switch (test_of(cmd)) {
	case SELF_TEST_DEFAULT:
	case SELF_TEST_SHORT:
	case SELF_TEST_BACKGROUND_SHORT:
		self_test(dev, cmd, SHORT_SAMPLES);
		break;
	case SELF_TEST_EXTENDED:
	case SELF_TEST_BACKGROUND_EXTENDED:
		self_test(dev, cmd, LONG_SAMPLES);
		break;
	case SELF_TEST_ABORT: /* only while one runs in the background, which none ever does */
	default:
		scsi_bad_cdb(cmd, 1, 7);
		break;
	}
}

/* ---- pages ---- */

/* There is one page, which has nothing in it: it asks for the list of pages. */
static void page_fetched(struct command *cmd)
{
	const uint8_t *list = scsi_list(cmd);

	if (list[0] != PAGE_SUPPORTED)
		scsi_bad_list(cmd, 0, 7);
	else if (get_be16(list + 2))
		scsi_bad_list(cmd, 2, 7);
	else
		scsi_good(cmd);
}

static void send_page(struct command *cmd, uint16_t len)
{
	if (!(cmd->scsi.cdb[1] & PF))
		scsi_bad_cdb(cmd, 1, 4);
	else if (len < PAGE_HEADER)
		scsi_refuse(cmd, SCSI_KEY_ILLEGAL_REQUEST, SCSI_ASC_LIST_LENGTH);
	else
		scsi_fetch_list(cmd, len, page_fetched);
}

void scsi_send_diagnostic(struct scsi_device *dev, struct command *cmd)
{
	const uint8_t *cdb = cmd->scsi.cdb;
	uint16_t len = get_be16(cdb + 3);
	bool testing = cdb[1] & SELFTEST || test_of(cmd);

	if (cdb[1] & SELFTEST && test_of(cmd))
		scsi_bad_cdb(cmd, 1, 7);
	else if (testing && len)
		scsi_bad_cdb(cmd, 3, 7);
	else if (testing)
		send_test(dev, cmd);
	else if (len)
		send_page(cmd, len);
	else
		scsi_good(cmd);
}

void scsi_receive_diagnostic(struct scsi_device *dev, struct command *cmd)
{
	static const uint8_t supported[PAGE_HEADER + 1] = {[3] = 1};
	const uint8_t *cdb = cmd->scsi.cdb;

	if (cdb[1] & PCV && cdb[2] != PAGE_SUPPORTED)
		scsi_bad_cdb(cmd, 2, 7);
	else
		scsi_return(cmd, supported, sizeof(supported), get_be16(cdb + 3));
}
