/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The maps of stgt/abi.h. Keys and values are typed, so that bpftool dumps them field by field. */
#ifndef STGT_MAPS_BPF_H
#define STGT_MAPS_BPF_H

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct stgt_port);
} port SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, STGT_MAX_EXPORTS);
	__type(key, struct stgt_export_key);
	__type(value, struct stgt_export);
} exports SEC(".maps");

/* Not preallocated: most interfaces have a handful of the entries that there may be. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, STGT_MAX_ACL);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct stgt_acl_key);
	__type(value, struct stgt_acl);
} acl SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, STGT_PROTOS *STGT_VERDICTS);
	__type(key, __u32);
	__type(value, struct stgt_counter);
} counters SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_PERCPU_HASH);
	__uint(max_entries, STGT_MAX_INITIATORS);
	__type(key, struct stgt_initiator_key);
	__type(value, struct stgt_initiator);
} initiators SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_XSKMAP);
	__uint(max_entries, STGT_MAX_QUEUES);
	__type(key, __u32);
	__type(value, __u32);
} xsks SEC(".maps");

#endif
