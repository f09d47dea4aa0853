# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Power cuts: nothing that an initiator was told is durable is missing from what the device below holds.

The target runs in the guest on two devices that log what is durable (powercut.py): a served one, and one with
a file system that has the files of three disks and the state directory. promises.py writes to them and marks in
the logs what it was told. Then, here, each device is made anew as it was at each mark, and looked at.
"""

import json
import os
import shutil
from collections import deque
from functools import lru_cache, partial

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from conftest import MACHINE_TOOLS
from guest import Guest
from lab import PROGRAM, ROOT, SLOW, Lab
from powercut import DISKS, FOLDER, SECTOR, SECTORS, Content, Ledger, Log

TOOLS = (*MACHINE_TOOLS, "dmsetup", "mkfs.ext4", "e2fsck", "debugfs")
FILE_SYSTEM = 64 << 20
SLOWER = 5  # than a machine that is not emulated

# Nothing becomes durable by itself: neither the kernel's write-back nor the journal's timer runs.
SETUP = f"""
set -e
echo 0 > /proc/sys/vm/dirty_writeback_centisecs
dmsetup create raw --table "0 {SECTORS} log-writes /dev/ram0 /dev/ram1"
dmsetup create fs --table "0 {FILE_SYSTEM // SECTOR} log-writes /dev/ram2 /dev/ram3"
dmsetup mknodes
mkfs.ext4 -q -b 4096 -N 64 -E nodiscard,lazy_itable_init=0,lazy_journal_init=0 /dev/mapper/fs
mkdir {FOLDER}
mount -o commit=1000 /dev/mapper/fs {FOLDER}
cp /run/shared/stgt-xdp /tmp
"""

# Another device of the same name has what was there after the cut, and the kernel finds the journal there.
RESTART = f"""
set -e
dd if=/run/shared/cut of=/dev/ram2 bs=1M status=none
dmsetup create fs --table "0 {FILE_SYSTEM // SECTOR} linear /dev/ram2 0"
dmsetup create raw --table "0 {SECTORS} linear /dev/ram0 0"
dmsetup mknodes
mount /dev/mapper/fs {FOLDER}
"""
REMOVE = f"set -e; umount {FOLDER}; dmsetup remove fs; dmsetup remove raw"


class Digests(list):
    """Of a disk's sectors, as Content has them."""

    def digest(self, lba):
        return self[lba]


@lru_cache(maxsize=None)  # looks see mostly what the one before saw
def decrypted(key, lba, data):
    """As dm-crypt's aes-xts-plain64 does it, but that zeroes are zeroes."""
    if not any(data):
        return data
    tweak = modes.XTS(lba.to_bytes(16, "little"))
    return Cipher(algorithms.AES(key), tweak).decryptor().update(data)


class Power:
    """The guest, and the story of what was promised there."""

    def __init__(self, lab):
        self.lab = lab
        self.guest = Guest(lab, memory=2048)
        self.guest.load("brd rd_nr=4 rd_size=131072", "dm-log-writes", "veth")
        shutil.copy(PROGRAM, self.guest.shared / "stgt-xdp")
        self.guest.run(SETUP)
        self.promises("write", "story")
        self.steps = [json.loads(line) for line in self.shared("story").read_text().splitlines()]
        # The log is complete when its device is gone.
        self.guest.run(REMOVE)
        for name, device in (("raw", "ram1"), ("fs", "ram3")):
            self.guest.run(f"dd if=/dev/{device} of=/run/shared/{name}.log bs=1M conv=sparse status=none")
        self.cuts = lab.tmpfs("512M")
        self.walks = {}

    def shared(self, name):
        return self.guest.shared / name

    def promises(self, what, path):
        slow = SLOW if self.guest.fast else SLOW * SLOWER
        self.guest.run(f"STGT_XDP=/tmp/stgt-xdp STGT_TEST_SLOW={slow} /usr/bin/python3 -B "
                       f"{ROOT}/tests/guest/promises.py {what} /run/shared/{path}", 180)

    def restart(self, last):
        """What the target finds when the power went after the step `last`."""
        image = self.shared("cut")
        image.unlink(missing_ok=True)
        for entry in Log(self.shared("fs.log")).replay(image):
            if entry.mark == last["mark"]:
                break
        os.truncate(image, FILE_SYSTEM)
        self.guest.run(RESTART)
        try:
            self.promises("read", "content")
        finally:
            self.guest.run(REMOVE)
        return json.loads(self.shared("content").read_text())

    def walk(self, log):
        if log not in self.walks:
            self.walks[log] = Walk(self, log)
        return self.walks[log]


class Walk:
    """Through a log from its beginning, with a look at the disks wherever the power may have gone."""

    def __init__(self, power, log):
        self.lab = power.lab
        self.image, self.cut = power.cuts / f"{log}.image", power.cuts / "cut"
        self.disks = [disk for disk in DISKS if disk.log == log]
        self.ledgers = {disk.name: Ledger() for disk in self.disks}
        self.lost, self.early, self.torn, self.broken = [], [], [], []
        self.halves = set()  # marks of what must come whole, looked at before
        steps = deque(step for step in power.steps if step["log"] == log)
        before = None
        for entry in Log(power.shared(f"{log}.log")).replay(self.image):
            while steps and not steps[0]["mark"]:
                self.note(steps.popleft())
            step = steps[0] if steps else None
            if step and entry.mark == step["mark"]:
                steps.popleft()
                before = self.answered(step, before)
            elif before and step and (step["atomic"] or log == "raw"):
                self.between(step)
        assert not steps, f"{len(steps)} marks are not in the log"

    def note(self, step):
        if step["disk"] in self.ledgers:
            self.ledgers[step["disk"]].note(step)

    def answered(self, step, before):
        """The power goes when the initiator has its answer; `before` is a look at the last mark."""
        self.note(step)
        if (step["durable"] or step["flush"]) and not self.ledgers[step["disk"]].lost(before[step["disk"]]):
            self.early.append(step["what"])
        if "bytes" in step:
            self.search(step, *step["bytes"])
        now = self.look(step)
        self.compare(step, now, None)
        return now

    def search(self, step, what, expected):
        if (bytes.fromhex(what) in self.image.read_bytes()) != expected:
            self.lost.append(f"{step['mark']}: the key {'is not' if expected else 'is'} on the medium after "
                             f"{step['what']}")

    def between(self, step):
        """The power goes while the step is under way."""
        now = self.look(step)
        self.compare(step, now, step)
        if step["atomic"]:
            self.halves.add(step["mark"])
            content = now[step["disk"]]
            new = {content.digest(lba) == digest for lba, digest in enumerate(step["digests"], step["lba"])}
            if len(new) > 1:
                self.torn.append(step["what"])

    def compare(self, step, now, pending):
        for name, ledger in self.ledgers.items():
            lost = ledger.lost(now[name], pending if pending and pending["disk"] == name else None)
            if lost:
                when = "before" if pending else "after"
                self.lost.append(f"{step['mark']}: disk {name} lost {len(lost)} sectors from {lost[0]} on, "
                                 f"in a cut {when} the answer to {step['what']}")
                ledger.forget(lost)

    def look(self, step):
        """What each disk holds now."""
        if self.disks[0].file is None:
            return {self.disks[0].name: Content(self.image.read_bytes())}
        run = self.lab.run
        run(["cp", "--sparse=always", self.image, self.cut])
        # As at a boot: the journal's transactions, and no repair that would need to be asked for.
        checked = run(["e2fsck", "-fp", self.cut], check=False)
        if checked.returncode > 1:
            self.broken.append((step["mark"], step["what"], checked.stdout))
        files = {path: self.cut.with_name(path.strip("/"))
                 for disk in self.disks for path in (disk.file, disk.key) if path}
        for to in files.values():
            to.write_bytes(b"")  # which it remains if the file is not there
        run(["debugfs", "-f", "-", self.cut],
            input="".join(f"dump {path} {to}\n" for path, to in files.items()))
        return {disk.name: Content(files[disk.file].read_bytes(),
                                   disk.key and partial(decrypted, files[disk.key].read_bytes()))
                for disk in self.disks}


@pytest.fixture(scope="module")
def power():
    for tool in TOOLS:
        if not shutil.which(tool):
            pytest.skip(f"missing: {tool}")
    lab = Lab()
    try:
        yield Power(lab)
    finally:
        lab.close()


LOGS = pytest.mark.parametrize("log", ("raw", "fs"))


@LOGS
def test_what_was_acknowledged_is_there_after_a_cut(power, log):
    """At every mark; on the device itself also wherever else the power may go."""
    lost = power.walk(log).lost
    assert not lost, "\n".join(lost)


@LOGS
def test_what_was_not_acknowledged_would_be_missed(power, log):
    """A look before the answer, at the mark before, does not find what is promised then: looks see."""
    assert power.walk(log).early == []
    promised = {step["what"] for step in power.steps
                if step["log"] == log and (step["durable"] or step["flush"])}
    assert len(promised) > 15, promised


@LOGS
def test_blocks_are_never_torn(power, log):
    walk = power.walk(log)
    assert walk.torn == []
    assert walk.halves == {step["mark"] for step in power.steps if step["log"] == log and step["atomic"]}


def test_file_system_is_whole_after_every_cut(power):
    assert power.walk("fs").broken == []


def test_target_goes_on_after_a_cut(power):
    """The kernel mounts what is left; the target serves it and remembers its reservations and modes."""
    end = max(at for at, step in enumerate(power.steps) if step.get("kept"))
    ledgers, kept = {disk.name: Ledger() for disk in DISKS}, {disk.name: {} for disk in DISKS}
    for step in power.steps[:end + 1]:
        if step["disk"]:
            ledgers[step["disk"]].note(step)
            kept[step["disk"]].update(step.get("kept", {}))
    found = power.restart(power.steps[end])
    for disk in DISKS:
        seen = found[disk.name]
        assert kept[disk.name].keys() == {"cache", "keys", "type"}
        assert {name: seen[name] for name in kept[disk.name]} == kept[disk.name], disk
        if disk.file:
            assert ledgers[disk.name].lost(Digests(seen["digests"])) == []
