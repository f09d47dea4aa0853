# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""How the stock Linux initiator bears rate limits and injected faults."""

import re
import time

import pytest

from lab import patience, wait_until

DISK = "/dev/etherd/e7.1"
FIO = (f"fio --name=verify --filename={DISK} --direct=1 --ioengine=libaio --iodepth=32 --bs=4k "
       "--verify=crc32c --verify_fatal=1 --rw=randrw --minimal")


@pytest.fixture(autouse=True)
def discovered(guest):
    guest.run("aoe-discover")
    wait_until(lambda: re.search(r"e7\.1\s.*\sup\b", guest.run("aoe-stat")), 30, "aoe-stat showing 7.1 up")
    guest.run("dmesg -c")
    yield
    log = guest.run("dmesg")
    assert not re.search(r"I/O error|aoe: device .* is not up|Buffer I/O", log), log


@pytest.fixture
def mac(guest):
    return guest.run("cat /sys/class/net/eth0/address").strip()


def reasons(target):
    total = {}
    for interface in target.json("stats")["interfaces"]:
        for queue in interface["queues"]:
            for name, count in queue["aoe"]["reasons"].items():
                total[name] = total.get(name, 0) + count
    return total


def test_load_under_a_limit(guest, target, mac):
    """At MTU 1500 every KiB is a command. The driver takes the slow answers for a slow network."""
    target.control("limit", "set", mac, "iops=500")
    try:
        start = time.monotonic()
        guest.run(f"dd if={DISK} of=/dev/null bs=64k count=32 iflag=direct", 120)
        seconds = time.monotonic() - start
        guest.run(f"{FIO} --size=512k", 120)
        entry, = target.json("status")["limits"]
    finally:
        target.control("limit", "clear", mac)
    assert 2048 / 500 * 0.9 < seconds < patience(2048 / 500 * 3)
    assert entry["delayed"] > 1000
    assert reasons(target)["ignored_share"] == 0


def test_lost_and_late_answers(guest, target):
    """Every 20th command is lost, every 10th late: slower, and nothing else."""
    target.control("fault", "add", "7.1", "drop", "every=20")
    target.control("fault", "add", "7.1", "delay=20ms", "every=10")
    try:
        guest.run(f"{FIO} --size=1M", 120)
    finally:
        target.control("fault", "clear", "7.1")
    assert reasons(target)["fault_drop"] > 20 and reasons(target)["fault_delay"] > 40


def test_one_error_reaches_the_reader(guest, target):
    target.control("fault", "add", "7.1", "error", "op=read", "lba=64-71", "count=1")
    read = f"dd if={DISK} of=/dev/null bs=4k skip=8 count=1 iflag=direct"
    status, output = guest.run(read, check=False)
    assert status != 0 and "Input/output error" in output
    guest.run("dmesg -c")  # says so, too
    guest.run(read)
