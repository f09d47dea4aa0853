# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""
The target itself on Debian's stock kernel, which knows neither multi-buffer sockets nor VLAN metadata.

One guest, two ends: aoe.ko in the initial namespace, the program in another, a veth pair between.
"""

import re
import shutil

import pytest

from guest import Guest
from lab import PROGRAM, Lab, wait_until

DISK = "/dev/etherd/e7.1"
FIO = (f"fio --name=verify --filename={DISK} --direct=1 --ioengine=libaio --iodepth=32 --bs=4k "
       "--verify=crc32c --verify_fatal=1 --minimal")


class Inside:
    """The program within the guest."""

    def __init__(self, guest):
        self.guest = guest
        # Through the shared folder: the guest sees its own /tmp, where this checkout may be.
        shutil.copy(PROGRAM, guest.shared / "stgt-xdp")
        guest.run("mkdir /tmp/lab && cp /run/shared/stgt-xdp /tmp/lab && truncate -s 64M /tmp/lab/disk")
        self.start()

    def start(self):
        self.command = self.guest.start(
            "echo $$ > /tmp/lab/pid; exec nsenter --net=/run/netns/storage /tmp/lab/stgt-xdp attach "
            "port --aoe 7.1=/tmp/lab/disk --allow any --state-dir /tmp/lab/state "
            "--socket /tmp/lab/control.sock")
        wait_until(lambda: "ready" in self.command.output() or self.command.status is not None, 30,
                   "ready line of the target in the guest")
        assert self.command.status is None, self.command.output()

    def signal(self, name):
        self.guest.run(f"kill -{name} $(cat /tmp/lab/pid)")

    def control(self, words):
        return self.guest.run(f"/tmp/lab/stgt-xdp {words} --socket /tmp/lab/control.sock")


@pytest.fixture(scope="module")
def target():
    lab = Lab()
    try:
        guest = Guest(lab, memory=2048)
        guest.load("veth", "ext4")
        guest.run("ip netns add storage && ip link add nic mtu 9000 type veth peer name port mtu 9000 "
                  "netns storage && ip link set nic up && ip -n storage link set port up")
        target = Inside(guest)
        guest.load("aoe")
        guest.run("aoe-discover")
        wait_until(lambda: "up" in guest.run("aoe-stat"), 20, "e7.1 up")
        yield target
    finally:
        lab.close()


def test_every_advertised_sector_arrives(target):
    """A frame too long for one buffer would be dropped, and sent again, for ever."""
    # The tool sends IDENTIFY with ever more payload and tells the largest that was answered.
    output = target.guest.run("aoe-sancheck")
    advertised = int(re.search(r"^e7\.1\s+1\s+(\d+)", output, re.M)[1])
    capable = int(re.search(r"only capable of (\d+) byte", output)[1])
    assert 1024 <= advertised <= capable


def test_fio_with_verify(target):
    target.guest.run(f"{FIO} --rw=randrw --size=8M", 120)


def test_killed_and_restarted_during_verified_io(target):
    def writes():
        return int(target.guest.run("set -- $(cat '/sys/block/etherd!e7.1/stat'); echo $5"))

    before = writes()
    run = target.guest.start(f"{FIO} --rw=randwrite --size=12M --rate_iops=500")
    wait_until(lambda: writes() > before + 500, 60, "some of fio's writes")
    assert run.status is None
    target.signal("KILL")
    target.command.wait(10)
    target.start()
    assert run.wait(120) == 0, run.output()
    assert "I/O error" not in target.guest.run("dmesg")


def test_file_system(target):
    target.guest.run(f"""
        set -e
        mkfs.ext4 -q -F {DISK}
        mount {DISK} /mnt
        cp -r /etc/apt /mnt/
        umount /mnt
        e2fsck -fn {DISK}
        e2fsck -fn /tmp/lab/disk
    """, 120)


def test_ends_cleanly(target):
    target.signal("INT")
    assert target.command.wait(15) == 0
    assert "xdp" not in target.guest.run("ip -n storage link show port")
