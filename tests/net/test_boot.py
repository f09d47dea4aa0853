# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Computers that boot from the target: iPXE, in a QEMU, brings the disk to the BIOS, and boot.S uses it.

    target's namespace: tap ──── e1000 of the computer
"""

import os
import shutil

import pytest

from iscsi import IQN, Serve
from lab import ROOT, wait_until

IPXE = "/usr/lib/ipxe/ipxe.lkrn"
SERVER, COMPUTER = "10.213.9.1", "10.213.9.2"
SECTOR = 512
SIZE = 16 << 20  # less than a cylinder is no disk to iPXE
CHAP = ("set username disks", "set password first-secret-1", "set reverse-username target",
        "set reverse-password second-secret-2")


class Computer:
    def __init__(self, lab):
        self.lab, self.netns, self.tap = lab, lab.netns("boot"), lab.device()
        lab.ip(self.netns, f"tuntap add {self.tap} mode tap")
        lab.undo.callback(lab.forget, [self.tap])
        lab.ip(self.netns, f"addr add {SERVER}/24 dev {self.tap}")
        lab.ip(self.netns, f"link set {self.tap} up")
        self.disk = lab.disk(SIZE)
        with open(self.disk, "r+b") as disk:
            disk.write(self.boot_sector())
        self.before = self.disk.read_bytes()

    def boot_sector(self):
        """Assembled for the place to which the BIOS loads it."""
        unlinked, sector = self.lab.path / "boot.o", self.lab.path / "boot"
        self.lab.run(["cc", "-c", "-m32", "-o", unlinked, ROOT / "tests/net/boot.S"])
        self.lab.run(["ld", "-m", "elf_i386", "-Ttext=0x7c00", "--oformat=binary", "-o", sector, unlinked])
        assert sector.stat().st_size == SECTOR
        return sector.read_bytes()

    def boot(self, *commands):
        """Runs iPXE's commands, and returns the boot sector's verdict."""
        script = self.lab.path / "script.ipxe"
        script.write_text("\n".join(["#!ipxe", "ifopen net0", f"set net0/ip {COMPUTER}",
                                     "set net0/netmask 255.255.255.0", *commands]))
        console, told = self.lab.path / "console", self.lab.path / "told"
        child = self.lab.spawn(
            ["qemu-system-x86_64", "-accel", "tcg", "-machine", "pc,graphics=off", "-m", "256",
             "-nodefaults", "-display", "none", "-no-reboot", "-serial", f"file:{console}",
             "-serial", f"file:{told}", "-kernel", IPXE, "-initrd", script,
             "-device", "e1000,netdev=link,romfile=",
             "-netdev", f"tap,id=link,ifname={self.tap},script=no,downscript=no"], self.netns)

        def verdict():
            text = console.read_text(errors="replace") if console.exists() else ""
            assert child.poll() is None and "No bootable device" not in text, text
            return told.exists() and told.read_text().endswith(".") and told.read_text()

        try:
            return wait_until(verdict, 60, "the boot sector's verdict")
        except AssertionError as error:
            raise AssertionError(f"{error}\n{console.read_text(errors='replace')}") from None
        finally:
            child.kill()
            child.wait()

    def copied(self):
        """The disk, with what the boot sector writes."""
        after = bytearray(self.before)
        after[1024 * SECTOR:1152 * SECTOR] = self.before[:128 * SECTOR]
        after[2048 * SECTOR:2049 * SECTOR] = self.before[-SECTOR:]
        return bytes(after)


@pytest.fixture
def computer(lab):
    for tool in ("qemu-system-x86_64", "ld"):
        if not shutil.which(tool):
            pytest.skip(f"missing: {tool}")
    if not os.path.exists(IPXE):
        pytest.skip(f"missing: {IPXE}")
    return Computer(lab)


def over_aoe(computer, allow):
    computer.lab.target(computer.netns, computer.tap, "--aoe", f"7.1={computer.disk}", "--allow", allow)
    return ["sanboot aoe:e7.1"]


def over_iscsi(computer, allow, *words):
    Serve(computer.lab, computer.netns, ["--iscsi", IQN, "--portal", SERVER, "--lun",
                                         f"0={computer.disk}", "--allow", allow, *words])
    return ["set initiator-iqn iqn.2026-11.org.example:computer", f"sanboot iscsi:{SERVER}::::{IQN}"]


@pytest.mark.parametrize("over", [over_aoe, over_iscsi])
def test_it_boots(computer, over):
    assert computer.boot(*over(computer, "any")) == "done."
    assert computer.disk.read_bytes() == computer.copied()


def test_it_boots_by_mutual_chap(computer):
    secrets = computer.lab.path / "secrets"
    secrets.touch(mode=0o600)
    secrets.write_text("disks first-secret-1\ntarget second-secret-2\n")
    assert computer.boot(*CHAP, *over_iscsi(computer, "any", "--chap", secrets)) == "done."
    assert computer.disk.read_bytes() == computer.copied()


@pytest.mark.parametrize("over", [over_aoe, over_iscsi])
def test_it_may_only_read(computer, over):
    """The BIOS reports the error at once; nobody waits for a time limit."""
    assert computer.boot(*over(computer, "any/ro")) == "failed."
    assert computer.disk.read_bytes() == computer.before
