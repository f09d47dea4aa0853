# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A thin disk whose file system fills up: who hears of it, and what becomes of writes."""

import os
import shutil
import signal
import socket
import subprocess

import pytest

from iscsi import Serve
from iscsi_wire import READ, write_10
from lab import inside, wait_until
from test_metrics import LISTEN, scrape
from test_one_disk import Scsi

IQN = "iqn.2026-11.example:abuse"
PORTAL = "127.0.0.1:3260"
TEST_UNIT_READY = bytes(6)
GOOD, CHECK_CONDITION = 0, 2
SOFT_THRESHOLD = bytes.fromhex("3807")
ALLOCATION_FAILED = bytes.fromhex("2707")
MIB = 1 << 20


@pytest.fixture
def home(lab):
    return lab.tmpfs("32m")


@pytest.fixture
def netns(lab):
    return lab.netns("space")


@pytest.fixture
def target(lab, netns, home):
    return Serve(lab, netns, ["--iscsi", IQN, "--portal", PORTAL, "--lun",
                              f"0=file:{home / 'thin.img'},size=64M,soft_threshold=50%",
                              "--allow", "any"], options=["--exporter", LISTEN])


def ready_host(netns, *name):
    with inside(netns):
        sock = socket.create_connection(("127.0.0.1", 3260))
    host = Scsi(sock, *name)
    host.login()
    host.ready()
    return host


@pytest.fixture
def hosts(target, netns):
    found = [ready_host(netns, f"iqn.2026-11.example:host{number}") for number in range(2)]
    yield found
    for host in found:
        host.close()


def told(host):
    """The sense data of TEST UNIT READY: what the initiator hears of."""
    host.run(TEST_UNIT_READY)
    return host.sense


def hears(host):
    """The sense data of the next thing that the initiator is told."""
    return wait_until(lambda: told(host), 10, "a unit attention")


def write(host, lba, data):
    """The sense data of a write, again after one that was told of the space instead."""
    done = host.run(write_10(lba, len(data) // 512), data=data)[0] == GOOD
    if not done and host.sense[12:14] == SOFT_THRESHOLD:
        return write(host, lba, data)
    assert done == (host.sense == b""), host.sense.hex()
    return host.sense


def at_once(target, path, size):
    """A file that the target sees with nothing in it, and then whole."""
    os.kill(target.pid, signal.SIGSTOP)
    try:
        path.write_bytes(b"x" * size)
    finally:
        os.kill(target.pid, signal.SIGCONT)


def short(target):
    return target.json("status")["disks"][0]["space"]["short"]


def counts(host):
    """Available and used, in MiB, as LOG SENSE says them."""
    status, page = host.run(bytes.fromhex("4d004c00000000010000"), expected=256, flags=READ)
    assert status == GOOD
    return [int.from_bytes(page[at:at + 4], "big") for at in (8, 20)]


def test_initiators_log_and_metrics_tell_that_space_runs_out(target, hosts, home, netns):
    assert not short(target)
    assert [told(host) for host in hosts] == [b"", b""]
    other = home / "other"
    at_once(target, other, 20 * MIB)
    wait_until(lambda: short(target), 30, "the disk to be short of space")
    for host in hosts:
        sense = hears(host)
        assert sense[12:14] == SOFT_THRESHOLD and sense[3:7] == bytes([0, 0, 0, 16]), sense.hex()
        assert told(host) == b""
    assert counts(hosts[0]) == [12, 0]
    assert "more than 50% full, 12 MiB are left" in target.output()
    status = target.json("status")["disks"][0]["space"]
    assert status["free_bytes"] == 12 * MIB and status["threshold_bytes"] <= 16 * MIB
    metrics = scrape(netns)
    assert metrics.value("stgt_disk_short_of_space") == 1
    assert metrics.value("stgt_disk_free_bytes") == 12 * MIB
    # It ends, and may begin again.
    other.unlink()
    wait_until(lambda: not short(target), 30, "room for the disk")
    assert "has room again" in target.output()
    other.write_bytes(b"x" * (20 * MIB))
    wait_until(lambda: short(target), 30, "the disk to be short of space")
    assert hears(hosts[1])[12:14] == SOFT_THRESHOLD


def test_writes_without_space_say_so_and_the_rest_goes_on(target, hosts, home):
    host = hosts[0]
    (home / "other").write_bytes(b"x" * (31 * MIB))
    block, failed = b"\1" * 65536, None
    for lba in range(0, 65536, 128):
        failed = write(host, lba, block)
        if failed:
            break
    assert failed, "a file system of 32 MiB took more than that"
    assert failed[2] & 0xf == 7 and failed[12:14] == ALLOCATION_FAILED, failed.hex()
    # What has its blocks can be written still, and with room everything can.
    assert write(host, 0, block) == b""
    (home / "other").unlink()
    assert write(host, lba, block) == b""


def test_space_taken_in_advance_is_kept(lab, netns, home):
    """On a file system that has no other zeroes than holes and what is written (as NFS 4.2)."""
    path = home / "thick.img"
    Serve(lab, netns, ["--iscsi", IQN, "--portal", PORTAL, "--lun",
                       f"0=file:{path},size=8M,prealloc,thin=off", "--allow", "any"])
    with ready_host(netns) as host:
        host.write_blocks(7, b"\1" * 8192)
        assert host.run(bytes([0x93, 0x01]) + bytes(14))[0] == GOOD, host.sense.hex()
        assert host.read_blocks(7, 16) == bytes(8192)
        assert path.stat().st_blocks * 512 == 8 * MIB
        # What is not to be read any more goes by whatever way there is.
        host.write_blocks(7, b"\1" * 8192)
        assert host.run(bytes([0x48, 0x02]) + bytes(8))[0] == GOOD, host.sense.hex()
        assert host.read_blocks(7, 16) == bytes(8192)


def test_zeroes_that_give_space_back_take_none(lab, netns):
    """WRITE SAME with UNMAP, by which hosts zero what they need not keep (blkdiscard -z)"""
    home = lab.path / "ext4"
    home.mkdir()
    lab.run(["mkfs.ext4", "-q", lab.disk(64 * MIB, "ext4.img", fill=False)])
    lab.run(["mount", "-o", "loop", lab.path / "ext4.img", home])
    lab.undo.callback(subprocess.run, ["umount", "-l", str(home)])
    Serve(lab, netns, ["--iscsi", IQN, "--portal", PORTAL, "--lun",
                       f"0=file:{home / 'thin.img'},size=1G,soft_threshold=off", "--allow", "any"])
    with ready_host(netns) as host:
        host.write_blocks(7, b"\1" * 8192)
        free = shutil.disk_usage(home).free
        assert host.run(bytes([0x93, 0x09]) + bytes(14))[0] == GOOD, host.sense.hex()
        assert host.read_blocks(7, 16) == bytes(8192)
        assert host.run(bytes([0x35]) + bytes(9))[0] == GOOD
    assert shutil.disk_usage(home).free >= free
