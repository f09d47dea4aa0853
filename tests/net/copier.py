# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""EXTENDED COPY as an initiator sends it."""

import struct

import iscsi_wire as iscsi


class Copier:
    """An initiator that has units copy to each other."""

    def __init__(self, host, luns):
        self.host = host
        self.names = [self.designator(lun) for lun in range(luns)]

    def designator(self, lun):
        """The unit's NAA designator, as page 83h has it."""
        itt = self.host.command(bytes([0x12, 1, 0x83, 4, 0, 0]), expected=1024, flags=iscsi.READ, lun=lun)
        page, at = self.host.expect(iscsi.DATA_IN, itt).data, 4
        while at < len(page):
            if page[at + 1] & 0x3f == 3:
                return page[at:at + 4 + page[at + 3]]
            at += 4 + page[at + 3]
        raise AssertionError(page.hex())

    def start(self, *segments):
        """Segments are (from, LBA, to, LBA, blocks); returns the ITT."""
        cscds = b"".join((b"\xe4\0\0\0" + name).ljust(32, b"\0") for name in self.names)
        parts = b"".join(struct.pack(">BBHHHHHQQ", 2, 0, 24, source, target, 0, blocks, a, b)
                         for source, a, target, b, blocks in segments)
        data = struct.pack(">BBHIII", 0, 0x18, len(cscds), 0, len(parts), 0) + cscds + parts
        cdb = struct.pack(">BBQIBB", 0x83, 0, 0, len(data), 0, 0)
        return self.host.command(cdb, expected=len(data), flags=iscsi.WRITE, data=data)

    def copy(self, *segments):
        return self.host.expect(iscsi.RESPONSE, self.start(*segments))

    def read(self, lun, lba, blocks):
        itt, data = self.host.read(lba, blocks, lun=lun), b""
        while True:
            pdu = self.host.expect(iscsi.DATA_IN, itt)
            data += pdu.data
            if pdu.flags & 1:
                return data
