/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "xdp/steer_maps.h"
#include "base/cleanup.h"
#include "xdp/pins.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

int steer_maps_open(const char *name, struct steer_maps *maps, struct error *err)
{
	const struct {
		const char *entry;
		int *fd;
	} pins[] = {
		{"port", &maps->port},
		{"exports", &maps->exports},
		{"acl", &maps->acl},
		{"counters", &maps->counters},
		{"initiators", &maps->initiators},
	};
	struct stgt_port port;
	unsigned int i;
	int rc = 0;

	*maps = (struct steer_maps){-1, -1, -1, -1, -1};
	for (i = 0; i < sizeof(pins) / sizeof(pins[0]); i++) {
		int fd = pins_get(name, pins[i].entry);

		if (fd < 0) {
			rc = error_set(err, -fd, "%s is not served: no " STGT_BPFFS "/%s/%s (%s)",
				       name, name, pins[i].entry, strerror(-fd));
			break;
		}
		*pins[i].fd = fd;
		/* Readers of another version must not read even the port past its version. */
		if (pins[i].fd == &maps->port && steer_port_read(maps, &port)) {
			rc = error_set(err, EPROTO,
				       "%s is served by another version of stgt-xdp than this",
				       name);
			break;
		}
	}
	if (rc)
		steer_maps_close(maps);
	return rc;
}

void steer_maps_close(struct steer_maps *maps)
{
	cleanup_close(&maps->port);
	cleanup_close(&maps->exports);
	cleanup_close(&maps->acl);
	cleanup_close(&maps->counters);
	cleanup_close(&maps->initiators);
}

int steer_maps_list(void (*found)(void *ctx, const char *name), void *ctx)
{
	struct dirent *entry;
	DIR *dir = opendir(STGT_BPFFS);

	if (!dir)
		return errno == ENOENT ? 0 : -errno;
	while ((entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			found(ctx, entry->d_name);
	closedir(dir);
	return 0;
}

static int value_size(int fd, size_t expected)
{
	struct bpf_map_info info = {};
	__u32 len = sizeof(info);

	if (bpf_obj_get_info_by_fd(fd, &info, &len) < 0)
		return -errno;
	return info.value_size == expected ? 0 : -EPROTO;
}

int steer_port_read(const struct steer_maps *maps, struct stgt_port *port)
{
	__u32 zero = 0;
	int rc = value_size(maps->port, sizeof(*port));

	if (rc)
		return rc;
	if (bpf_map_lookup_elem(maps->port, &zero, port) < 0)
		return -errno;
	return port->abi_version == STGT_ABI_VERSION ? 0 : -EPROTO;
}

int steer_counters_read(const struct steer_maps *maps,
			struct stgt_counter counters[STGT_PROTOS][STGT_VERDICTS])
{
	int cpus = libbpf_num_possible_cpus(), cpu;
	_cleanup_free_ struct stgt_counter *each = NULL;
	__u32 index;

	if (cpus < 0)
		return cpus;
	each = calloc((size_t)cpus, sizeof(*each));
	if (!each)
		return -ENOMEM;
	for (index = 0; index < STGT_PROTOS * STGT_VERDICTS; index++) {
		struct stgt_counter *sum = &counters[index / STGT_VERDICTS][index % STGT_VERDICTS];

		if (bpf_map_lookup_elem(maps->counters, &index, each) < 0)
			return -errno;
		memset(sum, 0, sizeof(*sum));
		for (cpu = 0; cpu < cpus; cpu++) {
			sum->frames += each[cpu].frames;
			sum->bytes += each[cpu].bytes;
		}
	}
	return 0;
}

const char *steer_verdict_name(enum stgt_verdict verdict)
{
	static const char *const names[STGT_VERDICTS] = {
		[STGT_REDIRECT] = "redirect",	      [STGT_PASS_IDLE] = "pass-idle",
		[STGT_PASS_FOREIGN] = "pass-foreign", [STGT_PASS_SHORT] = "pass-short",
		[STGT_DROP_ACL] = "drop-acl",	      [STGT_DROP_FLOOD] = "drop-flood",
	};

	return names[verdict];
}

enum stgt_access steer_acl_lookup(const struct steer_maps *maps, const struct stgt_acl_key *key)
{
	struct stgt_acl_key any = *key;
	struct stgt_acl entry;

	if (bpf_map_lookup_elem(maps->acl, key, &entry) < 0) {
		memset(any.mac, 0xff, sizeof(any.mac));
		if (errno != ENOENT || bpf_map_lookup_elem(maps->acl, &any, &entry) < 0)
			return STGT_ACCESS_DENY;
	}
	/* Anybody may write to the map: what is no word of ours admits nobody to anything new. */
	return entry.access <= STGT_ACCESS_RW ? (enum stgt_access)entry.access : STGT_ACCESS_DENY;
}

#define WALK_BATCH 256u /* entries read with one system call */

/*
 * Calls `visit` for each entry of a hash. The kernel goes from bucket to bucket, and each is read
 * whole: what changes meanwhile does not make it begin again.
 */
struct walk {
	int fd;
	size_t key_size, value_size; /* the latter of all CPUs */
	void (*visit)(void *ctx, const void *key, const void *value);
	void *ctx;
};

static int walk_batches(const struct walk *walk, uint32_t room, char *keys, char *values)
{
	uint32_t at = 0, next = 0, count = room, i;
	bool begun = false;
	int ret;

	do {
		count = room;
		ret = bpf_map_lookup_batch(walk->fd, begun ? &at : NULL, &next, keys, values,
					   &count, NULL);
		if (ret && ret != -ENOENT)
			return ret;
		for (i = 0; i < count; i++)
			walk->visit(walk->ctx, keys + i * walk->key_size,
				    values + i * walk->value_size);
		begun = true;
		at = next;
	} while (!ret);
	return 0;
}

static int walk_over(const struct walk *walk)
{
	_cleanup_free_ char *keys = calloc(WALK_BATCH, walk->key_size);
	_cleanup_free_ char *values = calloc(WALK_BATCH, walk->value_size);

	return keys && values ? walk_batches(walk, WALK_BATCH, keys, values) : -ENOMEM;
}

struct exports_walk {
	void (*entry)(void *ctx, const struct stgt_export_key *key,
		      const struct stgt_export *value);
	void *ctx;
};

static void exports_visit(void *ctx, const void *key, const void *value)
{
	const struct exports_walk *walk = ctx;

	walk->entry(walk->ctx, key, value);
}

int steer_exports_each(const struct steer_maps *maps,
		       void (*entry)(void *ctx, const struct stgt_export_key *key,
				     const struct stgt_export *value),
		       void *ctx)
{
	struct exports_walk exports = {entry, ctx};
	const struct walk walk = {maps->exports, sizeof(struct stgt_export_key),
				  sizeof(struct stgt_export), exports_visit, &exports};

	return walk_over(&walk);
}

struct acl_walk {
	void (*entry)(void *ctx, const struct stgt_acl_key *key, const struct stgt_acl *value);
	void *ctx;
};

static void acl_visit(void *ctx, const void *key, const void *value)
{
	const struct acl_walk *walk = ctx;

	walk->entry(walk->ctx, key, value);
}

int steer_acl_get(const struct steer_maps *maps, const struct stgt_acl_key *key,
		  struct stgt_acl *value)
{
	return bpf_map_lookup_elem(maps->acl, key, value) < 0 ? -errno : 0;
}

int steer_acl_each(const struct steer_maps *maps,
		   void (*entry)(void *ctx, const struct stgt_acl_key *key,
				 const struct stgt_acl *value),
		   void *ctx)
{
	struct acl_walk acl = {entry, ctx};
	const struct walk walk = {maps->acl, sizeof(struct stgt_acl_key), sizeof(struct stgt_acl),
				  acl_visit, &acl};

	return walk_over(&walk);
}

struct initiators_walk {
	void (*entry)(void *ctx, const struct stgt_initiator_key *key,
		      const struct stgt_initiator *value);
	void *ctx;
	int cpus;
};

static void initiators_visit(void *ctx, const void *key, const void *value)
{
	const struct initiators_walk *walk = ctx;
	const struct stgt_initiator *each = value;
	struct stgt_initiator sum = {0};
	int cpu;

	for (cpu = 0; cpu < walk->cpus; cpu++) {
		sum.frames += each[cpu].frames;
		sum.bytes += each[cpu].bytes;
		sum.drops += each[cpu].drops;
		if (each[cpu].last_seen_ns > sum.last_seen_ns)
			sum.last_seen_ns = each[cpu].last_seen_ns;
	}
	walk->entry(walk->ctx, key, &sum);
}

int steer_initiators_each(const struct steer_maps *maps,
			  void (*entry)(void *ctx, const struct stgt_initiator_key *key,
					const struct stgt_initiator *value),
			  void *ctx)
{
	struct initiators_walk initiators = {entry, ctx, libbpf_num_possible_cpus()};
	const struct walk walk = {maps->initiators, sizeof(struct stgt_initiator_key),
				  (size_t)initiators.cpus * sizeof(struct stgt_initiator),
				  initiators_visit, &initiators};

	return initiators.cpus < 0 ? initiators.cpus : walk_over(&walk);
}
