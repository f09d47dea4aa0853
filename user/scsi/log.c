/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * LOG SENSE and LOG SELECT (SPC-5 6.7, 6.8, 7.3): what the unit can truly tell, which is how many
 * reads and writes its medium failed, and that it predicts nothing.
 */
#include "scsi/device.h"

#include "blk/space.h"
#include <string.h>

#define SP		  0x01
#define PCR		  0x02
#define ALL_SUBPAGES	  0xff
#define CUMULATIVE	  0x01 /* bit of the page control; the other says: default values */
#define DEFAULTS	  0x02
#define PAGE_DS		  0x80 /* nothing is saved */
#define PAGE_SPF	  0x40
#define TOTAL_UNCORRECTED 0x0006
#define BINARY_LIST	  0x03
#define NO_TEMPERATURE	  0xff
#define AVAILABLE_COUNT	  0x0001
#define USED_COUNT	  0x0002
#define SCOPE_UNIT	  0x01
#define SCOPE_SHARED	  0x02
#define SELF_TEST_LEN	  16u
#define CODE_SHIFT	  5
#define LONGEST		  (4u + SCSI_SELF_TESTS * (4u + SELF_TEST_LEN))

enum page {
	SUPPORTED = 0x00,
	WRITE_ERRORS = 0x02,
	READ_ERRORS = 0x03,
	PROVISIONING = 0x0c,
	SELF_TESTS = 0x10,
	EXCEPTIONS = 0x2f,
};

static const uint8_t pages[] = {SUPPORTED,    WRITE_ERRORS, READ_ERRORS,
				PROVISIONING, SELF_TESTS,   EXCEPTIONS};

#define NPAGES sizeof(pages)

static bool page_there(const struct scsi_device *dev, uint8_t page)
{
	return memchr(pages, page, NPAGES) && (page != PROVISIONING || scsi_has_thresholds(dev));
}

void scsi_log_error(struct scsi_device *dev, bool write)
{
	atomic_fetch_add_explicit(write ? &dev->write_errors : &dev->read_errors, 1,
				  memory_order_relaxed);
}

static uint8_t *put_parameter(uint8_t *out, uint16_t code, uint8_t control, uint8_t len)
{
	put_be16(out, code);
	out[2] = control;
	out[3] = len;
	return out + 4;
}

/* Pages and subpages, or pages only. */
static uint32_t put_supported(const struct scsi_device *dev, bool subpages, uint8_t *out)
{
	uint32_t len = 0;

	for (unsigned int i = 0; i < NPAGES; i++) {
		if (!page_there(dev, pages[i]))
			continue;
		out[len++] = pages[i];
		if (subpages)
			out[len++] = 0;
		if (subpages && pages[i] == SUPPORTED) {
			out[len++] = SUPPORTED;
			out[len++] = ALL_SUBPAGES;
		}
	}
	return len;
}

/* SBC-4 6.4.5: what is free is the file system's, which others use, too. */
static uint8_t *put_resource(const struct scsi_device *dev, uint16_t code, uint64_t bytes,
			     uint8_t scope, uint8_t *out)
{
	out = put_parameter(out, code, BINARY_LIST, 8);
	put_be32(out, scsi_threshold_sets(dev, bytes));
	out[4] = scope;
	return out + 8;
}

/* Those from `pointer` on; *code is the last one's number. */
static uint32_t put_provisioning(const struct scsi_device *dev, uint16_t pointer, uint8_t *out,
				 uint16_t *code)
{
	const struct disk_room *space = dev->lu->disk->space;
	uint8_t *at = out;

	if (pointer <= AVAILABLE_COUNT)
		at = put_resource(dev, AVAILABLE_COUNT, atomic_load(&space->free), SCOPE_SHARED,
				  at);
	at = put_resource(dev, USED_COUNT, atomic_load(&space->used), SCOPE_UNIT, at);
	*code = USED_COUNT;
	return (uint32_t)(at - out);
}

/* SPC-5 7.3.20: the results of self-tests, the latest first; all zeroes where there was none. */
static uint8_t *put_self_test(const struct scsi_self_test *test, uint16_t code, uint8_t *out)
{
	out = put_parameter(out, code, BINARY_LIST, SELF_TEST_LEN);
	if (test) {
		out[0] = (uint8_t)(test->code << CODE_SHIFT | test->result);
		put_be16(out + 2, test->hours);
		put_be64(out + 4, test->lba);
		out[12] = test->result ? SCSI_KEY_MEDIUM_ERROR : 0;
		put_be16(out + 13, test->result ? SCSI_ASC_READ_ERROR : 0);
	}
	return out + SELF_TEST_LEN;
}

/* Those from `pointer` on; *code is the last one's number. */
static uint32_t put_self_tests(struct scsi_device *dev, uint16_t pointer, uint8_t *out,
			       uint16_t *code)
{
	uint8_t *at = out;

	pthread_mutex_lock(&dev->lock);
	for (uint16_t i = pointer > 1 ? pointer : 1; i <= SCSI_SELF_TESTS; i++) {
		unsigned int n = dev->nself_tests - i;

		at = put_self_test(i <= dev->nself_tests ? &dev->self_tests[n % SCSI_SELF_TESTS]
							 : NULL,
				   i, at);
	}
	pthread_mutex_unlock(&dev->lock);
	*code = SCSI_SELF_TESTS;
	return (uint32_t)(at - out);
}

/* The page's one parameter; *code is its number. */
static uint32_t put_page(struct scsi_device *dev, enum page page, bool defaults, uint8_t *out,
			 uint16_t *code)
{
	_Atomic uint64_t *errors = page == WRITE_ERRORS ? &dev->write_errors : &dev->read_errors;

	if (page == EXCEPTIONS) {
		*code = 0;
		out = put_parameter(out, 0, BINARY_LIST, 3);
		out[2] = NO_TEMPERATURE;
		return 7;
	}
	*code = TOTAL_UNCORRECTED;
	out = put_parameter(out, TOTAL_UNCORRECTED, 0, 8);
	put_be64(out, defaults ? 0 : atomic_load(errors));
	return 12;
}

static bool page_known(const struct scsi_device *dev, uint8_t page, uint8_t subpage)
{
	return page_there(dev, page) && (!subpage || (page == SUPPORTED && subpage == 0xff));
}

static uint32_t put_parameters(struct scsi_device *dev, const uint8_t *cdb, uint8_t *out,
			       uint16_t *last)
{
	uint8_t page = cdb[2] & 0x3f;

	if (page == SUPPORTED)
		return put_supported(dev, cdb[3], out);
	if (page == PROVISIONING)
		return put_provisioning(dev, get_be16(cdb + 5), out, last);
	if (page == SELF_TESTS)
		return put_self_tests(dev, get_be16(cdb + 5), out, last);
	return put_page(dev, page, cdb[2] >> 6 & DEFAULTS, out, last);
}

void scsi_log_sense(struct scsi_device *dev, struct command *cmd)
{
	const uint8_t *cdb = cmd->scsi.cdb;
	uint8_t out[LONGEST] = {}, page = cdb[2] & 0x3f, control = cdb[2] >> 6;
	uint16_t pointer = get_be16(cdb + 5), last = 0;
	uint32_t len;

	if (cdb[1] & SP) {
		scsi_bad_cdb(cmd, 1, 0);
		return;
	}
	if (!page_known(dev, page, cdb[3])) {
		scsi_bad_cdb(cmd, cdb[3] ? 3 : 2, cdb[3] ? 7 : 5);
		return;
	}
	/* There are no thresholds. */
	if (page != SUPPORTED && !(control & CUMULATIVE)) {
		scsi_bad_cdb(cmd, 2, 7);
		return;
	}
	len = put_parameters(dev, cdb, out + 4, &last);
	if (pointer > last) {
		scsi_bad_cdb(cmd, 5, 7);
		return;
	}
	out[0] = (uint8_t)(PAGE_DS | (cdb[3] ? PAGE_SPF : 0) | page);
	out[1] = cdb[3];
	put_be16(out + 2, (uint16_t)len);
	scsi_return(cmd, out, 4 + len, get_be16(cdb + 7));
}

/* Counters can be set to zero, and to nothing else; no other page has any. */
static void reset_counters(struct command *cmd, uint8_t page)
{
	struct scsi_device *dev = scsi_device_of(cmd);
	bool writes = page == SUPPORTED || page == WRITE_ERRORS;
	bool reads = page == SUPPORTED || page == READ_ERRORS;

	if (writes)
		atomic_store(&dev->write_errors, 0);
	if (reads)
		atomic_store(&dev->read_errors, 0);
	if (writes || reads)
		scsi_attend(dev, cmd->scsi.it_l, SCSI_ASC_LOG_CHANGED);
}

void scsi_log_select(struct scsi_device *dev, struct command *cmd)
{
	const uint8_t *cdb = cmd->scsi.cdb;
	uint8_t page = cdb[2] & 0x3f;

	if (cdb[1] & SP) {
		scsi_bad_cdb(cmd, 1, 0);
		return;
	}
	if (get_be16(cdb + 7)) {
		scsi_bad_cdb(cmd, 7, 7);
		return;
	}
	if (!page_known(dev, page, cdb[3])) {
		scsi_bad_cdb(cmd, cdb[3] ? 3 : 2, cdb[3] ? 7 : 5);
		return;
	}
	if (cdb[1] & PCR || cdb[2] >> 6 & CUMULATIVE)
		reset_counters(cmd, page);
	scsi_good(cmd);
}
