/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The memory that both ends of a tap see, for the two files that are those ends. */
#ifndef STGT_TAP_LAYOUT_H
#define STGT_TAP_LAYOUT_H

#include <stdatomic.h>
#include <stdint.h>

#define TAP_MAGIC 0x73747032u /* changes with anything below, or with what records are */
#define TAP_PAGE  4096u

/* The first page. Of each ring, one page is its head; its bytes follow. */
struct tap_layout {
	uint32_t magic; /* the watcher's; all else is the serving process's */
	uint32_t rings;
	uint32_t ring_size; /* bytes, a power of two */
	_Atomic uint32_t ended;
};

struct tap_ring_head {
	_Atomic uint64_t produced; /* bytes since the beginning */
	_Atomic uint64_t lost;
	_Alignas(64) _Atomic uint64_t consumed; /* the watcher's */
};

/* Records are a multiple of it, so a head always fits before the ring's end. */
#define TAP_ALIGN 16u
#define TAP_SKIP  UINT32_MAX /* as the length: go on at the ring's beginning */

struct tap_record_head {
	uint64_t ns;
	uint32_t len;
	uint32_t reserved;
};

_Static_assert(sizeof(struct tap_record_head) == TAP_ALIGN, "a head is a unit");

static inline uint64_t tap_record_size(uint32_t len)
{
	return sizeof(struct tap_record_head) +
	       (((uint64_t)len + TAP_ALIGN - 1) & ~(uint64_t)(TAP_ALIGN - 1));
}

static inline uint64_t tap_ring_offset(uint32_t ring, uint32_t ring_size)
{
	return TAP_PAGE + (uint64_t)ring * (TAP_PAGE + (uint64_t)ring_size);
}

#endif
