/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the vital product data says of blocks (SBC-4 6.6): limits, rotation, provisioning. */
#include "scsi/device.h"

#include <string.h>

#define BLOCK_LIMITS_LEN    60u
#define CHARACTERISTICS_LEN 60u
#define PROVISIONING_LEN    4u
#define WABEREQ_ZEROES	    0x40 /* reads after BLOCK ERASE are good */
#define WACEREQ_NOISE	    0x10 /* those after CRYPTO ERASE, too */
#define NON_ROTATING	    1u
#define LBPU		    0x80
#define LBPWS		    0x40
#define LBPWS10		    0x20
#define LBPRZ_ZEROES	    0x04
#define THIN		    0x02

/* `page` points behind the header, so its bytes are the standard's less 4. */
uint16_t scsi_vpd_block_limits(struct scsi_device *dev, const struct scsi_nexus *nexus,
			       uint8_t *page)
{
	uint32_t physical = scsi_physical_blocks(dev);
	uint32_t caw = SCSI_CAW_MAX >> dev->block_shift;
	const struct scsi_atomic atomic = scsi_atomic_limits(dev);

	memset(page, 0, BLOCK_LIMITS_LEN);
	page[1] = caw < 0xff ? (uint8_t)caw : 0xff;
	put_be16(page + 2, (uint16_t)physical);
	put_be32(page + 4, SCSI_TRANSFER_MAX >> dev->block_shift);
	/* What longer ones are cut into. */
	put_be32(page + 8, SCSI_PIECE_MAX >> dev->block_shift);
	if (dev->thin) {
		put_be32(page + 16, UINT32_MAX);
		put_be32(page + 20, SCSI_UNMAP_RANGES);
		put_be32(page + 24, physical);
		put_be32(page + 28, 0x80000000u); /* UGAVALID, alignment 0 */
	}
	/* WRITE ATOMIC: the longest, and where it may begin. */
	put_be32(page + 40, atomic.max);
	put_be32(page + 44, atomic.alignment);
	put_be32(page + 48, 1);
	return BLOCK_LIMITS_LEN;
}

uint16_t scsi_vpd_block_characteristics(struct scsi_device *dev, const struct scsi_nexus *nexus,
					uint8_t *page)
{
	memset(page, 0, CHARACTERISTICS_LEN);
	put_be16(page, NON_ROTATING);
	page[3] = WABEREQ_ZEROES | (dev->lu->disk->can_crypto_erase ? WACEREQ_NOISE : 0);
	return CHARACTERISTICS_LEN;
}

uint16_t scsi_vpd_provisioning(struct scsi_device *dev, const struct scsi_nexus *nexus,
			       uint8_t *page)
{
	memset(page, 0, PROVISIONING_LEN);
	if (dev->thin) {
		page[0] = scsi_threshold_exponent(dev);
		page[1] = LBPU | LBPWS | LBPWS10 | LBPRZ_ZEROES;
		page[2] = THIN;
	}
	return PROVISIONING_LEN;
}
