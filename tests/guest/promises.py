#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Runs in the guest: initiators, and the notes of what they were told.

    promises.py write STORY     serves the disks, sends each of them every kind of command that changes it, and
                                after each promise puts a mark into the log of the device below; STORY gets a
                                line of JSON for each answer, which says what was promised
    promises.py read CONTENT    serves them again; CONTENT gets what they hold and what they remember
"""

import fcntl
import itertools
import json
import socket
import struct
import sys
from contextlib import closing, contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "net"))

import aoe  # noqa: E402
import iscsi_wire as iscsi  # noqa: E402
from daemon import Daemon  # noqa: E402
from lab import Lab, inside, pattern, sector  # noqa: E402
from powercut import DISKS, FOLDER, SECTOR, SECTORS, digests  # noqa: E402

WRITE_6, WRITE_10, WRITE_12, WRITE_16 = 0x0a, 0x2a, 0xaa, 0x8a
WRITE_AND_VERIFY_10, WRITE_AND_VERIFY_16 = 0x2e, 0x8e
COMPARE_AND_WRITE, WRITE_ATOMIC, ORWRITE = 0x89, 0x9c, 0x8b
WRITE_SAME_10, WRITE_SAME_16 = 0x41, 0x93
SYNCHRONIZE_CACHE_10, SYNCHRONIZE_CACHE_16 = 0x35, 0x91
NAMES = {WRITE_6: "WRITE(6)", WRITE_10: "WRITE(10)", WRITE_12: "WRITE(12)", WRITE_16: "WRITE(16)",
         WRITE_AND_VERIFY_10: "WRITE AND VERIFY(10)", WRITE_AND_VERIFY_16: "WRITE AND VERIFY(16)",
         COMPARE_AND_WRITE: "COMPARE AND WRITE", WRITE_ATOMIC: "WRITE ATOMIC", ORWRITE: "ORWRITE"}
FUA, IMMED, SAVE_PAGES, UNMAP, NO_DATA = 0x08, 0x02, 0x01, 0x08, 0x01
INQUIRY, MODE_SENSE, MODE_SELECT, START_STOP = 0x12, 0x1a, 0x15, 0x1b
RESERVE_IN, RESERVE_OUT, EXTENDED_COPY, SANITIZE, READ_16 = 0x5e, 0x5f, 0x83, 0x48, 0x88
CACHING_LEN, WCE, PAGE_SAVEABLE = 20, 0x04, 0x80
WRITE_EXCLUSIVE_REGISTRANTS = 5
UNIT_ATTENTION = 6
WRITE_FUA_EXT, DATA_SET_MANAGEMENT, TRIM = 0x3d, 0x06, 1
PHYSICAL = 8  # sectors of a physical block
DM_TARGET_MSG, DM_HEAD = 0xc138fd0e, 312  # of linux/dm-ioctl.h


def cdb(opcode, lba, blocks, flags=0):
    """Of a command that names blocks: the opcode says how long it is."""
    if opcode < 0x20:
        return struct.pack(">BBHBB", opcode, lba >> 16, lba & 0xffff, blocks, 0)
    if opcode < 0x60:
        return struct.pack(">BBIBHB", opcode, flags, lba, 0, blocks, 0)
    return struct.pack(">BBIIBB" if opcode >= 0xa0 else ">BBQIBB", opcode, flags, lba, blocks, 0, 0)


class Service:
    """The program with all disks, and who uses them."""

    def __init__(self, lab):
        self.lab = lab
        self.storage, fabric = lab.netns("storage"), lab.netns("fabric")
        port, nic = lab.veth(self.storage, fabric)
        disks = [{"name": disk.name, **disk.words} for disk in DISKS]
        everyone = {"allow": ["any"]}
        self.daemon = Daemon(lab, self.storage, {
            "disks": disks,
            "interfaces": [{"name": port}],
            "aoe": [{"interface": port, "address": f"7.{disk.lun}", "disk": disk.name, **everyone}
                    for disk in DISKS],
            "iscsi": [{"name": iscsi.IQN, "portals": [f"127.0.0.1:{iscsi.PORT}"], **everyone,
                       "luns": [{"lun": disk.lun, "disk": disk.name} for disk in DISKS]}],
        }, state=Path(FOLDER) / "state")
        mac = lab.mac(self.storage, port)
        self.aoe = {disk.name: aoe.AoeClient(lab, fabric, nic, mac, slot=disk.lun) for disk in DISKS}
        self.hosts = [self.host(number) for number in (1, 2)]

    def host(self, number):
        with inside(self.storage):
            sock = socket.create_connection(("127.0.0.1", iscsi.PORT))
        host = iscsi.Initiator(sock, f"iqn.2026-11.example:host{number}")
        self.lab.undo.callback(host.close)
        host.login()
        return host


class Story:
    """What was promised, in the order of the answers."""

    def __init__(self, path):
        self.file = path.open("w")
        self.control = open("/dev/mapper/control", "rb")
        self.marks = itertools.count()

    def mark(self, log):
        """What `dmsetup message LOG 0 mark NAME` does, without a process each time."""
        name = f"mark{next(self.marks)}"
        message = struct.pack("<Q", 0) + f"mark {name}\0".encode()
        head = struct.pack("<3I7IQ128s", 4, 0, 0, DM_HEAD + len(message), DM_HEAD, 0, 0, 0, 0, 0, 0,
                           log.encode())
        fcntl.ioctl(self.control, DM_TARGET_MSG, bytearray(head.ljust(DM_HEAD, b"\0") + message))
        return name

    def tell(self, log, what, mark=True, **step):
        step = {"disk": None, "lba": 0, "digests": [], "durable": False, "flush": False,
                "atomic": False, **step}
        print(json.dumps({"log": log, "mark": self.mark(log) if mark else None, "what": what, **step}),
              file=self.file, flush=True)


class Unit:
    """A disk with its initiators. Each step has its own place, the same one in each round."""

    def __init__(self, service, disk, story=None):
        self.disk, self.story = disk, story
        self.host, self.other = service.hosts
        self.aoe = service.aoe[disk.name]
        self.salts = itertools.count(1)
        self.content = bytearray(SECTORS * SECTOR)
        self.place = 0

    # ---- commands ----

    def command(self, command, data=b"", expected=0, host=None):
        """Data-in of a command that must be good, at the second time if there was a unit attention."""
        for _ in range(4):
            pdu, got = (host or self.host).execute(command, data, expected, self.disk.lun)
            if pdu.sense_key != UNIT_ATTENTION or pdu.status == iscsi.GOOD:
                break
        assert pdu.status == iscsi.GOOD, (command.hex(), pdu.status, pdu.data.hex())
        return got

    def caching_page(self):
        mode = self.command(bytes([MODE_SENSE, 8, 8, 0, 255, 0]), expected=255)
        return bytes([mode[4] & ~PAGE_SAVEABLE]) + mode[5:4 + CACHING_LEN]

    def caches(self):
        return bool(self.caching_page()[2] & WCE)

    def set_cache(self, on, save=False):
        page = bytearray(self.caching_page())
        page[2] = page[2] | WCE if on else page[2] & ~WCE
        flags = 0x10 | (SAVE_PAGES if save else 0)
        self.command(bytes([MODE_SELECT, flags, 0, 0, 4 + len(page), 0]), bytes(4) + page)
        assert self.caches() == on

    def reserve(self, action, key, new_key=0, kind=0):
        self.command(struct.pack(">BBB4xHB", RESERVE_OUT, action, kind, 24, 0),
                     struct.pack(">QQ4xB3x", key, new_key, 1))

    def keys(self):
        """The registered keys, and the reservation's type."""
        keys = self.command(struct.pack(">BB5xHB", RESERVE_IN, 0, 255, 0), expected=255)[8:]
        held = self.command(struct.pack(">BB5xHB", RESERVE_IN, 1, 255, 0), expected=255)[8:]
        return [key for key, in struct.iter_unpack(">Q", keys)], held[13] & 15 if held else None

    def read(self):
        piece = 512
        return b"".join(self.command(cdb(READ_16, lba, piece), expected=piece * SECTOR)
                        for lba in range(0, SECTORS, piece))

    def name(self):
        """A copy's descriptor of the unit, by its NAA designator."""
        page = self.command(bytes([INQUIRY, 1, 0x83, 0, 255, 0]), expected=255)
        at = 4
        while page[at + 1] & 0x3f != 3:
            at += 4 + page[at + 3]
        designator = page[at:at + 4 + page[at + 3]].ljust(24, b"\0")
        return bytes([0xe4, 0, 0, 0]) + designator + (SECTOR).to_bytes(4, "big")

    # ---- what was told ----

    def room(self, count):
        """A place for so many sectors that begins with a physical block."""
        lba = self.place
        self.place += -(-count // PHYSICAL) * PHYSICAL
        return lba

    def fresh(self, lba, count):
        return pattern(lba, count, next(self.salts))

    def holds(self, lba, count):
        return bytes(self.content[lba * SECTOR:(lba + count) * SECTOR])

    def promised(self, what, lba, data, durable=True, **more):
        self.content[lba * SECTOR:lba * SECTOR + len(data)] = data
        self.story.tell(self.disk.log, what, disk=self.disk.name, lba=lba, digests=digests(data),
                        durable=durable, mark=durable, **more)

    @contextmanager
    def flush(self, what):
        """What was written before is durable afterwards; a cut at the mark before would lose it."""
        self.story.tell(self.disk.log, f"before {what}")
        yield
        self.story.tell(self.disk.log, what, disk=self.disk.name, flush=True)

    def remembers(self, what, **kept):
        """The state directory is on the file system, whatever the disk is on."""
        self.story.tell("fs", what, disk=self.disk.name, kept=kept)

    def write(self, opcode, count, flags=0, lba=None, **promise):
        """Any of the commands that change `count` blocks; where they are."""
        lba = self.room(count) if lba is None else lba
        data, before = self.fresh(lba, count), self.holds(lba, count)
        self.command(cdb(opcode, lba, count, flags),
                     before + data if opcode == COMPARE_AND_WRITE else data)
        if opcode == ORWRITE:
            data = bytes(a | b for a, b in zip(before, data))
        self.promised(NAMES[opcode], lba, data, **promise)
        return lba

    def clear(self, opcode, flags, lba, count, **promise):
        """WRITE SAME of zeroes, or of one block."""
        block = b"" if flags & NO_DATA else sector(0, next(self.salts))
        self.command(cdb(opcode, lba, count, flags), block)
        self.promised("WRITE SAME", lba, (block or bytes(SECTOR)) * count, **promise)

    def unmap(self, lba, count, **promise):
        self.command(struct.pack(">BB5xHB", 0x42, 0, 24, 0),
                     struct.pack(">HH4xQI4x", 22, 16, lba, count))
        self.promised("UNMAP", lba, bytes(count * SECTOR), **promise)


# ---- the steps -----------------------------------------------------------------------------------


def change_a_block(unit, flags):
    """What must come whole or not at all, in one place."""
    lba = unit.write(WRITE_16, PHYSICAL, flags)
    unit.write(COMPARE_AND_WRITE, PHYSICAL, flags, lba, atomic=True)
    unit.write(WRITE_ATOMIC, PHYSICAL, flags, lba, atomic=True)
    unit.write(ORWRITE, PHYSICAL, flags, lba)


def write_through(unit):
    """There is no write cache."""
    unit.set_cache(False)
    unit.write(WRITE_6, 1)
    unit.write(WRITE_10, 3)
    unit.write(WRITE_12, PHYSICAL)
    lba = unit.write(WRITE_16, 600)
    change_a_block(unit, 0)
    unit.clear(WRITE_SAME_10, 0, lba, 24)
    unit.clear(WRITE_SAME_16, NO_DATA, lba + 48, 21)
    if unit.disk.file:
        unit.clear(WRITE_SAME_16, NO_DATA | UNMAP, lba + 96, 64)
        unit.unmap(lba + 200, 128)
    copy(unit, unit, lba + 400, 40)


def copy(unit, source, at, count):
    """From there in the unit `source`."""
    lba, names = unit.room(count), source.name() + unit.name()
    segment = struct.pack(">BBHHH2xHQQ", 2, 0, 24, 0, 1, count, at, lba)
    words = struct.pack(">BBH4xII", 0, 0x18, len(names), len(segment), 0) + names + segment
    unit.command(struct.pack(">BB8xIBB", EXTENDED_COPY, 0, len(words), 0, 0), words)
    unit.promised("EXTENDED COPY", lba, source.holds(at, count))


def forced(unit):
    """Commands that are durable though there is a write cache."""
    unit.set_cache(True)
    unit.write(WRITE_10, 5, FUA)
    unit.write(WRITE_12, 3, FUA)
    unit.write(WRITE_16, 300, FUA)
    unit.write(WRITE_AND_VERIFY_10, 7)
    unit.write(WRITE_AND_VERIFY_16, PHYSICAL)
    change_a_block(unit, FUA)


def cached(unit):
    """What is in the write cache until something flushes it."""
    lba = unit.write(WRITE_16, 300, durable=False)
    unit.write(WRITE_10, 3, durable=False)
    unit.write(COMPARE_AND_WRITE, 1, durable=False)
    unit.write(ORWRITE, 4, durable=False)
    with unit.flush("SYNCHRONIZE CACHE(10)"):
        unit.command(cdb(SYNCHRONIZE_CACHE_10, 0, 0))
    unit.clear(WRITE_SAME_10, 0, lba, 24, durable=False)
    unit.clear(WRITE_SAME_16, NO_DATA, lba + 48, 64, durable=False)
    if unit.disk.file:
        unit.unmap(lba + 128, 64, durable=False)
    with unit.flush("SYNCHRONIZE CACHE(16) of the range, IMMED"):
        unit.command(cdb(SYNCHRONIZE_CACHE_16, lba, 300, IMMED))
    unit.write(WRITE_10, 9, durable=False)
    with unit.flush("another initiator's SYNCHRONIZE CACHE"):
        unit.command(cdb(SYNCHRONIZE_CACHE_10, 0, 0), host=unit.other)
    unit.write(WRITE_10, 2, durable=False)
    with unit.flush("START STOP UNIT"):
        unit.command(bytes([START_STOP, 0, 0, 0, 0, 0]))
    unit.write(WRITE_10, 40, durable=False)
    with unit.flush("MODE SELECT that turns the cache off"):
        unit.set_cache(False, save=True)
    unit.remembers("MODE SELECT that saves", cache=False)


def over_aoe(unit):
    """Nothing but a flush of the network: writes are durable unless somebody says otherwise."""
    lba = unit.room(16)
    for at in (0, 2):
        data = unit.fresh(lba + at, 2)
        unit.aoe.write(lba + at, data)
        unit.promised("AoE WRITE", lba + at, data)
    data = unit.fresh(lba + PHYSICAL, 1)
    reply = unit.aoe.ata(WRITE_FUA_EXT, lba + PHYSICAL, 1, aflags=aoe.AFLAG_LBA48 | aoe.AFLAG_WRITE,
                         data=data)
    assert reply.ok, reply
    unit.promised("AoE WRITE FUA", lba + PHYSICAL, data)
    if unit.disk.file:
        trim(unit, unit.write(WRITE_10, 16), 16)
    unit.set_cache(True)
    unit.write(WRITE_10, 4, durable=False)
    with unit.flush("AoE FLUSH"):
        assert unit.aoe.ata(aoe.FLUSH_EXT, aflags=aoe.AFLAG_LBA48).ok


def trim(unit, lba, count):
    ranges = struct.pack("<Q", count << 48 | lba).ljust(SECTOR, b"\0")
    reply = unit.aoe.ata(DATA_SET_MANAGEMENT, count=1, feature=TRIM,
                         aflags=aoe.AFLAG_LBA48 | aoe.AFLAG_WRITE, data=ranges)
    assert reply.ok, reply
    unit.promised("AoE TRIM", lba, bytes(count * SECTOR))


def reserve(unit):
    """Reservations that are to outlive the power."""
    key = 0xa0 + unit.disk.lun
    unit.reserve(0, 0, key)
    unit.remembers("PERSISTENT RESERVE OUT, REGISTER", keys=[key])
    unit.reserve(1, key, kind=WRITE_EXCLUSIVE_REGISTRANTS)
    unit.remembers("PERSISTENT RESERVE OUT, RESERVE", keys=[key], type=WRITE_EXCLUSIVE_REGISTRANTS)


def sanitize(unit):
    block = sector(0, next(unit.salts))
    unit.command(struct.pack(">BB5xHB", SANITIZE, 1, 4 + SECTOR, 0),
                 struct.pack(">BBH", 1, 0, SECTOR) + block)
    unit.promised("SANITIZE, OVERWRITE", 0, block * SECTORS)


def erase_key(unit):
    """The key is on the medium before, and nowhere after; what was encrypted with it is promised no more."""
    key = Path(unit.disk.words["key_file"]).read_bytes().hex()
    unit.story.tell(unit.disk.log, "before SANITIZE, CRYPTO ERASE", bytes=[key, True])
    unit.command(bytes([SANITIZE, 3]) + bytes(8))
    unit.story.tell(unit.disk.log, "SANITIZE, CRYPTO ERASE", disk=unit.disk.name, bytes=[key, False],
                    erased=True)


def write_all(service, path):
    story = Story(path)
    for log in sorted({disk.log for disk in DISKS}):
        story.tell(log, "start")
    units = [Unit(service, disk, story) for disk in DISKS]
    for unit in units:
        # Into holes first, and then over what is there.
        for _ in range(2):
            unit.place = 0
            for steps in (write_through, forced, cached, over_aoe):
                steps(unit)
        reserve(unit)
    for unit in units:
        unit.set_cache(False)
        for source in units:
            copy(unit, source, 0, 4 * PHYSICAL)
    for unit in units:
        if unit.disk.key:
            erase_key(unit)
        else:
            sanitize(unit)


def read_all(service, path):
    found = {}
    for disk in DISKS:
        unit = Unit(service, disk)
        keys, kind = unit.keys()
        found[disk.name] = {"keys": keys, "type": kind, "cache": unit.caches(),
                            "digests": digests(unit.read()) if disk.file else None}
    path.write_text(json.dumps(found))


def main():
    what, path = sys.argv[1:]
    with closing(Lab()) as lab:
        {"write": write_all, "read": read_all}[what](Service(lab), Path(path))


if __name__ == "__main__":
    main()
