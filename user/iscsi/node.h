/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the files of the iSCSI target share of nodes and targets; nobody else includes it. */
#ifndef STGT_ISCSI_NODE_H
#define STGT_ISCSI_NODE_H

#include "iscsi/iscsi.h"
#include "iscsi/text.h"
#include "stgt/wire/iscsi.h"
#include <pthread.h>

struct iscsi_node {
	pthread_mutex_t lock; /* for all that follows, and for what of the targets says so */
	struct list targets;
	struct list sessions; /* of all workers */
	struct iscsi_auth discovery_auth;
	uint16_t last_tsih;
	uint64_t last_nexus;
};

struct iscsi_target {
	struct iscsi_node *node;
	struct list link; /* in the node's; node's lock */
	char name[ISCSI_NAME_MAX + 1];
	char alias[ISCSI_NAME_MAX + 1];
	struct iscsi_settings settings;
	/* Behind the node's lock. */
	struct iscsi_port *ports;
	unsigned int nports;
	struct iscsi_portal *portals;
	unsigned int nportals;
	struct iscsi_access access;
	char redirect[ISCSI_PORTAL_MAX + 8];
	bool redirect_permanent;
};

/* Who a session is, to find it by: an I_T nexus, and one of our numbers. */
struct iscsi_session_id {
	struct list link; /* in the node's */
	struct iscsi_worker *worker;
	const struct iscsi_target *target; /* NULL: discovery, which nobody joins or replaces */
	char initiator[ISCSI_NAME_MAX + 1];
	uint8_t isid[ISCSI_ISID];
	uint16_t group;
	uint16_t tsih;
	uint64_t nexus;
};

/* The same I_T nexus. */
bool iscsi_session_same(const struct iscsi_session_id *a, const struct iscsi_session_id *b);

/* What a login needs to know of a target, as it is at that moment. */
struct iscsi_admission {
	struct iscsi_target *target;
	struct scsi_target *scsi; /* the portal group's port */
	struct scsi_lun_mask mask;
	struct iscsi_auth auth;
	char redirect[ISCSI_PORTAL_MAX + 8];
};

/* An enum iscsi_login_status; any thread. */
uint16_t iscsi_node_admit(struct iscsi_node *node, const char *target, const char *initiator,
			  uint16_t group, struct iscsi_admission *admission);
void iscsi_node_discovery_auth(struct iscsi_node *node, struct iscsi_auth *auth);

/*
 * Registers a session and gives it its TSIH and nexus number; or -EEXIST, and *there is the worker
 * of the session that has its place, or -ENOSPC.
 */
int iscsi_node_register(struct iscsi_node *node, struct iscsi_session_id *id,
			struct iscsi_worker **there);
void iscsi_node_unregister(struct iscsi_node *node, struct iscsi_session_id *id);
/* The worker of the session that such a connection may join, or NULL. */
struct iscsi_worker *iscsi_node_find(struct iscsi_node *node, const struct iscsi_session_id *id);

/*
 * Appends what SendTargets answers (RFC 7143 appendix C): one target by name, or all that would
 * let the initiator in when `name` is NULL. `local` takes the place of wildcard addresses.
 */
void iscsi_node_list(struct iscsi_node *node, const char *name, const char *initiator,
		     const char *local, struct iscsi_text *out);

#endif
