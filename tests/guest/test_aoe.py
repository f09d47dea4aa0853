# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The stock Linux initiator (aoe.ko) and aoetools against the target."""

import os
import re
import time

import pytest

from lab import pattern, wait_until

VBLADE = os.environ.get("TARGET") == "vblade"
FIO = ("fio --name=verify --direct=1 --ioengine=libaio --iodepth=32 --rw=randrw --bs=4k "
       "--verify=crc32c --verify_fatal=1 --output-format=terse --minimal")


def stat(guest):
    """{address: (size in GB, payload, state)} as aoe-stat shows it."""
    rows = {}
    for line in guest.run("aoe-stat").splitlines():
        words = line.split()
        rows[words[0].removeprefix("e")] = words[1:]
    return rows


@pytest.fixture(autouse=True)
def discovered(guest):
    """Every test finds both disks, and leaves no I/O error behind."""
    guest.run("aoe-discover")
    wait_until(lambda: [stat(guest).get(address, [""])[-1] for address in ("7.1", "7.2")] == ["up", "up"], 30,
               "aoe-stat showing 7.1 and 7.2 up")
    yield
    log = guest.run("dmesg")
    assert not re.search(r"I/O error|aoe: device .* is not up|Buffer I/O", log), log


def test_discovery_shows_both_disks_up_at_their_size(guest, setup):
    rows = stat(guest)
    assert rows["7.1"][0] == "0.033GB" and rows["7.2"][0] == "0.067GB"
    assert rows["7.1"][-1] == "up" and rows["7.2"][-1] == "up"
    for address, disk in setup.disks.items():
        size = int(guest.run(f"blockdev --getsize64 /dev/etherd/e{address}"))
        assert size == disk.stat().st_size


def test_advertised_payload_follows_the_mtu(guest):
    rows = stat(guest)
    assert rows["7.1"][2] == "1024"
    assert int(rows["7.2"][2]) >= 8192


def test_content_is_the_file(guest, setup):
    for address, disk in setup.disks.items():
        inside = guest.run(f"md5sum < /dev/etherd/e{address}").split()[0]
        outside = setup.lab.run(["md5sum", disk]).stdout.split()[0]
        assert inside == outside


@pytest.mark.parametrize("address", ["7.1", "7.2"], ids=["mtu1500", "mtu9000"])
def test_fio_random_with_verify(guest, address):
    guest.run(f"{FIO} --filename=/dev/etherd/e{address} --size=12M", 120)


def test_file_system(guest, setup):
    guest.run("""
        set -e
        mkfs.ext4 -q -F /dev/etherd/e7.2
        mkdir -p /mnt/disk
        mount /dev/etherd/e7.2 /mnt/disk
        head -c 20000000 /dev/urandom > /tmp/data
        cp /tmp/data /mnt/disk/data
        cp -r /etc/apt /mnt/disk/
        umount /mnt/disk
        mount -o ro /dev/etherd/e7.2 /mnt/disk
        cmp /tmp/data /mnt/disk/data
        diff -r /etc/apt /mnt/disk/apt
        umount /mnt/disk
        e2fsck -fn /dev/etherd/e7.2
    """, 120)
    # What reached the file is the same file system.
    setup.lab.run(["e2fsck", "-fn", setup.disks["7.2"]])


def test_killed_and_restarted_during_verified_io(guest, setup, target):
    disk = setup.disks["7.2"]
    with open(disk, "r+b") as file:
        file.write(pattern(0, disk.stat().st_size // 512))
    # fio writes 12 MiB in random order, then reads and checks all of it.
    run = guest.start(f"{FIO} --rw=randwrite --rate_iops=1200 --filename=/dev/etherd/e7.2 --size=12M")

    def changed(sectors):
        with open(disk, "rb") as file:
            data = file.read(12 << 20)
        intact = sum(data[i * 512:i * 512 + 8] == i.to_bytes(8, "big") for i in range(0, 24576, 8))
        return 3072 - intact >= sectors

    wait_until(lambda: changed(400), 60, "some of fio's writes in the file")
    assert run.status is None
    target.kill()
    time.sleep(1)  # the outage that initiators must sit out
    target.start()
    assert run.wait(120) == 0, run.output()
    assert changed(3072)


def test_tools_of_aoetools(guest, setup):
    assert re.search(r"e7\.1\s.*e7\.2", guest.run("aoe-sancheck", 60).replace("\n", " "))
    assert "eth0" in guest.run("aoe-interfaces eth0; cat /sys/module/aoe/parameters/aoe_iflist")
    if VBLADE:
        return  # its answers are too short for the tools below
    assert "found e7.1" in guest.run("aoeping -s 10 -v 7 1 eth0", 20)
    assert "STGT-XDP" in guest.run("aoeping -s 10 -I 7 1 eth0", 20)
    guest.run("aoecfg -t 2 -c fset -s from-guest 7 1 eth0", 20)
    wait_until(lambda: "from-guest" in guest.run("aoecfg -t 2 7 1 eth0", 20), 20, "what was set")


@pytest.mark.skipif(VBLADE, reason="vblade does not see a resize")
def test_revalidate_shows_a_resize(guest, setup, target):
    disk = setup.disks["7.1"]
    os.truncate(disk, 48 << 20)
    target.hup()

    def size():
        guest.run("aoe-revalidate e7.1")
        return int(guest.run("blockdev --getsize64 /dev/etherd/e7.1"))

    wait_until(lambda: size() == 48 << 20, 10, "new size after aoe-revalidate")
    guest.run(f"{FIO} --filename=/dev/etherd/e7.1 --offset=40M --size=2M", 60)


def test_flush_and_rediscovery(guest):
    guest.run("aoe-flush -a")
    guest.run("aoe-discover")
    wait_until(lambda: stat(guest).get("7.1", [""])[-1] == "up", 30, "7.1 found again")
