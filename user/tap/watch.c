/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The watcher's end of a tap. */
#include "tap/tap.h"

#include "base/cleanup.h"
#include "tap/layout.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

struct tap_watch {
	int fd;
	size_t size;
	struct tap_layout *layout;
};

int tap_watch_open(size_t size, struct tap_watch **out, struct error *err)
{
	_cleanup_close_ int fd = memfd_create("stgt-xdp-tap", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	struct tap_watch *watch = calloc(1, sizeof(*watch));
	void *map = MAP_FAILED;

	if (watch && fd >= 0 && !ftruncate(fd, (off_t)size) &&
	    !fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW))
		map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);
	if (map == MAP_FAILED) {
		int ret = error_set(err, errno, "cannot make memory to share: %s", strerror(errno));

		free(watch);
		return ret;
	}
	watch->fd = cleanup_steal_fd(&fd);
	watch->size = size;
	watch->layout = map;
	watch->layout->magic = TAP_MAGIC;
	*out = watch;
	return 0;
}

void tap_watch_close(struct tap_watch *watch)
{
	munmap(watch->layout, watch->size);
	close(watch->fd);
	free(watch);
}

int tap_watch_fd(const struct tap_watch *watch)
{
	return watch->fd;
}

/* The rings, checked at every use, as another process can write there. 0: nothing sensible. */
static unsigned int watch_rings(const struct tap_watch *watch, uint32_t *ring_size)
{
	const volatile struct tap_layout *layout = watch->layout;
	uint32_t rings = layout->rings, size = layout->ring_size;

	*ring_size = size;
	if (!rings || rings > watch->size / TAP_PAGE || size < TAP_ALIGN || size & (size - 1) ||
	    tap_ring_offset(rings, size) > watch->size)
		return 0;
	return rings;
}

static struct tap_ring_head *ring_head(const struct tap_watch *watch, uint32_t ring, uint32_t size)
{
	return (struct tap_ring_head *)((uint8_t *)watch->layout + tap_ring_offset(ring, size));
}

static void consume(struct tap_ring_head *head, uint64_t bytes)
{
	uint64_t consumed = atomic_load_explicit(&head->consumed, memory_order_relaxed);

	atomic_store_explicit(&head->consumed, consumed + bytes, memory_order_release);
}

/* The oldest record of one ring, as tap_watch_next() says. */
static int ring_next(struct tap_ring_head *head, uint32_t size, struct tap_record *record)
{
	const uint8_t *data = (const uint8_t *)head + TAP_PAGE;

	for (;;) {
		uint64_t consumed = atomic_load_explicit(&head->consumed, memory_order_relaxed);
		uint64_t there =
			atomic_load_explicit(&head->produced, memory_order_acquire) - consumed;
		uint32_t at = (uint32_t)(consumed & (size - 1));
		struct tap_record_head found;

		if (!there)
			return 0;
		if (there > size || there < TAP_ALIGN || at % TAP_ALIGN)
			return -EPROTO;
		memcpy(&found, data + at, sizeof(found));
		if (found.len == TAP_SKIP && there >= size - at) {
			consume(head, size - at);
			continue;
		}
		if (tap_record_size(found.len) > there || tap_record_size(found.len) > size - at)
			return -EPROTO;
		record->ns = found.ns;
		record->len = found.len;
		record->data = data + at + sizeof(found);
		return 1;
	}
}

int tap_watch_next(struct tap_watch *watch, struct tap_record *record)
{
	uint32_t size, rings = watch_rings(watch, &size);
	int found = 0;

	if (!rings)
		return -EPROTO;
	for (uint32_t i = 0; i < rings; i++) {
		struct tap_record one = {.ring = i};
		int ret = ring_next(ring_head(watch, i, size), size, &one);

		if (ret < 0)
			return ret;
		if (!ret || (found && record->ns <= one.ns))
			continue;
		*record = one;
		found = 1;
	}
	return found;
}

void tap_watch_done(struct tap_watch *watch, const struct tap_record *record)
{
	uint32_t size;

	if (record->ring < watch_rings(watch, &size))
		consume(ring_head(watch, record->ring, size), tap_record_size(record->len));
}

bool tap_watch_ended(const struct tap_watch *watch)
{
	return atomic_load_explicit(&watch->layout->ended, memory_order_acquire);
}

uint64_t tap_watch_lost(const struct tap_watch *watch)
{
	uint32_t size, rings = watch_rings(watch, &size);
	uint64_t lost = 0;

	for (uint32_t i = 0; i < rings; i++)
		lost += atomic_load_explicit(&ring_head(watch, i, size)->lost,
					     memory_order_relaxed);
	return lost;
}
