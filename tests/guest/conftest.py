# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""One guest and one target for a file of tests, because a boot costs seconds.

    target's namespace                 fabric's namespace
    narrow (MTU 1500) ──── veth ────┐
                                    bridge ──── card ──── guest's eth0
    wide   (MTU 9000) ──── veth ────┘

The card is a tap, or that of the lab machine. The target serves 7.1 on narrow and 7.2 on wide. TARGET=vblade puts Debian's vblade in its place, to
tell a fault of the lab from one of the target.
"""

import os
import shutil
import signal
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "net"))

from guest import attach_guest  # noqa: E402
from lab import Lab, Target  # noqa: E402
from machine import TOOLS as MACHINE_TOOLS, Shell  # noqa: E402

TOOLS = (*MACHINE_TOOLS, "fio", "aoe-stat", "mkfs.ext4")


class Vblade:
    """The calls of Target that the tests make, on one vblade for each export."""

    def __init__(self, lab, netns, exports):
        self.lab, self.netns, self.exports = lab, netns, exports
        self.start()

    def start(self):
        self.children = [self.lab.spawn(["vblade", "-s", "-b", "64", *address.split("."), device, path],
                                        self.netns) for device, address, path in self.exports]

    def kill(self):
        for child in self.children:
            child.send_signal(signal.SIGKILL)
            child.wait()


def pytest_sessionstart():
    """An end by SIGTERM (a time limit's) clears away as Ctrl-C does."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)


@dataclass
class Setup:
    lab: Lab
    guest: Shell
    target: Target
    disks: dict  # by address


@pytest.fixture(scope="module")
def setup():
    for tool in TOOLS:
        if not shutil.which(tool):
            pytest.skip(f"missing: {tool}")
    lab = Lab()
    try:
        storage, fabric = lab.netns("storage"), lab.netns("fabric")
        narrow, narrow_port = lab.veth(storage, fabric, 1500)
        wide, wide_port = lab.veth(storage, fabric, 9000)
        guest, card = attach_guest(lab, fabric)
        lab.bridge(fabric, [narrow_port, wide_port, card], 9000)
        disks = {"7.1": lab.disk(32 << 20, "narrow.img"), "7.2": lab.disk(64 << 20, "wide.img")}
        exports = [(narrow, "7.1", disks["7.1"]), (wide, "7.2", disks["7.2"])]
        if os.environ.get("TARGET") == "vblade":
            target = Vblade(lab, storage, exports)
        else:
            target = Target(lab, storage, [word for device, address, path in exports
                                           for word in (device, "--aoe", f"{address}={path}",
                                                        "--allow", "any")])
        guest.run("ip link set eth0 mtu 9000 up")
        guest.load("aoe", "ext4")
        yield Setup(lab, guest, target, disks)
    finally:
        lab.close()


@pytest.fixture
def guest(setup):
    return setup.guest


@pytest.fixture
def target(setup):
    return setup.target
