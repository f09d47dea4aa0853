/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a read of 1 KiB costs in the AoE engine, without network: a port, a prealloc'ed RAM disk and
 * a sink that does nothing, driven as a worker drives them. A veth pair's own cost varies by more
 * than what is to be told apart here.
 *
 * usage: aoe_engine SECONDS DISK-MIB; prints the ns a request.
 */
#include "aoe_rig.h"
#include "ata/taskfile.h"
#include "base/clock.h"

#include <endian.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OUTSTANDING 32u
#define TURN	    8u	  /* frames; the other requests' replies are with the sink */
#define REQUESTS    1024u /* what a worker of an interface's only queue has */
#define SECTORS	    2u	  /* of a request */
#define SECTOR	    512u
#define TURNS	    1000u /* between two looks at the clock that ends it all */

struct engine {
	struct rig rig;
	struct rig_frame request;
	uint32_t tag_at, lba_at; /* in the request */
	uint32_t tag;
	uint64_t random;
	uint64_t places; /* on the disk */
	struct tx *sent[OUTSTANDING];
	unsigned int first, nsent;
};

/* ---- the sink ---- */

static void engine_send(struct sink *sink, struct tx *tx)
{
	struct engine *engine = container_of(sink, struct engine, rig.sink);

	if (engine->nsent == OUTSTANDING)
		abort();
	arena_run_sent(&engine->rig.arena, tx->run, tx);
	engine->sent[(engine->first + engine->nsent++) % OUTSTANDING] = tx;
}

static void engine_complete(struct engine *engine, unsigned int left)
{
	while (engine->nsent > left) {
		struct tx *tx = engine->sent[engine->first];
		void *owner;

		engine->first = (engine->first + 1) % OUTSTANDING;
		engine->nsent--;
		if (!arena_run_completed(&engine->rig.arena, tx->run, &owner) || owner != tx)
			abort();
		tx->done(tx);
	}
}

/* ---- the requests ---- */

static uint64_t engine_random(struct engine *engine)
{
	engine->random ^= engine->random << 13;
	engine->random ^= engine->random >> 7;
	engine->random ^= engine->random << 17;
	return engine->random;
}

static void engine_receive(struct engine *engine)
{
	uint64_t lba = htole64(engine_random(engine) % engine->places * SECTORS);
	uint32_t tag = htobe32(engine->tag++);

	memcpy(engine->request.data + engine->tag_at, &tag, sizeof(tag));
	memcpy(engine->request.data + engine->lba_at, &lba, 6);
	if (rig_rx(&engine->rig, &engine->request))
		abort();
}

/* As worker_turn(). */
static void engine_turn(struct engine *engine)
{
	engine_complete(engine, OUTSTANDING - TURN);
	engine->rig.now = clock_now_ns();
	for (unsigned int i = 0; i < TURN; i++)
		engine_receive(engine);
	if (aoe_port_unstamped(engine->rig.port))
		aoe_port_stamp(engine->rig.port, clock_now_ns());
}

static void engine_open(struct engine *engine, unsigned int mib)
{
	static const struct sink_ops ops = {.send = engine_send};
	const struct rig_ata read = {
		.command = ATA_READ_SECTORS_EXT, .count = SECTORS, .aflags = AOE_ATA_LBA48};
	char disk[64];

	snprintf(disk, sizeof(disk), "ram:%uM,prealloc", mib);
	rig_open(&engine->rig, &(struct rig_config){.requests = REQUESTS,
						    .rx_frames = 4 * REQUESTS,
						    .keep_tx = true,
						    .disk = disk});
	rig_export(&engine->rig, "7.1", "any", NULL);
	engine->rig.sink.ops = &ops;
	engine->random = clock_now_ns() | 1;
	engine->places = ((uint64_t)mib << 20) / SECTOR / SECTORS;
	rig_eth(&engine->request, rig_mac, rig_host, 0);
	engine->tag_at = engine->request.len + (uint32_t)offsetof(struct wire_aoe, tag);
	rig_aoe(&engine->request, 7, 1, AOE_CMD_ATA, 0);
	engine->lba_at = engine->request.len + (uint32_t)offsetof(struct wire_aoe_ata, lba);
	rig_ata(&engine->request, &read);
}

/* What this thread ran, in ns: others may want the CPU, too. */
static uint64_t engine_ran(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * CLOCK_NS_PER_S + (uint64_t)ts.tv_nsec;
}

int main(int argc, char **argv)
{
	struct engine *engine = calloc(1, sizeof(*engine));
	double ns = argc == 3 ? strtod(argv[1], NULL) * CLOCK_NS_PER_S : 0;
	unsigned long mib = argc == 3 ? strtoul(argv[2], NULL, 10) : 0;
	uint64_t begin, ran, turns = 0;

	if (!engine || ns <= 0 || !mib || mib > 65536) {
		fprintf(stderr, "usage: aoe_engine SECONDS DISK-MIB\n");
		return 2;
	}
	engine_open(engine, (unsigned int)mib);
	begin = engine_ran();
	do {
		for (unsigned int i = 0; i < TURNS; i++)
			engine_turn(engine);
		turns += TURNS;
		ran = engine_ran() - begin;
	} while ((double)ran < ns);
	printf("%.2f\n", (double)ran / (double)(turns * TURN));
	engine_complete(engine, 0);
	rig_close(&engine->rig);
	free(engine);
	return 0;
}
