/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The AoE target (AoEr11): exports, shared by all workers, and ports, one per worker.
 *
 * A port is a pure state machine: frames come in through aoe_port_rx(), leave through the sink, and
 * time is a parameter. It makes no system call and never blocks.
 */
#ifndef STGT_AOE_H
#define STGT_AOE_H

#include "aoe/fault.h"
#include "aoe/limit.h"
#include "arena/sink.h"
#include "ata/ata.h"
#include "base/mailbox.h"
#include "lu/op_stats.h"
#include "state/state.h"
#include "stgt/abi.h"

/* An address as users write it: [[OUTER.]VLAN:]SHELF.SLOT */
struct aoe_address {
	uint32_t vlan; /* as in struct stgt_class */
	uint16_t shelf;
	uint8_t slot;
};

/* -EINVAL, with what is wrong, for anything but a usable address (0..65534 except 4095, 0..254). */
int aoe_address_parse(const char *text, struct aoe_address *addr, struct error *err);
#define AOE_ADDRESS_TEXT 32
void aoe_address_format(const struct aoe_address *addr, char text[AOE_ADDRESS_TEXT]);
bool aoe_address_equal(const struct aoe_address *a, const struct aoe_address *b);

/*
 * Who may use an export, sorted by MAC. The entry with the all-ones MAC stands for everybody not
 * listed.
 */
struct aoe_acl_entry {
	uint8_t mac[6];
	enum stgt_access access;
};

struct aoe_acl {
	struct aoe_acl_entry *entries;
	unsigned int count;
};

/*
 * Parses a comma separated list of MACs and `any`, each read-write or with its suffix `/ro`, `/rw`
 * (`:ro`, `:rw` are taken too) or `/deny`. -EINVAL names the word that is wrong or listed twice.
 */
int aoe_acl_parse(const char *text, struct aoe_acl *acl, struct error *err);
/* One entry as aoe_acl_parse() reads it: "any/ro", "02:00:00:00:00:01". True for `any`. */
#define AOE_ACL_ENTRY_TEXT 24
bool aoe_acl_entry_format(const struct aoe_acl_entry *entry, char text[AOE_ACL_ENTRY_TEXT]);
/* A sorted copy, for aoe_acl_fini(). 0 or -ENOMEM. */
int aoe_acl_copy(const struct aoe_acl *from, struct aoe_acl *to);
void aoe_acl_fini(struct aoe_acl *acl);
bool aoe_acl_equal(const struct aoe_acl *a, const struct aoe_acl *b);
/* STGT_ACCESS_DENY when neither the MAC nor everybody is listed. */
enum stgt_access aoe_acl_lookup(const struct aoe_acl *acl, const uint8_t mac[6]);

/*
 * Where a port asks who may use an export: the access lists live in the XDP program's maps, which
 * anybody with the right may change. Called on the port's thread.
 */
struct aoe_access_source {
	enum stgt_access (*lookup)(void *ctx, const struct aoe_address *addr, const uint8_t mac[6]);
	void *ctx;
};

/* One address served: disk, configuration string, mask and reserve lists. */
struct aoe_export;

/*
 * Takes over nothing: `lu`, `ata` and `state` must outlive the export. Reads the configuration
 * string and the lists from the state's section "aoe". Control thread.
 */
int aoe_export_open(const struct aoe_address *addr, struct lu *lu, struct ata_device *ata,
		    struct state *state, struct aoe_export **export, struct error *err);
void aoe_export_close(struct aoe_export *export);
const struct aoe_address *aoe_export_address(const struct aoe_export *export);
struct lu *aoe_export_lu(struct aoe_export *export);

/* A copy of what AoE commands set, for status. Any thread. */
struct aoe_export_settings {
	uint8_t config[AOE_CONFIG_MAX];
	unsigned int config_len;
	unsigned int masks, reserves;
};
void aoe_export_settings(struct aoe_export *export, struct aoe_export_settings *out);

/* The rules by which the export's answers are spoiled on purpose (fault.h). Any thread. */
struct aoe_faults *aoe_export_faults(struct aoe_export *export);

/* Why a frame was not executed as asked. Names by aoe_reason_name(), for stats. */
enum aoe_reason {
	AOE_IGNORED_SHORT,	     /* header truncated: silence */
	AOE_IGNORED_RESPONSE,	     /* R flag set: silence */
	AOE_IGNORED_ADDRESS,	     /* no export of ours, or another station's frame: silence */
	AOE_IGNORED_SOURCE,	     /* sender is a group address or zero: silence */
	AOE_IGNORED_ACCESS,	     /* sender not on the export's access list: silence */
	AOE_IGNORED_MASKED,	     /* sender not on the export's MAC mask list: silence */
	AOE_IGNORED_BROADCAST_WRITE, /* a write to a wildcard address: silence */
	AOE_IGNORED_CONFIG_TEST,     /* configuration test failed: silence */
	AOE_IGNORED_BUSY,     /* no memory for one of several replies: silence, retransmitted */
	AOE_IGNORED_SHARE,    /* sender has too many replies that wait (delay.h): silence */
	AOE_REFUSED_VERSION,  /* error 5 */
	AOE_REFUSED_COMMAND,  /* error 1 */
	AOE_REFUSED_ARGUMENT, /* error 2 */
	AOE_REFUSED_CONFIG_PRESENT, /* error 4 */
	AOE_REFUSED_RESERVED,	    /* error 6 */
	AOE_REFUSED_UNAVAILABLE,    /* error 3: state could not be saved */
	AOE_REFUSED_READ_ONLY,	    /* error 3: settings changed by a read-only initiator */
	AOE_REFUSED_DIRECTIVE,	    /* a mask list directive failed: said in MError */
	AOE_ABORTED_COUNT,	    /* ATA abort: sector count 0 or over the advertised */
	AOE_ABORTED_DATA,	    /* ATA abort: less data than the command needs */
	AOE_ABORTED_READ_ONLY, /* ATA abort: a change by a read-only initiator or to a ro disk */
	AOE_FAULT_DELAYED,     /* injected (fault.h): executed, answered later */
	AOE_FAULT_FAILED,      /* injected: not executed, ATA error */
	AOE_FAULT_DROPPED,     /* injected: not executed, silence */
	AOE_REASONS,
};
const char *aoe_reason_name(enum aoe_reason reason);

/* Counters of one export on one port. */
struct aoe_export_stats {
	uint64_t reads, read_bytes;
	uint64_t writes, write_bytes;
	uint64_t flushes;
	uint64_t other;	      /* ATA commands that are none of the above */
	uint64_t queries;     /* configuration, mask and reserve commands */
	uint64_t ata_errors;  /* replies with ERR set */
	uint64_t retransmits; /* writes answered by the execution of an identical one in flight */
};

/* Counters of one initiator (MAC and VLAN) on one port. */
struct aoe_initiator_stats {
	uint8_t mac[6];
	uint32_t vlan;
	uint64_t requests;
	uint64_t read_bytes, write_bytes;
	uint64_t errors;      /* replies with an ATA or AoE error */
	uint64_t retransmits; /* see struct aoe_export_stats */
	uint64_t last_seen_ns;
};

enum aoe_pair_who {
	AOE_PAIR_INITIATOR,
	AOE_PAIR_OTHERS, /* those that the port had no room to keep apart */
	AOE_PAIR_SILENT, /* those that were silent for so long that others took their room */
};

/* Counters of one initiator, or several, with one export on one port. */
struct aoe_pair_stats {
	struct aoe_export *export;
	enum aoe_pair_who who;
	uint8_t mac[6];			/* of AOE_PAIR_INITIATOR */
	struct lu_op_stats ops[LU_OPS]; /* enum ata_class is numbered likewise */
};

struct aoe_port_stats {
	uint64_t rx_frames, tx_frames;
	uint64_t announcements;
	uint64_t announcements_lost; /* no request was free */
	uint64_t reasons[AOE_REASONS];
};

struct aoe_port;

struct aoe_port_config {
	struct sink *sink;	 /* and its arena: a run a request */
	struct blk_queue *queue; /* of the same arena */
	struct mailbox *mailbox; /* of the port's thread, for saves; NULL with synchronous states */
	struct aoe_access_source access;
	unsigned int requests; /* most in flight: at most the arena's runs */
	uint8_t mac[6];
	unsigned int mtu;
	bool multi_buffer; /* frames may span several arena frames in both directions */
};

/* 0 or negative errno. Everything below is for the port's thread once it is running. */
int aoe_port_open(const struct aoe_port_config *config, struct aoe_port **port, struct error *err);
/* Only when aoe_port_inflight() is 0. */
void aoe_port_close(struct aoe_port *port);
unsigned int aoe_port_inflight(const struct aoe_port *port);

/* Serves `export` on this port; -EEXIST when its address is taken. The export outlives the port. */
int aoe_port_add(struct aoe_port *port, struct aoe_export *export);

/*
 * Stops serving `export`: its frames are nobody's from now on. What is in flight ends as always;
 * once all is answered (answers may still wait for the link), the port has forgotten the export,
 * and the owner of `mailbox` runs gone(ctx). -ENOENT: it is not served here, and nothing will run.
 */
int aoe_port_remove(struct aoe_port *port, const struct aoe_export *export, struct mailbox *mailbox,
		    void (*gone)(void *ctx), void *ctx);

/*
 * One received frame, on which the caller holds a reference. 0: done with (answered, ignored or
 * executing; the port took references on what it still needs). -EAGAIN: no request is free, nothing
 * was done; offer the same frame again after a request was released.
 */
int aoe_port_rx(struct aoe_port *port, const struct frame_view *view, uint64_t now_ns);

/*
 * Replies may have to wait, for a rate limit (limit.h) or an injected fault (fault.h). The time at
 * which the next one is due; AOE_NOTHING_DUE when none waits.
 */
#define AOE_NOTHING_DUE UINT64_MAX
uint64_t aoe_port_next_due(const struct aoe_port *port);
/* Sends what is due by `now_ns` (UINT64_MAX: all that waits); false when there was nothing. */
bool aoe_port_run_due(struct aoe_port *port, uint64_t now_ns);

/*
 * The limiter's MAC (mac_any: every one that has no limiter) is held to its limit on this port from
 * now on. It is borrowed. -EEXIST: the MAC
 * has one here, -ENOMEM.
 */
int aoe_port_add_limiter(struct aoe_port *port, struct aoe_limiter *limiter);
/* No longer: what waited for it is sent at once. Not there is fine. */
void aoe_port_remove_limiter(struct aoe_port *port, struct aoe_limiter *limiter);
/* The MAC's limit has changed: what waits for the old one is sent at once. */
void aoe_port_release_limited(struct aoe_port *port, const uint8_t mac[6]);
/* The export's faults were cleared: what waits for one of them is sent at once. */
void aoe_port_release_faulty(struct aoe_port *port, const struct aoe_export *export);

/*
 * The export's access list is another one: it holds from now on, and answers that wait for somebody
 * whom it does not admit are not sent. What was changed without this call holds a moment later.
 */
void aoe_port_access_changed(struct aoe_port *port, const struct aoe_export *export);

/* Broadcasts a configuration response for every export: at start, after a resize or MTU change. */
void aoe_port_announce(struct aoe_port *port);
void aoe_port_announce_export(struct aoe_port *port, const struct aoe_export *export);
void aoe_port_set_mtu(struct aoe_port *port, unsigned int mtu);
/* The source of every frame from now on. */
void aoe_port_set_mac(struct aoe_port *port, const uint8_t mac[6]);

/* What is advertised for untagged exports. */
unsigned int aoe_port_sectors(const struct aoe_port *port);
unsigned int aoe_port_buffers(const struct aoe_port *port);

const struct aoe_port_stats *aoe_port_stats(const struct aoe_port *port);
/* Of the i-th export added, or NULL past the last. */
const struct aoe_export_stats *aoe_port_export_stats(const struct aoe_port *port, unsigned int i,
						     struct aoe_export **export);

unsigned int aoe_port_exports(const struct aoe_port *port);

/* Of the i-th initiator remembered, in no particular order, or NULL past the last. */
const struct aoe_initiator_stats *aoe_port_initiator(const struct aoe_port *port, unsigned int i);
unsigned int aoe_port_initiators(const struct aoe_port *port);

/*
 * Copies what is known of at most `max` pairs, and returns of how many; none is left out if `max`
 * is aoe_port_pairs_max(). AOE_PAIR_OTHERS of each export, in the order of
 * aoe_port_export_stats(), come first. The sum over an export only grows.
 */
unsigned int aoe_port_pairs(const struct aoe_port *port, struct aoe_pair_stats *out,
			    unsigned int max);
unsigned int aoe_port_pairs_max(const struct aoe_port *port);

/*
 * The time at which the replies since the last call left, for their latencies: to be called when
 * there are unstamped ones, before the sink's frames go out.
 */
void aoe_port_stamp(struct aoe_port *port, uint64_t now_ns);
bool aoe_port_unstamped(const struct aoe_port *port);

#endif
