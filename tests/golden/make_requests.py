#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Writes the golden tests' inputs: tests/golden/CASE.in.pcap, one frame every millisecond.

test_aoe_golden replays each against a fresh port that serves
    7.1         to everybody
    7.2         to 02:00:00:00:00:0a, and read-only to 02:00:00:00:00:0b
    5:7.1       on VLAN 5
    100.5:7.1   on VLAN 5 within VLAN 100
from 1 MiB memory disks at MTU 9000, and compares what the port sends with CASE.out.pcap.

After a change that is meant to alter a reply: run this script if the requests changed, then
`build/tests/golden/test_aoe_golden --update`, and review what became of the answers with
`git diff --stat` and `tshark -V -r CASE.out.pcap` before committing them.
"""

import struct
from pathlib import Path

HERE = Path(__file__).resolve().parent
TARGET = bytes.fromhex("020000000001")
A = bytes.fromhex("02000000000a")
B = bytes.fromhex("02000000000b")
STRANGER = bytes.fromhex("0200000000ee")
BROADCAST = b"\xff" * 6

ATA, CONFIG, MASK, RESERVE = 0, 1, 2, 3
READ28, READ48, WRITE28, WRITE48 = 0x20, 0x24, 0x30, 0x34
WRITE_FLAG, ASYNC, DEVICE, LBA48 = 0x01, 0x02, 0x10, 0x40


class Case:
    """One input file; tags count up so that every answer names its question."""

    def __init__(self, name):
        self.path = HERE / f"{name}.in.pcap"
        self.records = []
        self.tag = 0xC0DE0000

    def frame(self, command, body=b"", *, dst=TARGET, src=A, shelf=7, slot=1, tags=(),
              flags=0x10, pad=True, cut=None):
        """`tags` are (TPID, TCI) pairs, outermost first; `cut` truncates the frame."""
        l2 = dst + src + b"".join(struct.pack(">HH", *tag) for tag in tags)
        data = l2 + struct.pack(">HBBHBBI", 0x88A2, flags, 0, shelf, slot, command, self.tag) + body
        if pad:
            data = data.ljust(60, b"\0")
        data = data[:cut]
        self.tag += 1
        stamp = len(self.records) + 1
        self.records.append(
            struct.pack("<IIII", 0, stamp * 1000, len(data), len(data)) + data)

    def ata(self, command, lba=0, count=0, data=b"", feature=0, aflags=0, **where):
        head = struct.pack("<BBBB", aflags, feature, count, command)
        self.frame(ATA, head + lba.to_bytes(6, "little") + b"\0\0" + data, **where)

    def config(self, subcommand, string=b"", length=None, **where):
        length = len(string) if length is None else length
        self.frame(CONFIG, struct.pack(">HHBBH", 0, 0, 0, 0x10 | subcommand, length) + string,
                   **where)

    def mask(self, command, directives=(), count=None, **where):
        count = len(directives) if count is None else count
        body = b"".join(struct.pack("BB", 0, what) + mac for what, mac in directives)
        self.frame(MASK, struct.pack("BBBB", 0, command, 0, count) + body, **where)

    def reserve(self, command, macs=(), count=None, **where):
        count = len(macs) if count is None else count
        self.frame(RESERVE, struct.pack("BB", command, count) + b"".join(macs), **where)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        head = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 16384, 1)
        self.path.write_bytes(head + b"".join(self.records))


def pattern(seed, sectors):
    return bytes((seed + i * 7 + i // 512) & 0xFF for i in range(512 * sectors))


def everywhere(**where):
    return {"dst": BROADCAST, "shelf": 0xFFFF, "slot": 0xFF, **where}


with Case("discovery") as c:
    c.config(0, **everywhere())
    c.config(0, **everywhere(pad=False))  # the 32 bytes that Linux sends
    c.config(0, dst=BROADCAST, shelf=7, slot=0xFF)
    c.config(0, dst=BROADCAST, shelf=0xFFFF, slot=2)
    c.config(0, slot=1)
    c.config(0, slot=3)
    c.config(0, shelf=8)
    c.config(0, **everywhere(src=B))
    c.config(0, **everywhere(src=STRANGER))

with Case("identify") as c:
    c.ata(0xEC, lba=0xA0000000, count=1)
    c.ata(0xEC, count=1, slot=2)
    c.ata(0xEC, count=1, **everywhere())
    c.ata(0xEC, count=1, data=bytes(4096))  # aoe-sancheck pads its frames

with Case("read-write") as c:
    c.ata(WRITE48, lba=100, count=2, data=pattern(1, 2), aflags=LBA48 | WRITE_FLAG)
    c.ata(READ48, lba=100, count=2, aflags=LBA48)
    c.ata(READ48, lba=99, count=1, aflags=LBA48)
    c.ata(WRITE28, lba=0xE0000010, count=1, data=pattern(2, 1), aflags=WRITE_FLAG)
    c.ata(READ28, lba=0xE0000010, count=1)
    c.ata(WRITE48, lba=2032, count=16, data=pattern(3, 16), aflags=LBA48 | WRITE_FLAG | ASYNC)
    c.ata(READ48, lba=2032, count=16, aflags=LBA48)
    c.ata(READ28, lba=0, count=1, data=pattern(4, 1))  # Linux probes a path like this
    c.ata(0xCA, lba=5, count=1, data=pattern(5, 1), aflags=WRITE_FLAG)
    c.ata(0xC8, lba=5, count=1)
    c.ata(0x06, feature=1, count=1, aflags=WRITE_FLAG,
          data=struct.pack("<Q", 100 | 2 << 48).ljust(512, b"\0"))
    c.ata(READ48, lba=100, count=2, aflags=LBA48)

with Case("ata-other") as c:
    c.ata(0xE7)
    c.ata(0xEA, aflags=LBA48)
    c.ata(0xE5)
    c.ata(0xE0)
    c.ata(0xE5)
    c.ata(0xE1)
    c.ata(0xF8)
    c.ata(0x27, aflags=LBA48)
    c.ata(0x40, lba=0, count=8)
    c.ata(0x40, lba=2047, count=2)
    c.ata(0xEF, feature=0x02)
    c.ata(0xEF, feature=0x82)
    c.ata(0xEF, feature=0x77)
    c.ata(0xB0, feature=0xD8, lba=0xC24F00)
    c.ata(0xB0, feature=0xDA, lba=0xC24F00)
    c.ata(0xB0, feature=0xDA, lba=0)
    c.ata(0x00)
    c.ata(0xFF)

with Case("bounds") as c:
    for lba in (2047, 2048, 1 << 28, 1 << 31, (1 << 48) - 1):
        c.ata(READ48, lba=lba, count=1, aflags=LBA48)
        c.ata(WRITE48, lba=lba, count=1, data=pattern(6, 1), aflags=LBA48 | WRITE_FLAG)
    c.ata(READ48, lba=2047, count=2, aflags=LBA48)
    for count in (0, 17, 255):
        c.ata(READ48, count=count, aflags=LBA48)
        c.ata(WRITE48, count=count, data=pattern(7, 16), aflags=LBA48 | WRITE_FLAG)
    c.ata(WRITE48, count=2, data=pattern(8, 1), aflags=LBA48 | WRITE_FLAG)
    c.ata(WRITE48, count=1, aflags=LBA48 | WRITE_FLAG)
    c.ata(WRITE48, count=1, data=pattern(9, 1), aflags=LBA48 | WRITE_FLAG, **everywhere())
    c.ata(READ48, count=1, aflags=LBA48)

with Case("config") as c:
    c.config(0, length=1024, pad=False)
    c.config(3, b"mine")
    c.config(0, b"\xed" * 1024)
    c.config(3, b"mine")
    c.config(3, b"yours")
    c.config(1, b"mine")
    c.config(1, b"min")
    c.config(2, b"min")
    c.config(2, b"")
    c.config(2, b"mined")
    c.config(4, b"yours")
    c.config(0)
    c.config(4, b"x" * 1024)
    c.config(4, b"x" * 1025)
    c.config(4, b"abc", length=100)
    c.config(5)
    c.config(15)
    c.config(4, b"")
    c.config(3, b"ro", src=B, slot=2)
    c.config(0, **everywhere())

with Case("mask") as c:
    c.mask(0)
    c.mask(1, [(1, A), (1, B), (0, STRANGER), (1, A)])
    c.mask(0)
    c.config(0, src=STRANGER)
    c.mask(1, [(1, STRANGER)], src=STRANGER)
    c.config(0, src=B)
    c.mask(1, [(2, B), (7, A), (1, STRANGER)])
    c.config(0, src=B)
    c.mask(1, [(1, BROADCAST)])
    c.mask(1, [(1, B)], count=20)
    c.mask(2)
    c.mask(1, [(2, A)])
    c.config(0, src=B)

with Case("reserve") as c:
    c.reserve(0)
    c.reserve(1, [A])
    c.ata(READ28, count=1)
    c.ata(READ28, count=1, src=B)
    c.ata(0xEC, count=1, src=B)
    c.config(0, src=B)
    c.reserve(1, [B], src=B)
    c.reserve(0, src=B)
    c.reserve(2, [B, STRANGER], src=B)
    c.ata(READ28, count=1)
    c.reserve(1, [], src=STRANGER)
    c.ata(READ28, count=1)
    c.reserve(1, [A], count=50)
    c.reserve(3)

with Case("errors") as c:
    c.config(0, flags=0x20)
    c.config(0, flags=0x00)
    c.config(0, **everywhere(flags=0x20))
    c.config(0, flags=0x18)
    for command in (4, 0x7F, 0xF0, 0xFF):
        c.frame(command)
    c.config(0, src=BROADCAST)
    c.config(0, src=bytes(6))
    c.config(0, dst=B)
    for cut in (13, 14, 23):
        c.config(0, cut=cut)
    c.ata(0xEC, cut=35)
    c.config(0, cut=31)
    c.mask(0, cut=27)
    c.reserve(0, cut=25)
    c.config(0, slot=2, src=STRANGER)
    c.config(0, slot=2, src=STRANGER, flags=0x20)
    c.ata(WRITE28, count=1, data=pattern(1, 1), slot=2, src=B, aflags=WRITE_FLAG)
    c.ata(READ28, count=1, slot=2, src=B)

with Case("vlan") as c:
    q, ad = 0x8100, 0x88A8
    for tags in ([], [(q, 5)], [(ad, 5)], [(q, 0xA005)], [(q, 0)], [(q, 0xE000)], [(q, 6)],
                 [(ad, 100), (q, 5)], [(q, 100), (q, 5)], [(ad, 0x6064), (q, 0x4005)],
                 [(ad, 5), (q, 100)], [(q, 100)], [(q, 0), (q, 5)], [(q, 5), (q, 0)],
                 [(q, 1), (q, 2), (q, 5)]):
        c.config(0, **everywhere(tags=tags))
    c.ata(WRITE48, lba=1, count=16, data=pattern(5, 16), aflags=LBA48 | WRITE_FLAG, tags=[(q, 5)])
    c.ata(READ48, lba=1, count=1, aflags=LBA48, tags=[(q, 5)])
    c.ata(READ48, lba=1, count=1, aflags=LBA48)
    c.ata(READ48, lba=1, count=1, aflags=LBA48, tags=[(ad, 100), (q, 5)])
