/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the files of the ATA device model share; nobody else includes it.
 *
 * An execute function runs on the command's thread and ends, now or later, in one ata_end().
 */
#ifndef STGT_ATA_DEVICE_H
#define STGT_ATA_DEVICE_H

#include "ata/ata.h"
#include <pthread.h>

#define ATA_CAPACITY_28	 0x0fffffffull
#define ATA_CAPACITY_48	 0xffffffffffffull
#define ATA_MULTIPLE_MAX 16u /* sectors, SET MULTIPLE MODE */
#define ATA_DSM_TRIM	 0x01u
#define ATA_TRIM_BLOCKS	 1u /* most blocks of TRIM ranges a command: what every frame carries */

enum ata_power {
	ATA_POWER_STANDBY = 0x00, /* as CHECK POWER MODE returns them */
	ATA_POWER_IDLE = 0x80,
	ATA_POWER_ACTIVE = 0xff,
};

/* SMART logs (ACS-3 A.1), by address; the last are the host's own */
#define ATA_LOG_DIRECTORY     0x00u
#define ATA_LOG_SUMMARY_ERROR 0x01u
#define ATA_LOG_SELF_TEST     0x06u
#define ATA_HOST_LOG	      0x80u
#define ATA_HOST_LOGS	      32u
#define ATA_HOST_LOG_PAGES    16u
#define ATA_LOG_PAGE	      512u

/* Saved over a restart, together with the host logs. */
struct ata_settings {
	bool smart;
	bool autosave;
	uint32_t logs_written; /* a bit for each host log */
};

#define ATA_SELF_TESTS 21u /* as many as the log holds */

struct ata_self_test {
	uint8_t test;	/* subcommand of EXECUTE OFF-LINE IMMEDIATE */
	uint8_t result; /* 0, or 7: the read failed */
	uint16_t hours;
	uint64_t lba; /* of the failure */
};

struct ata_device {
	struct lu *lu;
	struct state *state;
	uint64_t opened_ns; /* as clock_now_ns() */

	atomic_bool smart; /* settings.smart, for reading without the lock */
	atomic_bool read_ahead;
	atomic_uint transfer_mode; /* SET FEATURES 03h's count */
	atomic_uint multiple;	   /* sectors; 0: READ and WRITE MULTIPLE are off */
	atomic_uint power;	   /* enum ata_power */
	_Atomic uint64_t read_errors;

	pthread_mutex_t lock; /* for what follows */
	struct ata_settings settings;
	uint8_t (*host_logs)[ATA_HOST_LOG_PAGES * ATA_LOG_PAGE];
	struct ata_self_test self_tests[ATA_SELF_TESTS];
	unsigned int nself_tests; /* ever run */
	bool changing;		  /* the staged settings are being saved */
	struct list changes;	  /* commands that wait to change settings */

	/* Of the one command that changes settings now; read and written without the lock. */
	struct ata_settings staged;
	uint8_t staged_log[ATA_HOST_LOG_PAGES * ATA_LOG_PAGE];
	int staged_index; /* of the host log that changes, or -1 */
};

enum ata_flags {
	ATA_EXT = 1 << 0,      /* 48-bit address, 16-bit count */
	ATA_WRITES = 1 << 1,   /* see ata_command_writes() */
	ATA_MEDIUM = 1 << 2,   /* leaves idle and standby */
	ATA_FUA = 1 << 3,      /* durable whatever the write cache says */
	ATA_MULTIPLE = 1 << 4, /* aborts until SET MULTIPLE MODE */
};

struct ata_command {
	void (*execute)(struct ata_device *dev, struct command *cmd, unsigned int flags);
	unsigned int flags; /* enum ata_flags */
};

static inline struct ata_device *ata_device_of(struct command *cmd)
{
	return cmd->model.device;
}

/* ata.c: the ways a command ends. */
void ata_end(struct command *cmd, uint8_t status, uint8_t error);
void ata_ok(struct command *cmd);
void ata_abort(struct command *cmd);
void ata_end_io(struct command *cmd, enum blk_status status);
void ata_return_data(struct command *cmd, const void *data, uint32_t len);

/* medium.c */
struct ata_extent {
	uint64_t lba;
	uint32_t sectors;
};

/* What the registers name, 0 sectors included. */
struct ata_extent ata_extent(const struct ata_taskfile *tf, unsigned int flags);
/* The number of sectors that a command of this width can reach. */
uint64_t ata_capacity(const struct ata_device *dev, unsigned int flags);
void ata_read(struct ata_device *dev, struct command *cmd, unsigned int flags);
void ata_write(struct ata_device *dev, struct command *cmd, unsigned int flags);
void ata_flush(struct ata_device *dev, struct command *cmd, unsigned int flags);
/* `done` of a request that changed the medium: ends the command, durably as the cache is set. */
void ata_change_done(struct blk_io *io);
/* `done` of a flush for the initiator, and what it is to be told: see lu_flush_ended(). */
void ata_flush_done(struct blk_io *io);
enum blk_status ata_flush_status(struct command *cmd);
/* Submits a FLUSH for a command that does something more in `done`. */
void ata_flush_submit(struct command *cmd, void (*done)(struct blk_io *io));

/* trim.c */
void ata_data_set_management(struct ata_device *dev, struct command *cmd, unsigned int flags);

/* pieces.c: commands of several block requests */
void ata_read_verify(struct ata_device *dev, struct command *cmd, unsigned int flags);
/* Calls `submit` for one request after the other, then `finish`: see struct command_model. */
void ata_pieces_start(struct command *cmd, bool (*submit)(struct command *cmd),
		      void (*finish)(struct command *cmd));
/* Memory in data_in for reads of up to `sectors` that nobody is sent; false: there is none. */
bool ata_pieces_place(struct command *cmd, uint64_t sectors);
/* To be called by `submit`: reads up to `sectors` there; returns how many. */
uint32_t ata_pieces_read(struct command *cmd, uint64_t lba, uint64_t sectors);

/* features.c */
void ata_set_features(struct ata_device *dev, struct command *cmd, unsigned int flags);
bool ata_set_features_writes(uint8_t feature);
void ata_set_multiple(struct ata_device *dev, struct command *cmd, unsigned int flags);
void ata_check_power_mode(struct ata_device *dev, struct command *cmd, unsigned int flags);
void ata_idle(struct ata_device *dev, struct command *cmd, unsigned int flags);
void ata_standby(struct ata_device *dev, struct command *cmd, unsigned int flags);
void ata_read_native_max(struct ata_device *dev, struct command *cmd, unsigned int flags);

/* identify.c */
void ata_identify_device(struct ata_device *dev, struct command *cmd, unsigned int flags);

/* smart.c */
void ata_smart(struct ata_device *dev, struct command *cmd, unsigned int flags);
bool ata_smart_writes(uint8_t feature);

/* smart_data.c: 512-byte structures with their checksums */
void ata_smart_data(struct ata_device *dev, uint8_t out[ATA_LOG_PAGE]);
void ata_smart_thresholds(uint8_t out[ATA_LOG_PAGE]);
void ata_smart_directory(uint8_t out[ATA_LOG_PAGE]);
void ata_smart_error_log(uint8_t out[ATA_LOG_PAGE]);
void ata_smart_self_test_log(struct ata_device *dev, uint8_t out[ATA_LOG_PAGE]);
uint16_t ata_power_on_hours(const struct ata_device *dev);

/* self_test.c */
void ata_self_test(struct ata_device *dev, struct command *cmd);

/*
 * settings.c: what survives a restart. A change waits for its turn, calls ata_smart_stage() to
 * apply the command to `staged`, saves, makes it current, and ends the command.
 */
int ata_settings_load(struct ata_device *dev, struct error *err);
void ata_settings_change(struct ata_device *dev, struct command *cmd);
void ata_smart_stage(struct ata_device *dev, struct command *cmd);

#endif
