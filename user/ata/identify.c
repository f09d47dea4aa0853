/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* IDENTIFY DEVICE (ACS-3 7.12). Words that are not set here are 0: not supported or not reported.
 */
#include "ata/device.h"

#include <endian.h>
#include <string.h>

#define WORDS	   256
#define HEADS	   16u
#define TRACK	   63u /* sectors */
#define CYLINDERS  16383u
#define CHECKED	   0x4000u /* bit 14 set and bit 15 clear: the word is valid */
#define ACS_3_REV5 0x006du

/* Words 82 and 85, 83 and 86, 84 and 87 */
#define SMART_FEATURE	 (1u << 0)
#define POWER_MANAGEMENT (1u << 3)
#define WRITE_CACHE	 (1u << 5)
#define READ_AHEAD	 (1u << 6)
#define LBA48		 (1u << 10)
#define FLUSH_CACHE	 (1u << 12)
#define FLUSH_CACHE_EXT	 (1u << 13)
#define SMART_ERROR_LOG	 (1u << 0)
#define SMART_SELF_TEST	 (1u << 1)
#define WRITE_FUA_EXT	 (1u << 6)
#define WORLD_WIDE_NAME	 (1u << 8)

/* ASCII, padded with spaces; the first character of each pair is the word's high byte. */
static void put_string(uint16_t *words, unsigned int nwords, const char *text)
{
	size_t len = strlen(text);
	unsigned int i;

	for (i = 0; i < nwords; i++) {
		uint8_t first = 2 * i < len ? (uint8_t)text[2 * i] : ' ';
		uint8_t second = 2 * i + 1 < len ? (uint8_t)text[2 * i + 1] : ' ';

		words[i] = (uint16_t)(first << 8 | second);
	}
}

static void put_u32(uint16_t *words, uint32_t v)
{
	words[0] = (uint16_t)v;
	words[1] = (uint16_t)(v >> 16);
}

static void put_capacity(uint16_t *w, uint64_t sectors)
{
	uint32_t lba28 = (uint32_t)(sectors < ATA_CAPACITY_28 ? sectors : ATA_CAPACITY_28);
	uint64_t lba48 = sectors < ATA_CAPACITY_48 ? sectors : ATA_CAPACITY_48;
	uint32_t cylinders = lba28 / (HEADS * TRACK);

	if (cylinders > CYLINDERS)
		cylinders = CYLINDERS;
	w[1] = w[54] = (uint16_t)cylinders;
	w[3] = w[55] = HEADS;
	w[6] = w[56] = TRACK;
	put_u32(w + 57, cylinders * HEADS * TRACK);
	put_u32(w + 60, lba28);
	put_u32(w + 100, (uint32_t)lba48);
	put_u32(w + 102, (uint32_t)(lba48 >> 32));
}

/* Transfer modes mean nothing here; drivers and tools expect the usual ones. */
static void put_transfer(struct ata_device *dev, uint16_t *w)
{
	unsigned int mode = atomic_load(&dev->transfer_mode), selected = 1u << (8 + (mode & 7));

	w[49] = 1u << 8 | 1u << 9 | 1u << 11; /* DMA, LBA, IORDY */
	w[50] = CHECKED;
	w[51] = 0x0200;
	w[53] = 0x0007; /* words 54-58, 64-70 and 88 are valid */
	w[63] = (uint16_t)(0x0007 | ((mode & 0x78) == 0x20 ? selected : 0));
	w[64] = 0x0003;
	w[65] = w[66] = w[67] = w[68] = 120; /* ns a word */
	w[88] = (uint16_t)(0x007f | ((mode & 0x78) == 0x40 ? selected : 0));
}

static void put_features(struct ata_device *dev, uint16_t *w)
{
	struct lu *lu = dev->lu;
	unsigned int always = POWER_MANAGEMENT;

	/* A unit whose writes are always durable has no write cache to speak of. */
	w[82] = (uint16_t)(always | SMART_FEATURE | READ_AHEAD | (lu->durable ? 0 : WRITE_CACHE));
	w[85] = (uint16_t)(always | (atomic_load(&dev->smart) ? SMART_FEATURE : 0) |
			   (atomic_load(&dev->read_ahead) ? READ_AHEAD : 0) |
			   (atomic_load(&lu->write_cache) ? WRITE_CACHE : 0));
	w[86] = LBA48 | FLUSH_CACHE | FLUSH_CACHE_EXT;
	w[83] = w[86] | CHECKED;
	w[84] = w[87] =
		CHECKED | SMART_ERROR_LOG | SMART_SELF_TEST | WRITE_FUA_EXT | WORLD_WIDE_NAME;
}

static void put_geometry(struct ata_device *dev, uint16_t *w)
{
	uint32_t physical = dev->lu->disk->physical_block;

	/* Word 106: 2^x logical sectors in a physical one; 209: the first one begins at LBA 0. */
	w[106] = CHECKED;
	if (physical > BLK_SECTOR)
		w[106] |= 1u << 13 | (unsigned int)__builtin_ctz(physical / BLK_SECTOR);
	w[209] = CHECKED;
	w[217] = 1; /* does not rotate */
	if (dev->lu->disk->can_unmap) {
		/* What is read after TRIM stays the same, but it need not be zeroes. */
		w[69] = 1u << 14;
		w[105] = ATA_TRIM_BLOCKS;
		w[169] = ATA_DSM_TRIM;
	}
}

static void put_identity(struct ata_device *dev, uint16_t *w)
{
	uint64_t wwn = dev->lu->disk->wwn;
	unsigned int i;

	put_string(w + 10, 10, dev->lu->disk->serial);
	put_string(w + 23, 4, STGT_VERSION);
	put_string(w + 27, 20, LU_PRODUCT);
	for (i = 0; i < 4; i++)
		w[108 + i] = (uint16_t)(wwn >> (48 - 16 * i));
}

void ata_identify(struct ata_device *dev, uint8_t out[ATA_IDENTIFY_LEN])
{
	unsigned int multiple = atomic_load(&dev->multiple), i;
	uint16_t w[WORDS] = {0};
	uint8_t sum = 0xa5;

	w[0] = 0x0040; /* an ATA device that is not removable */
	w[2] = 0xc837; /* IDENTIFY is complete, the device needs no spin-up */
	w[47] = 0x8000 | ATA_MULTIPLE_MAX;
	w[48] = CHECKED;
	w[59] = (uint16_t)(multiple ? 0x0100 | multiple : 0);
	w[80] = 0x07f0; /* ATA/ATAPI-4 to ACS-3 */
	w[81] = ACS_3_REV5;
	put_identity(dev, w);
	put_capacity(w, atomic_load(&dev->lu->disk->nblocks));
	put_transfer(dev, w);
	put_features(dev, w);
	put_geometry(dev, w);
	w[255] = 0xa5;
	for (i = 0; i < WORDS; i++) {
		w[i] = htole16(w[i]);
		memcpy(out + 2 * i, &w[i], sizeof(w[i]));
	}
	for (i = 0; i < ATA_IDENTIFY_LEN - 2; i++)
		sum += out[i];
	out[ATA_IDENTIFY_LEN - 1] = (uint8_t)-sum;
}

void ata_identify_device(struct ata_device *dev, struct command *cmd, unsigned int flags)
{
	uint8_t data[ATA_IDENTIFY_LEN];

	ata_identify(dev, data);
	ata_return_data(cmd, data, sizeof(data));
}
