# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A target, and a guest that logs in with open-iscsi.

    target's namespace                       fabric's namespace
    10.77.1.1, 10.77.1.2 ──── veth ──── bridge ──── card ──── guest's eth0, 10.77.1.9
"""

import os
import re
import shutil
from types import SimpleNamespace

import pytest

from conftest import MACHINE_TOOLS
from guest import attach_guest
from iscsi import Serve
from lab import pattern, wait_until

TOOLS = (*MACHINE_TOOLS, "fio", "iscsiadm", "iscsid", "sg_inq")
IQN = "iqn.2026-11.example:"
PORTALS = ("10.77.1.1:3260", "10.77.1.2:3260")
MODULES = ("overlay", "iscsi_tcp", "sd_mod", "sg", "crc32c_generic")
FIO = ("fio --name=verify --direct=1 --ioengine=libaio --iodepth=16 --rw=randrw --bs=4k "
       "--verify=crc32c --verify_fatal=1 --output-format=terse --minimal")

# Quick to notice that a portal is gone, slow to give up on it.
ISCSID_CONF = """\
node.startup = manual
node.leading_login = No
node.session.scan = auto
node.session.timeo.replacement_timeout = 120
node.conn[0].timeo.login_timeout = 5
node.conn[0].timeo.noop_out_interval = 2
node.conn[0].timeo.noop_out_timeout = 3
"""
ISCSID = f"""set -e
mkdir -p /run/lock /run/etc/new /run/etc/work
mount -t overlay overlay -o lowerdir=/etc,upperdir=/run/etc/new,workdir=/run/etc/work /etc
mount -t tmpfs tmpfs /etc/iscsi
echo InitiatorName={IQN}guest > /etc/iscsi/initiatorname.iscsi
cat > /etc/iscsi/iscsid.conf <<END
{ISCSID_CONF}END
iscsid
"""


class Initiator:
    """open-iscsi in the guest."""

    def __init__(self, guest):
        self.guest = guest
        guest.run(ISCSID)

    def admin(self, words, check=True):
        return self.guest.run(f"iscsiadm {words}", 90, check)

    def discover(self):
        found = self.admin(f"-m discovery -t sendtargets -p {PORTALS[0]}")
        return {tuple(re.split(r",\d+ ", line)) for line in found.splitlines()}

    def set(self, target, **settings):
        for name, value in settings.items():
            self.admin(f"-m node -T {target} -o update -n {name.replace('__', '.')} -v '{value}'")

    def login(self, target, portal=PORTALS[0], iface="default"):
        """The device that appears."""
        before = self.devices()
        self.admin(f"-m node -T {target} -p {portal} -I {iface} --login")
        return wait_until(lambda: self.devices() - before, 20, f"a disk of {target}").pop()

    def logout(self):
        self.admin("-m session -u", check=False)

    def devices(self):
        _, shown = self.admin("-m session -P 3", check=False)
        return {f"/dev/{name}" for name in re.findall(r"Attached scsi disk (\w+)\s+State: running",
                                                      shown)
                if self.guest.run(f"test -b /dev/{name}", check=False)[0] == 0}

    def by_lun(self, devices):
        """In the order of their LUNs; their names are in the order in which the kernel was done with them."""
        def lun(device):
            return int(self.guest.run(f"readlink /sys/block/{os.path.basename(device)}/device").rsplit(":", 1)[1])

        return sorted(devices, key=lun)


def need(tools):
    for tool in tools:
        if not shutil.which(tool):
            pytest.skip(f"missing: {tool}")


def lay_out(lab, words, modules=()):
    """`serve` with these words, and the guest. `near` is the target's interface, `link` the cable's other end."""
    storage, fabric = lab.netns("storage"), lab.netns("fabric")
    near, port = lab.veth(storage, fabric, 9000)
    # Who takes the first address away must not take the second with it.
    lab.run(["sysctl", "-qw", "net.ipv4.conf.all.promote_secondaries=1"], storage)
    for portal in PORTALS:
        lab.ip(storage, f"address add {portal.split(':')[0]}/24 dev {near}")
    guest, card = attach_guest(lab, fabric)
    lab.bridge(fabric, [port, card], 9000)
    target = Serve(lab, storage, words)
    guest.run("ip address add 10.77.1.9/24 dev eth0; ip link set eth0 mtu 9000 up; ip link set lo up")
    guest.load(*MODULES, *modules)
    return SimpleNamespace(lab=lab, guest=guest, target=target, initiator=Initiator(guest),
                           link=(fabric, port), storage=storage, near=near)


def with_portals(*groups):
    """serve's words for the portals, each in a group."""
    return [word for portal, group in zip(PORTALS, groups) for word in ("--portal", f"{portal},{group}")]


def changed_pieces(path, size):
    """How many pieces of 4 KiB are no longer those of pattern()."""
    with open(path, "rb") as file:
        data = file.read(size)
    return sum(data[at:at + 8] != (at // 512).to_bytes(8, "big") for at in range(0, size, 4096))


def verified_run(setup, path, disk, trouble, rate=800):
    """
    fio writes 8 MiB in random order, `rate` blocks of its 2048 a second at most, then reads and checks all of
    it; `trouble()` comes between. `path` is the disk's file.
    """
    with open(path, "r+b") as file:
        file.write(pattern(0, (8 << 20) // 512))
    run = setup.guest.start(f"{FIO} --rw=randwrite --rate_iops={rate} --filename={disk} --size=8M")
    wait_until(lambda: changed_pieces(path, 8 << 20) > 200, 60, "some of fio's writes in the file")
    assert run.status is None
    trouble()
    assert run.wait(120) == 0, run.output()
    assert changed_pieces(path, 8 << 20) == 2048
