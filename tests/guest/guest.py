# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The initiator: a virtual machine with Debian's stock kernel."""

import os
import subprocess
from pathlib import Path

from machine import Machine, Shell

KERNEL = "guest-kernel"
CARD = "virtio-net-pci,netdev=link,host_mtu=9000,mac="
MAC = "52:54:00:12:34:56"


class Guest(Machine):
    """Boots at once; ends with the lab. Its network card is `tap` in the namespace `netns`, if any."""

    def __init__(self, lab, netns=None, tap=None, memory=1024):
        devices = ["-netdev", f"tap,id=link,ifname={tap},script=no,downscript=no",
                   "-device", CARD + MAC] if tap else []
        super().__init__(lab, KERNEL, lab.path / "guest", netns=netns, memory=memory,
                         devices=devices)
        self.boot()


class Neighbour(Shell):
    """The initiator next to the lab machine that this runs in (see labmachine.py)."""

    CARD = "eth0"  # of the lab machine: the other end of the guest's
    LINE = "/dev/ttyS2"

    def __init__(self, lab, folder):
        super().__init__(lab, Path(folder))
        subprocess.run(["stty", "-F", self.LINE, "raw", "-echo"], check=True)
        self.connect(self.LINE, self.LINE)


def attach_guest(lab, netns):
    """A guest, and the name of the interface in the namespace that its frames come from."""
    neighbour = os.environ.get("STGT_TEST_INITIATOR")
    if neighbour:
        lab.ip(None, f"link set {Neighbour.CARD} netns {netns}")
        lab.ip(netns, f"link set {Neighbour.CARD} mtu 9000 up")
        return Neighbour(lab, neighbour), Neighbour.CARD
    tap = lab.device()
    lab.ip(netns, f"tuntap add {tap} mode tap")
    lab.ip(netns, f"link set {tap} mtu 9000 up")
    return Guest(lab, netns, tap), tap
