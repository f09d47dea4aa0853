# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A SCSI initiator over iSCSI that waits for each answer."""

import iscsi_wire


class Scsi(iscsi_wire.Initiator):
    def run(self, cdb, data=b"", expected=0, flags=0):
        """(status, data); `sense` is what came with the status"""
        itt = self.command(cdb, data=data, expected=len(data) or expected,
                           flags=flags | (iscsi_wire.WRITE if data else 0))
        got = b""
        while True:
            pdu = self.receive()
            if pdu.opcode == iscsi_wire.DATA_IN:
                got += pdu.data
                if not pdu.bhs[1] & 1:
                    continue
            assert pdu.itt == itt, pdu.bhs.hex()
            self.sense = pdu.data[2:] if pdu.opcode == iscsi_wire.RESPONSE else b""
            return pdu.bhs[3], got

    def read_blocks(self, lba, blocks, size=512):
        status, data = self.run(iscsi_wire.read_10(lba, blocks), expected=blocks * size,
                                flags=iscsi_wire.READ)
        assert status == 0
        return data

    def write_blocks(self, lba, data, size=512):
        assert self.run(iscsi_wire.write_10(lba, len(data) // size), data)[0] == 0
