/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "blk/identity.h"
#include "base/cleanup.h"

#include <inttypes.h>
#include <string.h>

#define NAA_LOCAL (3ull << 60)

/* FNV-1a, 64 bits; the terminating NUL is part of the text, so that two texts never run together.
 */
static uint64_t identity_hash(uint64_t hash, const char *text)
{
	do {
		hash ^= (uint8_t)*text;
		hash *= 0x100000001b3ull;
	} while (*text++);
	return hash;
}

/* Machines without an id are told apart by nothing. */
static void identity_machine(char id[64])
{
	_cleanup_fclose_ FILE *f = fopen("/etc/machine-id", "re");

	if (!f || !fgets(id, 64, f))
		id[0] = '\0';
	id[strcspn(id, "\n")] = '\0';
}

void disk_identity_init(struct disk *disk, const char *what)
{
	uint64_t hash = 0xcbf29ce484222325ull;
	char machine[64];

	identity_machine(machine);
	hash = identity_hash(identity_hash(hash, machine), what);
	if (disk->ordinal) {
		char text[16];

		snprintf(text, sizeof(text), "%u", disk->ordinal);
		hash = identity_hash(hash, text);
	}
	if (disk->spec.serial[0])
		memcpy(disk->serial, disk->spec.serial, sizeof(disk->serial));
	else
		snprintf(disk->serial, sizeof(disk->serial), "%016" PRIx64, hash);
	disk->wwn = disk->spec.wwn ? disk->spec.wwn : NAA_LOCAL | hash >> 4;
}
