/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The mode pages there are, their values, and what of these survives a restart. */
#include "scsi/mode.h"

#include "blk/space.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PAGE_PS	 0x80
#define PAGE_SPF 0x40

#define CACHING_WCE	  0x04 /* byte 2 */
#define CONTROL_D_SENSE	  0x04 /* byte 2 */
#define CONTROL_GLTSD	  0x02 /* byte 2: log parameters are not saved by themselves */
#define CONTROL_REORDER	  0x10 /* byte 3: commands may overtake each other */
#define CONTROL_SWP	  0x08 /* byte 4 */
#define CONTROL_TAS	  0x40 /* byte 5 */
#define EXTENSION_IALUAE  0x01 /* byte 4: access states may change by themselves */
#define EXCEPTIONS_DEXCPT 0x08 /* byte 2: none are reported */
#define RECOVERY_LBPERE	  0x80 /* byte 7: thresholds are reported */
#define THRESHOLD_ENABLED 0x80 /* of a descriptor, byte 0; type and arming 0: sets, decreasing */
#define AVAILABLE	  0x01 /* byte 1: the resource */

static void caching_put(const struct scsi_device *dev, const struct scsi_mode_values *v,
			uint8_t *out)
{
	out[2] = v->wce ? CACHING_WCE : 0;
}

static void caching_take(const uint8_t *in, struct scsi_mode_values *v)
{
	v->wce = in[2] & CACHING_WCE;
}

static void caching_mask(const struct scsi_device *dev, uint8_t *out)
{
	out[2] = dev->lu->durable ? 0 : CACHING_WCE;
}

static void control_put(const struct scsi_device *dev, const struct scsi_mode_values *v,
			uint8_t *out)
{
	out[2] = (uint8_t)(CONTROL_GLTSD | (v->d_sense ? CONTROL_D_SENSE : 0));
	out[3] = CONTROL_REORDER;
	out[4] = v->swp ? CONTROL_SWP : 0;
	out[5] = v->tas ? CONTROL_TAS : 0;
}

static void control_take(const uint8_t *in, struct scsi_mode_values *v)
{
	v->d_sense = in[2] & CONTROL_D_SENSE;
	v->swp = in[4] & CONTROL_SWP;
	v->tas = in[5] & CONTROL_TAS;
}

static void control_mask(const struct scsi_device *dev, uint8_t *out)
{
	out[2] = CONTROL_D_SENSE;
	out[4] = CONTROL_SWP;
	out[5] = CONTROL_TAS;
}

static void extension_put(const struct scsi_device *dev, const struct scsi_mode_values *v,
			  uint8_t *out)
{
	out[4] = EXTENSION_IALUAE;
}

static void exceptions_put(const struct scsi_device *dev, const struct scsi_mode_values *v,
			   uint8_t *out)
{
	out[2] = EXCEPTIONS_DEXCPT;
}

static void recovery_put(const struct scsi_device *dev, const struct scsi_mode_values *v,
			 uint8_t *out)
{
	out[7] = scsi_has_thresholds(dev) ? RECOVERY_LBPERE : 0;
}

static void provisioning_put(const struct scsi_device *dev, const struct scsi_mode_values *v,
			     uint8_t *out)
{
	uint64_t threshold = disk_space_threshold(dev->lu->disk);
	uint8_t *descriptor = out + SCSI_THRESHOLD_AT;

	descriptor[0] = threshold ? THRESHOLD_ENABLED : 0;
	descriptor[1] = AVAILABLE;
	put_be32(descriptor + 4, scsi_threshold_sets(dev, threshold));
}

/* In the order of MODE SENSE's answer. */
const struct scsi_mode_page scsi_mode_pages[] = {
	{0x01, 0x00, 12, recovery_put, NULL, NULL, NULL},
	{0x08, 0x00, 20, caching_put, caching_take, caching_mask, NULL},
	{0x0a, 0x00, 12, control_put, control_take, control_mask, NULL},
	{0x0a, 0x01, 32, extension_put, NULL, NULL, NULL},
	{0x1c, 0x00, 12, exceptions_put, NULL, NULL, NULL},
	{0x1c, 0x02, 24, provisioning_put, NULL, NULL, scsi_has_thresholds},
};

const unsigned int scsi_nmode_pages = sizeof(scsi_mode_pages) / sizeof(scsi_mode_pages[0]);

bool scsi_mode_page_there(const struct scsi_device *dev, const struct scsi_mode_page *page)
{
	return !page->there || page->there(dev);
}

void scsi_mode_page_fill(struct scsi_device *dev, const struct scsi_mode_page *page,
			 bool changeable, const struct scsi_mode_values *v, uint8_t *out)
{
	memset(out, 0, page->len);
	if (changeable && page->mask)
		page->mask(dev, out);
	else if (!changeable && page->put)
		page->put(dev, v, out);
	out[0] = (uint8_t)((page->take && dev->state ? PAGE_PS : 0) | page->code);
	if (page->subpage) {
		out[0] |= PAGE_SPF;
		out[1] = page->subpage;
		put_be16(out + 2, page->len - 4);
	} else {
		out[1] = page->len - 2;
	}
}

/* ---- values ---- */

static void modes_default(const struct scsi_device *dev, struct scsi_mode_values *v)
{
	*v = (struct scsi_mode_values){.wce = !dev->lu->durable};
}

void scsi_modes_get(struct scsi_device *dev, struct scsi_mode_values *v)
{
	pthread_mutex_lock(&dev->lock);
	*v = dev->modes->current;
	pthread_mutex_unlock(&dev->lock);
	v->wce = atomic_load(&dev->lu->write_cache);
}

void scsi_modes_other(struct scsi_device *dev, enum scsi_mode_control control,
		      struct scsi_mode_values *v)
{
	modes_default(dev, v);
	if (control != SCSI_MODE_SAVED)
		return;
	pthread_mutex_lock(&dev->lock);
	*v = dev->modes->saved;
	pthread_mutex_unlock(&dev->lock);
}

void scsi_modes_apply_locked(struct scsi_device *dev, const struct scsi_mode_values *v)
{
	dev->modes->current = *v;
	atomic_store(&dev->descriptor_sense, v->d_sense);
	atomic_store(&dev->write_protected, v->swp);
	atomic_store(&dev->tell_aborted, v->tas);
	atomic_store(&dev->lu->write_cache, v->wce && !dev->lu->durable);
}

void scsi_modes_reset_locked(struct scsi_device *dev)
{
	struct scsi_mode_values v = dev->modes->saved;

	/* What was promised to be durable stays so: nobody flushes for a reset. */
	v.wce = atomic_load(&dev->lu->write_cache);
	scsi_modes_apply_locked(dev, &v);
}

/* ---- over a restart ---- */

json_t *scsi_modes_describe(struct scsi_device *dev)
{
	const struct scsi_mode_values *v = &dev->modes->staged;

	return json_pack("{s:b, s:b, s:b, s:b}", "wce", v->wce, "d_sense", v->d_sense, "swp",
			 v->swp, "tas", v->tas);
}

static int modes_load(struct scsi_device *dev, struct error *err)
{
	const json_t *section = state_section(dev->state, SCSI_MODE_SECTION);
	int wce, d_sense, swp, tas;

	if (!section)
		return 0;
	if (json_unpack((json_t *)section, "{s:b, s:b, s:b, s:b}", "wce", &wce, "d_sense", &d_sense,
			"swp", &swp, "tas", &tas))
		return error_set(err, EINVAL,
				 "the state's section '" SCSI_MODE_SECTION
				 "' is not one that this program writes");
	/* A disk that was given a cache once may have none now. */
	dev->modes->saved = (struct scsi_mode_values){
		.wce = wce && !dev->lu->durable, .d_sense = d_sense, .swp = swp, .tas = tas};
	scsi_modes_apply_locked(dev, &dev->modes->saved);
	return 0;
}

int scsi_modes_open(struct scsi_device *dev, struct error *err)
{
	dev->modes = calloc(1, sizeof(*dev->modes));
	if (!dev->modes)
		return error_set(err, ENOMEM, "out of memory");
	modes_default(dev, &dev->modes->saved);
	dev->modes->current = dev->modes->saved;
	return dev->state ? modes_load(dev, err) : 0;
}

void scsi_modes_close(struct scsi_device *dev)
{
	free(dev->modes);
}
