/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * SMART's 512-byte structures (ACS-3 7.48.6 and A.1; attributes and thresholds as in SFF-8035i).
 * Multi-byte fields are little-endian; the last byte makes the sum of all 512 zero.
 */
#include "ata/device.h"

#include "base/clock.h"

#include <string.h>

#define ATTRIBUTE_LEN	 12u
#define SELF_TEST_LEN	 24u
#define STRUCTURE	 0x10u /* revision of data and thresholds */
#define ATTRIBUTE_ONLINE 0x0002u
#define ATTRIBUTE_COUNT	 0x0010u

enum attribute_id {
	ATTRIBUTE_READ_ERRORS = 1,
	ATTRIBUTE_POWER_ON_HOURS = 9,
};

static void put_le(uint8_t *at, unsigned int len, uint64_t v)
{
	while (len--) {
		*at++ = (uint8_t)v;
		v >>= 8;
	}
}

static void checksum(uint8_t page[ATA_LOG_PAGE])
{
	uint8_t sum = 0;
	unsigned int i;

	for (i = 0; i < ATA_LOG_PAGE - 1; i++)
		sum += page[i];
	page[ATA_LOG_PAGE - 1] = (uint8_t)-sum;
}

uint16_t ata_power_on_hours(const struct ata_device *dev)
{
	return (uint16_t)((clock_now_ns() - dev->opened_ns) / CLOCK_NS_PER_S / 3600);
}

/* Neither can fail the drive: the values stay at 100, the raw counts tell. */
static void put_attribute(uint8_t *at, enum attribute_id id, uint64_t raw)
{
	at[0] = (uint8_t)id;
	put_le(at + 1, 2, ATTRIBUTE_ONLINE | ATTRIBUTE_COUNT);
	at[3] = 100; /* value */
	at[4] = 100; /* worst */
	put_le(at + 5, 6, raw);
}

/* Of the latest test in the log; 0 when there was none. */
static uint8_t self_test_status(struct ata_device *dev)
{
	uint8_t result = 0;

	pthread_mutex_lock(&dev->lock);
	if (dev->nself_tests)
		result = dev->self_tests[(dev->nself_tests - 1) % ATA_SELF_TESTS].result;
	pthread_mutex_unlock(&dev->lock);
	return (uint8_t)(result << 4);
}

void ata_smart_data(struct ata_device *dev, uint8_t out[ATA_LOG_PAGE])
{
	memset(out, 0, ATA_LOG_PAGE);
	put_le(out, 2, STRUCTURE);
	put_attribute(out + 2, ATTRIBUTE_READ_ERRORS, atomic_load(&dev->read_errors));
	put_attribute(out + 2 + ATTRIBUTE_LEN, ATTRIBUTE_POWER_ON_HOURS, ata_power_on_hours(dev));
	out[362] = 0x02; /* off-line data collection completed: there is none to do */
	out[363] = self_test_status(dev);
	out[367] = 0x11;	    /* EXECUTE OFF-LINE IMMEDIATE, self-tests */
	put_le(out + 368, 2, 0x03); /* saves attributes by itself, autosave can be set */
	out[370] = 0x01;	    /* error logging */
	out[372] = 1;		    /* minutes to wait for a short test */
	out[373] = 1;		    /* and an extended one */
	checksum(out);
}

void ata_smart_thresholds(uint8_t out[ATA_LOG_PAGE])
{
	memset(out, 0, ATA_LOG_PAGE);
	put_le(out, 2, STRUCTURE);
	out[2] = ATTRIBUTE_READ_ERRORS; /* each followed by its threshold, 0: never exceeded */
	out[2 + ATTRIBUTE_LEN] = ATTRIBUTE_POWER_ON_HOURS;
	checksum(out);
}

void ata_smart_directory(uint8_t out[ATA_LOG_PAGE])
{
	unsigned int i;

	/* A word for each log, its number of pages; in place of the directory's own, the version.
	 */
	memset(out, 0, ATA_LOG_PAGE);
	put_le(out, 2, 1);
	put_le(out + 2 * ATA_LOG_SUMMARY_ERROR, 2, 1);
	put_le(out + 2 * ATA_LOG_SELF_TEST, 2, 1);
	for (i = 0; i < ATA_HOST_LOGS; i++)
		put_le(out + 2 * (ATA_HOST_LOG + i), 2, ATA_HOST_LOG_PAGES);
}

/* Version 1, no entry: errors are counted in the attributes only. */
void ata_smart_error_log(uint8_t out[ATA_LOG_PAGE])
{
	memset(out, 0, ATA_LOG_PAGE);
	out[0] = 1;
	checksum(out);
}

static void put_self_test(uint8_t *at, const struct ata_self_test *test)
{
	at[0] = test->test;
	at[1] = (uint8_t)(test->result << 4);
	put_le(at + 2, 2, test->hours);
	put_le(at + 5, 4, test->lba < ATA_CAPACITY_28 ? test->lba : ATA_CAPACITY_28);
}

void ata_smart_self_test_log(struct ata_device *dev, uint8_t out[ATA_LOG_PAGE])
{
	unsigned int i, n;

	memset(out, 0, ATA_LOG_PAGE);
	put_le(out, 2, 1);
	pthread_mutex_lock(&dev->lock);
	n = dev->nself_tests < ATA_SELF_TESTS ? dev->nself_tests : ATA_SELF_TESTS;
	for (i = 0; i < n; i++)
		put_self_test(out + 2 + SELF_TEST_LEN * i, &dev->self_tests[i]);
	/* The latest entry, counted from 1. */
	out[508] = (uint8_t)(n ? (dev->nself_tests - 1) % ATA_SELF_TESTS + 1 : 0);
	pthread_mutex_unlock(&dev->lock);
	checksum(out);
}
