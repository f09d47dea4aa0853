# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A disk exported through AoE and iSCSI at once is one disk: what each does, the other sees."""

import socket
import struct

import pytest

import aoe
import iscsi_wire
from daemon import Daemon
from frozen import Frozen
from iscsi import IQN
from lab import inside, patience, pattern, wait_until
from scsi import Scsi

SIZE = 8 << 20
KEY = 0x5347
WRITE_EXCLUSIVE, EXCLUSIVE_ACCESS = 1, 3
REGISTER, RESERVE, RELEASE = 0, 1, 2
SANITIZE_IN_PROGRESS = 0x041b
READ_CAPACITY = bytes([0x25]) + bytes(9)


class Host(Scsi):
    def persistent(self, action, kind=0, key=KEY, new_key=0):
        cdb = bytes([0x5F, action, kind]) + bytes(4) + struct.pack(">H", 24) + b"\0"
        assert self.run(cdb, struct.pack(">QQ", key, new_key) + bytes(8))[0] == 0

    def blocks(self):
        status, data = self.run(READ_CAPACITY, expected=8, flags=iscsi_wire.READ)
        return int.from_bytes(data[:4], "big") + 1 if status == 0 else None


def serve(pair, **disk):
    config = {"disks": [{"name": "vol0", **disk}],
              "interfaces": [{"name": pair.port}],
              "aoe": [{"interface": pair.port, "address": "7.1", "disk": "vol0", "allow": ["any"]}],
              "iscsi": [{"name": IQN, "portals": ["127.0.0.1:3260"], "allow": ["any"],
                         "luns": [{"lun": 0, "disk": "vol0"}]}]}
    return Daemon(pair.lab, pair.storage, config)


def connect(pair):
    """A session past its first unit attention, whatever state the unit is in."""
    with inside(pair.storage):
        sock = socket.create_connection(("127.0.0.1", 3260), timeout=patience(20))
    initiator = Host(sock)
    initiator.login(target=IQN)
    initiator.run(bytes(6))
    return initiator


@pytest.fixture
def disk(pair):
    return serve(pair, file=str(pair.lab.disk(size=SIZE)))


@pytest.fixture
def ata(pair, disk):
    return pair.client()


@pytest.fixture
def scsi(pair, disk):
    with connect(pair) as initiator:
        yield initiator


def refused(reply):
    return not reply.ok and reply.error == aoe.ERR_ABRT


def write_through(ata, lba, data):
    return ata.ata(aoe.WRITE_EXT, lba, len(data) // 512, aflags=aoe.AFLAG_LBA48 | aoe.AFLAG_WRITE,
                   data=data)


def test_each_reads_what_the_other_wrote(ata, scsi):
    assert scsi.read_blocks(0, 16) == pattern(0, 16)
    ata.write(3, b"a" * 1024)
    assert scsi.read_blocks(3, 2) == b"a" * 1024
    scsi.write_blocks(4, b"s" * 1024)
    assert ata.read(3, 2) == b"a" * 512 + b"s" * 512


def test_a_reservation_stops_the_other_transport(ata, scsi):
    scsi.persistent(REGISTER, key=0, new_key=KEY)
    scsi.persistent(RESERVE, WRITE_EXCLUSIVE)
    assert refused(write_through(ata, 0, b"x" * 512))
    assert ata.read(0, 1) == pattern(0, 1)
    scsi.write_blocks(0, b"s" * 512)
    scsi.persistent(RELEASE, WRITE_EXCLUSIVE)
    scsi.persistent(RESERVE, EXCLUSIVE_ACCESS)
    assert refused(ata.ata(aoe.READ_EXT, 0, 1, aflags=aoe.AFLAG_LBA48))
    scsi.persistent(RELEASE, EXCLUSIVE_ACCESS)
    ata.write(0, b"y" * 512)
    assert scsi.read_blocks(0, 1) == b"y" * 512


def test_status_names_who_holds_a_reservation(disk, scsi):
    assert "reservations" not in disk.control("status").stdout
    scsi.persistent(REGISTER, key=0, new_key=KEY)
    scsi.persistent(RESERVE, WRITE_EXCLUSIVE)
    unit = disk.json("status")["iscsi"][0]["luns"][0]
    assert unit["reservation"]["type"] == "write exclusive" and not unit["reservation"]["aptpl"]
    holder, = unit["reservation"]["registrations"]
    assert holder["holder"] and holder["key"] == f"0x{KEY:016x}" and scsi.name in holder["initiator"]
    line = next(line for line in disk.control("status").stdout.splitlines() if "write exclusive" in line)
    assert scsi.name in line and f"0x{KEY:016x}" in line and IQN in line
    scsi.persistent(RELEASE, WRITE_EXCLUSIVE)
    scsi.persistent(REGISTER, new_key=0)
    assert "reservations" not in disk.control("status").stdout


def test_both_see_a_disk_grow(disk, ata, scsi):
    assert ata.size() == scsi.blocks() == SIZE // 512
    disk.control("disk", "resize", "vol0", str(2 * SIZE))
    # A unit attention comes first, as the size has changed under the initiator.
    assert scsi.blocks() is None
    assert scsi.blocks() == 2 * SIZE // 512
    assert ata.size() == 2 * SIZE // 512
    scsi.write_blocks(2 * SIZE // 512 - 1, b"e" * 512)
    assert ata.read(2 * SIZE // 512 - 1, 1) == b"e" * 512


# ---- SANITIZE and kill -9 --------------------------------------------------------------------


def overwrite(pair, byte):
    """Begins it."""
    with connect(pair) as scsi:
        status, _ = scsi.run(bytes([0x48, 0x81, 0, 0, 0, 0, 0, 0, 5, 0]), bytes([1, 0, 0, 1, byte]))
        assert status == iscsi_wire.GOOD


def readiness(pair):
    """None, or why the unit is not ready: an additional sense code."""
    with connect(pair) as scsi:
        status, _ = scsi.run(bytes(6))
        return None if status == iscsi_wire.GOOD else int.from_bytes(scsi.sense[12:14], "big")


def killed_in_a_sanitize(pair):
    """The daemon, and its disk's file, the end of which is not overwritten: the file system hung until then."""
    frozen = Frozen(pair.lab, SIZE)
    # With direct I/O it is no worker that hangs.
    disk = serve(pair, file=str(frozen.disk), direct="on")
    frozen.freeze()
    overwrite(pair, 0x5a)
    disk.child.kill()
    frozen.thaw()
    disk.wait()
    assert frozen.disk.read_bytes()[-4096:] == bytes(4096)
    return disk, frozen.disk


def test_a_sanitize_is_done_again_after_a_kill(pair):
    disk, image = killed_in_a_sanitize(pair)
    disk.start()
    assert "a SANITIZE that did not end is done again" in disk.output()
    wait_until(lambda: readiness(pair) is None, 60, "the end")
    assert image.read_bytes() == b"\x5a" * SIZE
    # Once, and not at every start from now on.
    pair.client().write(0, b"new" + bytes(509))
    disk.kill()
    disk.start()
    assert readiness(pair) is None
    assert pair.client().read(0, 1) == b"new" + bytes(509)


def without_iscsi(pair, daemon, *others, **disk):
    """The configuration that has the disk exported over AoE and by nothing else."""
    ports = [pair.port, *others]
    daemon.configure({"disks": [{"name": "vol0", **disk}],
                      "interfaces": [{"name": port} for port in ports],
                      "aoe": [{"interfaces": ports, "address": "7.1", "disk": "vol0",
                               "allow": ["any"]}]})


def test_a_sanitize_is_done_again_where_only_aoe_is_served(pair):
    disk, image = killed_in_a_sanitize(pair)
    without_iscsi(pair, disk, file=str(image))
    disk.start()
    assert "a SANITIZE that did not end is done again" in disk.output()
    ata = pair.client()
    wait_until(lambda: not refused(ata.ata(aoe.READ_EXT, 0, 1, aflags=aoe.AFLAG_LBA48)), 60,
               "the end")
    assert image.read_bytes() == b"\x5a" * SIZE
    ata.write(0, b"new" + bytes(509))
    disk.stop()
    disk.start()
    assert pair.client().read(0, 1) == b"new" + bytes(509)


def test_an_unfinished_sanitize_shuts_aoe_out(pair):
    disk = serve(pair, null="1TiB")
    overwrite(pair, 0)
    for _ in range(2):
        disk.kill()
        without_iscsi(pair, disk, null="1TiB")
        disk.start()
        ata = pair.client()
        assert refused(ata.ata(aoe.READ_EXT, 0, 1, aflags=aoe.AFLAG_LBA48))
        assert refused(write_through(ata, 0, bytes(512)))
    disk.stop()


def again(daemon, times):
    return lambda: daemon.output().count("is done again") == times


@pytest.mark.parametrize("end", ["detached", "deleted"])
def test_a_sanitize_goes_on_when_its_interface_goes(pair, end):
    other, nic = pair.lab.veth(pair.storage, pair.initiator)
    daemon = serve(pair, null="1TiB")
    overwrite(pair, 0)
    daemon.kill()
    without_iscsi(pair, daemon, other, null="1TiB")
    daemon.start()
    assert again(daemon, 1)()
    if end == "detached":
        daemon.control("detach", pair.port)
    else:
        pair.lab.ip(pair.storage, f"link del {pair.port}")
    wait_until(again(daemon, 2), 10, "the other's worker")
    ata = aoe.AoeClient(pair.lab, pair.initiator, nic, pair.lab.mac(pair.storage, other), 7, 1)
    assert refused(ata.ata(aoe.READ_EXT, 0, 1, aflags=aoe.AFLAG_LBA48))
    daemon.stop()


def test_a_sanitize_goes_on_over_iscsi_when_the_interface_goes(pair):
    daemon = serve(pair, null="1TiB")
    both = daemon.shown()
    overwrite(pair, 0)
    daemon.kill()
    without_iscsi(pair, daemon, null="1TiB")
    daemon.start()
    assert again(daemon, 1)()
    daemon.configure(both)
    daemon.control("reload")
    daemon.control("detach", pair.port)
    wait_until(again(daemon, 2), 10, "an iSCSI worker")
    assert readiness(pair) == SANITIZE_IN_PROGRESS
    daemon.stop()


def test_a_sanitize_goes_on_over_aoe_when_the_iscsi_target_goes(pair):
    daemon = serve(pair, null="1TiB")
    overwrite(pair, 0)
    without_iscsi(pair, daemon, null="1TiB")
    daemon.control("reload")
    wait_until(again(daemon, 1), 10, "the interface's worker")
    assert refused(pair.client().ata(aoe.READ_EXT, 0, 1, aflags=aoe.AFLAG_LBA48))
    daemon.stop()


def test_nobody_is_served_before_the_sanitize_has_ended(pair):
    disk = serve(pair, null="1TiB")
    overwrite(pair, 0)
    for _ in range(3):
        assert readiness(pair) == SANITIZE_IN_PROGRESS
        assert refused(pair.client().ata(aoe.READ_EXT, 0, 1, aflags=aoe.AFLAG_LBA48))
        disk.kill()
        disk.start()
    disk.stop()
