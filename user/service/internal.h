/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The service's parts, for the files of this module only. */
#ifndef STGT_SERVICE_INTERNAL_H
#define STGT_SERVICE_INTERNAL_H

#include "control/control.h"
#include "service/service.h"

struct service {
	struct target *target;
	struct control_server *server;
	struct exporter *exporter; /* NULL: none */
	int signals;
	int watchdog; /* timer, or -1 */
	bool stop;    /* asked to */
	bool lost;    /* the last interface went away */

	/* The daemon's; NULL in others. */
	char *config_path;
	struct config *running;	     /* what was applied; see service_running() */
	bool serving;		     /* it has said that it is ready */
	uint64_t settle_until_ns;    /* while a change is made: how long it may wait for workers */
	bool undoing;		     /* then: it has failed, and what was done is undone */
	struct target_access *lists; /* then: those from before that differ from interface to
					interface, or NULL */
};

/* apply_steps.c: the export is no longer meant for the interface. */
void service_drop_interface(struct config_aoe *aoe, const char *name);
/* The interface is gone, for all exports. */
void service_note_no_interface(struct config *running, const char *name);
/* An interface was renamed: `ctx` is the service. */
void service_interface_renamed(void *ctx, const char *from, const char *to);
/*
 * By their kind: each does its step of the way to `config` and notes it in the running
 * configuration.
 */
extern int (*const service_steps[])(struct service *s, const struct config_step *step,
				    const struct config *config, struct error *err);

/* apply_iscsi.c: steps on the way to `config`, noted in the running configuration. */
int service_remove_target(struct service *s, const struct config_step *step,
			  const struct config *config, struct error *err);
int service_add_target(struct service *s, const struct config_step *step,
		       const struct config *config, struct error *err);
int service_remove_lun(struct service *s, const struct config_step *step,
		       const struct config *config, struct error *err);
int service_add_lun(struct service *s, const struct config_step *step, const struct config *config,
		    struct error *err);
int service_close_portals(struct service *s, const struct config_step *step,
			  const struct config *config, struct error *err);
int service_target_portals(struct service *s, const struct config_step *step,
			   const struct config *config, struct error *err);
int service_target_access(struct service *s, const struct config_step *step,
			  const struct config *config, struct error *err);
int service_set_alua(struct service *s, const struct config_step *step, const struct config *config,
		     struct error *err);
int service_discovery_chap(struct service *s, const struct config_step *step,
			   const struct config *config, struct error *err);

/* commands.c: what the control socket understands. */
extern const struct control_command service_commands[];
/* The document of status; the caller owns it. */
json_t *service_status(const struct service *service);

/* request.c: members of a request. NULL or -EINVAL, with `err` set, when one is not as it must be.
 */
const char *request_text(const json_t *request, const char *name, struct error *err);
/* One that may be missing: *text is NULL then. */
int request_optional_text(const json_t *request, const char *name, const char **text,
			  struct error *err);
const json_t *request_list(const json_t *request, const char *name, struct error *err);
/* A list that has nothing but texts in it. */
const json_t *request_texts(const json_t *request, const char *name, struct error *err);
/* 0 when it is missing; what does not fit is UINT_MAX, which config_check() refuses. */
int request_number(const json_t *request, const char *name, unsigned int *number,
		   struct error *err);

/* One that must be there, as a number or as text, `max` at most. */
int request_count(const json_t *request, const char *name, unsigned int max, unsigned int *number,
		  struct error *err);

/* Of an AoE export, in the member "address". 0 or -EINVAL. */
int request_address(const json_t *request, struct aoe_address *addr, struct error *err);

/* tuning.c: more of them. */
json_t *tuning_alua_set(void *ctx, const json_t *request, struct error *err);
json_t *tuning_limit_set(void *ctx, const json_t *request, struct error *err);
json_t *tuning_limit_clear(void *ctx, const json_t *request, struct error *err);
json_t *tuning_fault_add(void *ctx, const json_t *request, struct error *err);
json_t *tuning_fault_clear(void *ctx, const json_t *request, struct error *err);

/* service.c: brings the running configuration up to date with what was changed past it: access
 * lists in the maps, exports enabled, disks grown, limits, port groups. NULL: out of memory, or no
 * daemon.
 */
struct config *service_running(struct service *service);

/*
 * Whether portals and the exporter may be given addresses that no interface has yet: at a daemon's
 * start, as interfaces get theirs late, and to have back what there was. Where somebody looks at
 * what comes of a change it would hide a mistake.
 */
bool service_addresses_may_come(const struct service *service);

/* watchdog.c */
int watchdog_open(struct error *err); /* a descriptor, or -1 when systemd does not watch */
/* Tells systemd that every worker answers; when one does not, it never returns. */
void watchdog_pat(int fd, struct target *target);
/* For as long as `patient`: one step may keep the control thread for ten minutes. */
void watchdog_be_patient(bool patient);

/* taps.c: who watches */
json_t *taps_capture(void *ctx, const json_t *request, struct error *err);
json_t *taps_trace_on(void *ctx, const json_t *request, struct error *err);
json_t *taps_trace_off(void *ctx, const json_t *request, struct error *err);

/* edit.c: live commands of the daemon, as changes to its configuration. NULL with `err` set. */
/* A copy to edit; NULL also when this process is no daemon. */
struct config *edit_begin(struct service *service, struct error *err);
/* Applies the copy unless the edit failed (`ret`), and frees it: the command's answer. */
json_t *edit_end(struct service *service, struct config *copy, int ret, struct error *err);
json_t *edit_iscsi_add(struct service *service, const json_t *request, struct error *err);
/* The target, or when the request names a LUN that one. */
json_t *edit_iscsi_remove(struct service *service, const char *name, const json_t *request,
			  struct error *err);
/* Allows or denies those on the list, in the words of the command line. */
json_t *edit_iscsi_access(struct service *service, const char *name, const char *list, bool deny,
			  struct error *err);
json_t *edit_attach(struct service *service, const json_t *request, struct error *err);
json_t *edit_detach(struct service *service, const char *interface, struct error *err);
json_t *edit_disk_add(struct service *service, const json_t *request, struct error *err);
json_t *edit_disk_remove(struct service *service, const json_t *request, struct error *err);
json_t *edit_export_add(struct service *service, const json_t *request, struct error *err);
json_t *edit_export_remove(struct service *service, const json_t *request, struct error *err);

#endif
