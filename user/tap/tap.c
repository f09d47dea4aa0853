/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The serving process's end of a tap. */
#include "tap/tap.h"

#include "tap/layout.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#define RING_SIZE_MIN (16u << 10)

struct tap_ring {
	struct tap_ring_head *head;
	uint8_t *data;
	uint32_t size;
	uint64_t produced, reserved;
};

struct tap {
	struct tap_layout *layout;
	size_t size;
	struct tap_ring rings[];
};

/* Memory that shrinks under us would be our end (SIGBUS). Its size, or negative errno. */
static int64_t check_memory(int fd, struct error *err)
{
	struct statfs fs;
	struct stat st;
	int seals = fcntl(fd, F_GET_SEALS);

	if (seals < 0 || !(seals & F_SEAL_SHRINK) || fstatfs(fd, &fs) || fs.f_type != TMPFS_MAGIC ||
	    fstat(fd, &st))
		return error_set(err, EINVAL,
				 "a tap takes a memfd that is sealed against shrinking");
	if (st.st_size < TAP_PAGE || st.st_size > (off_t)TAP_SIZE_MAX)
		return error_set(err, EINVAL, "a tap takes at most %u bytes of memory",
				 TAP_SIZE_MAX);
	return st.st_size;
}

static uint32_t ring_size(size_t size, unsigned int rings)
{
	uint32_t ring = RING_SIZE_MIN;

	if (tap_ring_offset(rings, ring) > size)
		return 0;
	while (tap_ring_offset(rings, ring * 2) <= size)
		ring *= 2;
	return ring;
}

static void open_rings(struct tap *tap, unsigned int rings, uint32_t size)
{
	for (unsigned int i = 0; i < rings; i++) {
		uint8_t *at = (uint8_t *)tap->layout + tap_ring_offset(i, size);

		tap->rings[i] = (struct tap_ring){
			.head = (struct tap_ring_head *)at,
			.data = at + TAP_PAGE,
			.size = size,
		};
		memset(at, 0, sizeof(struct tap_ring_head));
	}
	tap->layout->rings = rings;
	tap->layout->ring_size = size;
	atomic_store_explicit(&tap->layout->ended, 0, memory_order_release);
}

int tap_open(int fd, unsigned int rings, struct tap **out, struct error *err)
{
	int64_t size = check_memory(fd, err);
	uint32_t ring;
	struct tap *tap;

	if (size < 0)
		return (int)size;
	ring = ring_size((size_t)size, rings);
	if (!ring)
		return error_set(err, ENOSPC, "too little memory for %u rings", rings);
	tap = calloc(1, sizeof(*tap) + rings * sizeof(tap->rings[0]));
	if (!tap)
		return error_set(err, ENOMEM, "out of memory");
	tap->size = (size_t)size;
	tap->layout =
		mmap(NULL, tap->size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);
	if (tap->layout == MAP_FAILED) {
		int ret = error_set(err, errno, "cannot map a tap's memory: %s", strerror(errno));

		free(tap);
		return ret;
	}
	if (tap->layout->magic != TAP_MAGIC) {
		tap_close(tap);
		return error_set(err, EPROTO, "the two programs are of different versions");
	}
	open_rings(tap, rings, ring);
	*out = tap;
	return 0;
}

void tap_close(struct tap *tap)
{
	munmap(tap->layout, tap->size);
	free(tap);
}

void tap_end(struct tap *tap)
{
	atomic_store_explicit(&tap->layout->ended, 1, memory_order_release);
}

struct tap_ring *tap_ring(struct tap *tap, unsigned int i)
{
	return &tap->rings[i];
}

static void put_head(struct tap_ring *ring, uint64_t ns, uint32_t len)
{
	const struct tap_record_head head = {.ns = ns, .len = len};

	memcpy(ring->data + (ring->produced & (ring->size - 1)), &head, sizeof(head));
}

void *tap_reserve(struct tap_ring *ring, uint64_t ns, uint32_t len)
{
	uint64_t need = tap_record_size(len), skip = 0, used;
	uint32_t to_end = ring->size - (uint32_t)(ring->produced & (ring->size - 1));

	if (need > to_end)
		skip = to_end;
	used = ring->produced - atomic_load_explicit(&ring->head->consumed, memory_order_acquire);
	if (used > ring->size || need + skip > ring->size - used) {
		atomic_fetch_add_explicit(&ring->head->lost, 1, memory_order_relaxed);
		return NULL;
	}
	if (skip) {
		put_head(ring, ns, TAP_SKIP);
		ring->produced += skip;
	}
	put_head(ring, ns, len);
	ring->reserved = need;
	return ring->data + (ring->produced & (ring->size - 1)) + sizeof(struct tap_record_head);
}

void tap_commit(struct tap_ring *ring)
{
	ring->produced += ring->reserved;
	atomic_store_explicit(&ring->head->produced, ring->produced, memory_order_release);
}
