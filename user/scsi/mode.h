/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Mode pages (SPC-5 7.5, SBC-4 6.5): what the files that read and set them share. */
#ifndef STGT_SCSI_MODE_H
#define STGT_SCSI_MODE_H

#include "scsi/device.h"

#define SCSI_MODE_PAGE_MAX 64u /* bytes of a page */

/* What can be set. */
struct scsi_mode_values {
	bool wce;     /* Caching: a volatile write cache */
	bool d_sense; /* Control: sense data in descriptor format */
	bool swp;     /* Control: write protected */
	bool tas;     /* Control: those whose tasks others abort are told */
};

/* Behind the unit's lock, but for what the one command whose turn it is stages. */
struct scsi_modes {
	struct scsi_mode_values current; /* wce is the logical unit's */
	struct scsi_mode_values saved;	 /* what a reset comes back to */
	struct scsi_mode_values staged;
};

struct scsi_mode_page {
	uint8_t code, subpage;
	uint8_t len; /* all of it */
	void (*put)(const struct scsi_device *dev, const struct scsi_mode_values *v, uint8_t *out);
	void (*take)(const uint8_t *in, struct scsi_mode_values *v); /* NULL: nothing can be set */
	void (*mask)(const struct scsi_device *dev, uint8_t *out);   /* bits that can be */
	bool (*there)(const struct scsi_device *dev);		     /* NULL: in every unit */
};

extern const struct scsi_mode_page scsi_mode_pages[];
extern const unsigned int scsi_nmode_pages;
bool scsi_mode_page_there(const struct scsi_device *dev, const struct scsi_mode_page *page);

/* MODE SENSE's page control. */
enum scsi_mode_control {
	SCSI_MODE_CURRENT = 0,
	SCSI_MODE_CHANGEABLE = 1,
	SCSI_MODE_DEFAULT = 2,
	SCSI_MODE_SAVED = 3,
};

/* The current values; takes the unit's lock. */
void scsi_modes_get(struct scsi_device *dev, struct scsi_mode_values *v);
/* A page with its header; the values are ignored where what can be changed is asked for. */
void scsi_mode_page_fill(struct scsi_device *dev, const struct scsi_mode_page *page,
			 bool changeable, const struct scsi_mode_values *v, uint8_t *out);
/* The values of what is not current, nor what can be changed. */
void scsi_modes_other(struct scsi_device *dev, enum scsi_mode_control control,
		      struct scsi_mode_values *v);
/* Makes values valid, in the unit and in its copies for looking at. The unit's lock is held. */
void scsi_modes_apply_locked(struct scsi_device *dev, const struct scsi_mode_values *v);
json_t *scsi_modes_describe(struct scsi_device *dev);

#define SCSI_MODE_SECTION "scsi_modes" /* of the unit's state */

#endif
