# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""EXTENDED COPY over iSCSI: the file system copies where it can, and reading and writing where not."""

import json
import os
import re
import subprocess
import time

import pytest

import iscsi_wire as iscsi
from copier import Copier
from iscsi_wire import IscsiTarget
from lab import PROGRAM, patience, pattern, sector, wait_until

MIB = 2048  # in sectors
COPY_ABORTED = 0x0a
FUNCTION_COMPLETE = 0


@pytest.fixture
def serve(lab):
    """Starts a target with these disks, and its initiator."""
    def start(*luns):
        target = IscsiTarget(lab, luns=luns)
        host = target.initiator()
        for lun in range(1, len(luns)):
            host.ready(lun)
        return target, Copier(host, len(luns))

    return start


@pytest.fixture
def xfs(lab):
    """A small file system whose files can share blocks."""
    image, at = lab.path / "xfs.img", lab.path / "xfs"
    at.mkdir()
    with open(image, "wb") as file:
        file.truncate(320 << 20)
    lab.run(["mkfs.xfs", "-q", "-m", "reflink=1", image])
    lab.run(["mount", "-o", "loop", image, at])
    lab.undo.callback(subprocess.run, ["umount", "-l", str(at)])
    return at


def report(target, what):
    done = target.lab.run([PROGRAM, what, "--json", "--socket", target.home / "socket"], target.netns)
    return json.loads(done.stdout)


def copied(target):
    """Bytes that the store copied, and that were read and written."""
    stats = report(target, "stats")["iscsi"]
    return stats["copied_by_store"], stats["copied_by_memory"]


def free_bytes(at):
    stat = os.statvfs(at)
    return stat.f_bfree * stat.f_frsize


def fill(path, sectors, size=None):
    with open(path, "wb") as file:
        file.write(pattern(0, sectors))
        file.truncate(size or sectors * 512)
        os.fsync(file.fileno())
    return path


# ---- who copies ------------------------------------------------------------------------------


def test_the_file_system_copies(serve, lab):
    disks = [lab.disk(16 << 20), lab.disk(24 << 20, fill=False)]
    target, copier = serve(*disks)
    copier.copy((0, 5, 1, 8 * MIB - 3, 15 * MIB), (0, 0, 0, 15 * MIB, 100))
    assert copied(target) == (15 * MIB * 512 + 100 * 512, 0)
    data = disks[1].read_bytes()
    assert data[(8 * MIB - 3) * 512:][:15 * MIB * 512] == pattern(5, 15 * MIB)
    assert not any(data[:(8 * MIB - 3) * 512]) and not any(data[(23 * MIB - 3) * 512:])
    assert disks[0].read_bytes() == pattern(0, 15 * MIB) + pattern(0, 100) + pattern(15 * MIB + 100, MIB - 100)
    assert copier.read(1, 8 * MIB, 64) == pattern(8, 64)


def test_blocks_are_shared(serve, lab, xfs):
    """It costs no space, until one of the two is written."""
    source = fill(xfs / "source", 32 * MIB)
    before = free_bytes(xfs)
    target, copier = serve(source, f"{xfs}/target,size=32M", f"{xfs}/far,size=32M,prealloc")
    taken = before - free_bytes(xfs)
    assert copier.copy((0, 0, 1, 0, 32 * MIB - 1), (0, 32 * MIB - 1, 1, 32 * MIB - 1, 1)).status == 0
    assert before - taken - free_bytes(xfs) < 2 << 20
    assert "shared" in lab.run(["filefrag", "-v", source]).stdout
    assert copied(target) == (32 * MIB * 512, 0)
    assert (xfs / "target").read_bytes() == source.read_bytes() == pattern(0, 32 * MIB)
    itt = copier.host.write(8, 1, data=sector(8, 1))
    assert copier.host.expect(iscsi.RESPONSE, itt).status == 0
    assert copier.read(0, 0, 16) == pattern(0, 8) + sector(8, 1) + pattern(9, 7)
    assert copier.read(1, 0, 16) == pattern(0, 16)
    # One that was promised space of its own gets it.
    assert copier.copy((1, 0, 2, 0, MIB)).status == 0
    assert copied(target) == (32 * MIB * 512, MIB * 512)
    assert "shared" not in lab.run(["filefrag", "-v", xfs / "far"]).stdout
    assert copier.read(2, 0, 16) == pattern(0, 16)


def test_holes_stay_holes(serve, lab):
    source = fill(lab.path / "source", MIB, 16 << 20)
    full = lab.disk(16 << 20)
    target, copier = serve(source, full)
    assert copier.copy((0, 0, 1, 0, 16 * MIB)).status == 0
    assert full.stat().st_blocks < 2 * MIB
    assert full.read_bytes() == pattern(0, MIB) + bytes(15 << 20)
    assert copied(target) == (16 << 20, 0)


def test_reading_and_writing_where_it_cannot(serve, lab, xfs):
    target, copier = serve(lab.disk(4 << 20), f"{xfs}/other,size=4M", "ram:4M", "ram:4M")
    for way, (here, there) in enumerate(((0, 1), (1, 2), (2, 3), (3, 0))):
        assert copier.copy((here, 0, there, 100, 3 * MIB)).status == 0
        assert copier.read(there, 100 * (way + 1), 64) == pattern(0, 64)
    assert copied(target) == (3 * MIB * 512, 9 * MIB * 512)


def test_what_is_encrypted_is_not_copied_raw(serve, lab):
    """What its store has means nothing in another place, not even of the same disk."""
    keys = [lab.path / "key1", lab.path / "key2"]
    for key in keys:
        key.write_bytes(os.urandom(64))
        key.chmod(0o600)
    target, copier = serve(lab.disk(4 << 20), f"{lab.path}/a,size=4M,key_file={keys[0]}",
                           f"{lab.path}/b,size=4M,key_file={keys[1]}")
    for here, there, at in ((0, 1, 0), (1, 2, 0), (2, 2, 2 * MIB)):
        assert copier.copy((here, 0, there, at, MIB)).status == 0
        assert copier.read(there, at, MIB) == pattern(0, MIB)
    assert copied(target) == (0, 3 * MIB * 512)


# ---- copies that stop ------------------------------------------------------------------------


def test_no_space_behind_the_destination(serve, lab):
    small = lab.tmpfs("12M")
    source = fill(small / "source", 8 * MIB)
    target, copier = serve(source, f"{small}/thin,size=8M")
    pdu = copier.copy((0, 0, 1, 0, 8 * MIB))
    assert pdu.status == iscsi.CHECK_CONDITION and pdu.data[4] & 0xf == COPY_ABORTED
    assert copier.read(0, 0, 16) == pattern(0, 16)
    assert copier.copy((0, 0, 1, 0, 16)).status == 0
    assert copier.read(1, 0, 16) == pattern(0, 16)
    assert target.stop() == 0


def slow_to_copy(lab, fill=False):
    """Two disks in memory: no file system that shares blocks is done with a copy at once, and no busy
    device holds up its end."""
    home = lab.tmpfs("40M")
    return [lab.disk(16 << 20, home / "source"), lab.disk(16 << 20, home / "target", fill)]


def long_copy(copier, sectors):
    """256 times the whole disk; nobody waits for its end."""
    return copier.start(*[(0, 0, 1, 0, sectors)] * 256)


def test_abort(serve, lab):
    target, copier = serve(*slow_to_copy(lab))
    itt = long_copy(copier, 16 * MIB)
    wait_until(lambda: copied(target)[0] > 0, 10, "the copy to begin")
    abort = copier.host.tmf(iscsi.ABORT_TASK, itt=itt, cmdsn=copier.host.cmdsn - 1)
    response = copier.host.expect(iscsi.TMF_RESPONSE, abort)
    assert response.bhs[2] == FUNCTION_COMPLETE
    after = copied(target)
    assert after[0] < 256 * 16 << 20
    # What is written now, nobody overwrites.
    itt = copier.host.write(0, 1, lun=1, data=sector(0, 7))
    assert copier.host.expect(iscsi.RESPONSE, itt).status == 0
    assert copied(target) == after
    assert copier.read(1, 0, 2) == sector(0, 7) + pattern(1, 1)


def test_initiator_leaves(serve, lab):
    """Nobody is left to copy for."""
    target, copier = serve(*slow_to_copy(lab))
    long_copy(copier, 16 * MIB)
    wait_until(lambda: copied(target)[0] > 0, 10, "the copy to begin")
    copier.host.close()
    wait_until(lambda: not report(target, "status")["sessions"], 10, "the session's end")
    after = wait_until(lambda: copied(target) == copied(target) and copied(target), 10, "the copy's end")
    assert after[0] < 256 * 16 << 20
    assert target.stop() == 0


@pytest.mark.parametrize("end", ["terminate", "kill"])
def test_end_while_it_copies(serve, lab, end):
    """Each sector is as before or copied; the same copy then ends what it began."""
    disks = slow_to_copy(lab, fill=True)
    disks[1].write_bytes(pattern(0, 16 * MIB, 1))
    target, copier = serve(*disks)
    long_copy(copier, 16 * MIB)
    wait_until(lambda: copied(target)[0] > 0, 10, "the copy to begin")
    began = time.monotonic()
    getattr(target.child, end)()
    assert target.child.wait(patience(10)) == (0 if end == "terminate" else -9)
    assert end == "kill" or time.monotonic() - began < patience(5)
    assert disks[0].read_bytes() == pattern(0, 16 * MIB)
    data = disks[1].read_bytes()
    for lba in range(16 * MIB):
        assert data[lba * 512:lba * 512 + 512] in (sector(lba), sector(lba, 1)), lba
    target, copier = serve(*disks)
    assert copier.copy((0, 0, 1, 0, 16 * MIB)).status == 0
    assert disks[1].read_bytes() == pattern(0, 16 * MIB)
    assert target.stop() == 0


# ---- others ----------------------------------------------------------------------------------


def test_crossing_copies_of_several_sessions(serve, lab):
    """Each between the same two disks, there and back: they end, and no sector is torn."""
    disks = [lab.disk(8 << 20), lab.disk(8 << 20)]
    disks[1].write_bytes(pattern(0, 8 * MIB, 1))
    target, first = serve(*disks)
    copiers = [first]
    for number in range(2, 7):
        host = target.initiator(number)
        host.ready(1)
        copiers.append(Copier(host, 2))
    for n, copier in enumerate(copiers):
        copier.itt = copier.start(*[(n % 2, 0, 1 - n % 2, 0, 8 * MIB), (1 - n % 2, 0, n % 2, 0, 8 * MIB)] * 4)
    for copier in copiers:
        assert copier.host.expect(iscsi.RESPONSE, copier.itt).status == 0
    data = [disk.read_bytes() for disk in disks]
    for lba in range(8 * MIB):
        assert {d[lba * 512:lba * 512 + 512] for d in data} <= {sector(lba), sector(lba, 1)}, lba
    assert copied(target) == (6 * 8 * 8 * MIB * 512, 0)
    for copier in copiers:
        copier.host.close()
    assert target.stop() == 0


def test_stats_for_people(serve, lab):
    target, copier = serve("ram:4M", "ram:4M")
    assert copier.copy((0, 0, 1, 0, MIB)).status == 0
    shown = lab.run([PROGRAM, "stats", "--socket", target.home / "socket"], target.netns).stdout
    assert re.search(rf"^iscsi.copied_by_store +{MIB * 512}$", shown, re.M)
