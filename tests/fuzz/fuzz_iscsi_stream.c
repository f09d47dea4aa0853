/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Any bytes at all to a connection in the full feature phase. The input's first byte says in which
 * pieces they come, the rest is the stream. What comes back are whole PDUs, and nothing leaks.
 */
#include "iscsi_rig.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define LONGEST 65536u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct iscsi_rig *rig = calloc(1, sizeof(*rig));
	struct host_conn c;
	struct host_pdu pdu;

	if (!rig)
		abort();
	iscsi_rig_open(rig, &(struct iscsi_rig_config){});
	host_connect(rig, &c, 0);
	host_login(&c, NULL);
	if (size) {
		c.piece = data[0];
		host_send_bytes(&c, data + 1, size - 1 < LONGEST ? size - 1 : LONGEST);
		iscsi_rig_sleep(rig, 20000000000ull);
		while (host_receive(&c, &pdu))
			if (!(pdu.bhs[0] & 0x20))
				abort();
	}
	host_disconnect(&c);
	iscsi_rig_close(rig);
	free(rig);
	return 0;
}
