# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The stock Linux initiator (open-iscsi, iscsi_tcp) and sg3-utils against the target.

    target's namespace                       fabric's namespace
    10.77.1.1, 10.77.1.2 ──── veth ──── bridge ──── card ──── guest's eth0, 10.77.1.9
"""

import os
import re
import shutil
import time
from types import SimpleNamespace

import pytest

from conftest import MACHINE_TOOLS
from guest import attach_guest
from lab import Lab, Target, pattern, wait_until

TOOLS = (*MACHINE_TOOLS, "fio", "mkfs.ext4", "iscsiadm", "iscsid", "sg_inq", "dmsetup")
IQN = "iqn.2026-11.example:"
OPEN, CLOSED = IQN + "open", IQN + "closed"
PORTALS = ("10.77.1.1:3260", "10.77.1.2:3260")
SECRETS = "guest secret-of-guest-1\nstorage secret-of-storage-2\n"
SIZES = {OPEN: 64 << 20, CLOSED: 32 << 20}
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
mkdir -p /run/lock
mount -t tmpfs tmpfs /etc/iscsi
echo InitiatorName={IQN}guest > /etc/iscsi/initiatorname.iscsi
cat > /etc/iscsi/iscsid.conf <<END
{ISCSID_CONF}END
iscsid
"""


class Server(Target):
    """A running `stgt-xdp serve`."""

    def command(self, words):
        return ["serve", *map(str, words)]


class Initiator:
    """open-iscsi in the guest."""

    def __init__(self, guest):
        self.guest = guest
        guest.run(ISCSID)

    def admin(self, words, check=True):
        return self.guest.run(f"iscsiadm {words}", 90, check)

    def discover(self):
        found = self.admin(f"-m discovery -t sendtargets -p {PORTALS[0]}")
        return {tuple(line.split(",1 ")) for line in found.splitlines()}

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


@pytest.fixture(scope="module")
def setup():
    for tool in TOOLS:
        if not shutil.which(tool):
            pytest.skip(f"missing: {tool}")
    lab = Lab()
    try:
        storage, fabric = lab.netns("storage"), lab.netns("fabric")
        near, port = lab.veth(storage, fabric, 9000)
        for portal in PORTALS:
            lab.ip(storage, f"address add {portal.split(':')[0]}/24 dev {near}")
        guest, card = attach_guest(lab, fabric)
        lab.bridge(fabric, [port, card], 9000)
        disks = {target: lab.disk(size) for target, size in SIZES.items()}
        chap = lab.path / "chap"
        chap.write_text(SECRETS)
        words = [word for portal in PORTALS for word in ("--portal", portal)]
        target = Server(lab, storage, [
            "--iscsi", OPEN, *words, "--lun", f"0={disks[OPEN]}", "--allow", "any",
            "--iscsi", CLOSED, *words, "--lun", f"0={disks[CLOSED]}", "--allow", IQN + "guest",
            "--chap", chap])
        guest.run("ip address add 10.77.1.9/24 dev eth0; ip link set eth0 mtu 9000 up; ip link set lo up")
        guest.load("iscsi_tcp", "sd_mod", "sg", "crc32c_generic", "ext4", "dm-multipath",
                   "dm-round-robin")
        yield SimpleNamespace(lab=lab, guest=guest, target=target, disks=disks,
                              initiator=Initiator(guest), link=(fabric, port),
                              storage=storage, near=near)
    finally:
        lab.close()


@pytest.fixture
def initiator(setup):
    """Has discovered what there is and is logged in nowhere."""
    setup.initiator.discover()
    yield setup.initiator
    setup.initiator.logout()
    setup.initiator.admin("-m node -o delete")


@pytest.fixture
def disk(initiator):
    """The open target's, logged in with what iscsid asks for by itself."""
    return initiator.login(OPEN)


def changed_pieces(path, size):
    """How many pieces of 4 KiB are no longer those of pattern()."""
    with open(path, "rb") as file:
        data = file.read(size)
    return sum(data[at:at + 8] != (at // 512).to_bytes(8, "big") for at in range(0, size, 4096))


def verified_run(setup, disk, trouble):
    """fio writes 8 MiB in random order, then reads and checks all of it; `trouble()` comes between."""
    path = setup.disks[OPEN]
    with open(path, "r+b") as file:
        file.write(pattern(0, (8 << 20) // 512))
    run = setup.guest.start(f"{FIO} --rw=randwrite --rate_iops=800 --filename={disk} --size=8M")
    wait_until(lambda: changed_pieces(path, 8 << 20) > 200, 60, "some of fio's writes in the file")
    assert run.status is None
    trouble()
    assert run.wait(120) == 0, run.output()
    assert changed_pieces(path, 8 << 20) == 2048


def test_discovery_shows_targets_and_portals(initiator):
    assert initiator.discover() == {(portal, target) for portal in PORTALS
                                    for target in (OPEN, CLOSED)}


def test_disk_has_the_files_size_and_content(setup, guest, disk):
    assert int(guest.run(f"blockdev --getsize64 {disk}")) == SIZES[OPEN]
    assert (guest.run(f"md5sum < {disk}").split()[0] ==
            setup.lab.run(["md5sum", setup.disks[OPEN]]).stdout.split()[0])


def test_mutual_chap(guest, initiator):
    status, shown = initiator.admin(f"-m node -T {CLOSED} -p {PORTALS[0]} --login", check=False)
    assert status == 24 and "authorization" in shown, shown
    initiator.set(CLOSED, node__session__auth__authmethod="CHAP", node__session__auth__username="guest",
                  node__session__auth__password="secret-of-guest-1",
                  node__session__auth__username_in="storage",
                  node__session__auth__password_in="not-the-secret-3")
    # It is the initiator that notices this one.
    status, shown = initiator.admin(f"-m node -T {CLOSED} -p {PORTALS[0]} --login", check=False)
    assert status == 19 and "login failure" in shown, shown
    initiator.set(CLOSED, node__session__auth__password_in="secret-of-storage-2")
    disk = initiator.login(CLOSED)
    assert int(guest.run(f"blockdev --getsize64 {disk}")) == SIZES[CLOSED]


def test_digests_and_verified_io(guest, initiator):
    for part in ("HeaderDigest", "DataDigest"):
        initiator.set(OPEN, **{f"node__conn[0]__iscsi__{part}": "CRC32C"})
    disk = initiator.login(OPEN)
    shown = initiator.admin("-m session -P 2")
    assert re.search(r"HeaderDigest: CRC32C\s+DataDigest: CRC32C", shown), shown
    guest.run(f"{FIO} --filename={disk} --size=8M", 120)
    guest.run(f"{FIO} --filename={disk} --size=16M --offset=8M --bsrange=512-512k", 120)


def test_file_system(setup, guest, disk):
    guest.run(f"""
        set -e
        mkfs.ext4 -q -F {disk}
        mkdir -p /mnt/disk
        mount {disk} /mnt/disk
        head -c 16000000 /dev/urandom > /tmp/data
        cp /tmp/data /mnt/disk/data
        cp -r /etc/apt /mnt/disk/
        umount /mnt/disk
        mount -o ro {disk} /mnt/disk
        cmp /tmp/data /mnt/disk/data
        diff -r /etc/apt /mnt/disk/apt
        umount /mnt/disk
        e2fsck -fn {disk}
    """, 120)
    # What reached the file is the same file system.
    setup.lab.run(["e2fsck", "-fn", setup.disks[OPEN]])


def test_killed_and_restarted_during_verified_io(setup, disk):
    def trouble():
        setup.target.kill()
        time.sleep(1)  # the outage that initiators must sit out
        setup.target.start()

    verified_run(setup, disk, trouble)


def test_link_down_during_verified_io(setup, guest, disk):
    netns, port = setup.link

    def trouble():
        setup.lab.ip(netns, f"link set {port} down")
        time.sleep(20)
        assert "FAILED" in setup.initiator.admin("-m session -P 1")
        setup.lab.ip(netns, f"link set {port} up")

    verified_run(setup, disk, trouble)


def test_rescan_shows_a_resize(setup, guest, initiator, disk):
    file = setup.disks[OPEN]
    os.truncate(file, 80 << 20)
    setup.target.hup()

    def size():
        initiator.admin(f"-m node -T {OPEN} -R")
        return int(guest.run(f"blockdev --getsize64 {disk}"))

    wait_until(lambda: size() == 80 << 20, 10, "new size after a rescan")
    guest.run(f"{FIO} --filename={disk} --offset=70M --size=2M", 60)


def test_units_describe_themselves(setup, guest, disk):
    assert re.findall(r"^ +([0-9a-f]{16})$", guest.run(f"sg_luns {disk}"), re.M) == [16 * "0"]
    inquiry = guest.run(f"sg_inq {disk}")
    assert "Vendor identification: STGT-XDP" in inquiry and "CmdQue=1" in inquiry, inquiry
    pages = guest.run(f"sg_vpd -p sv {disk}")
    for page in ("Supported VPD pages", "Unit serial number", "Device identification",
                 "Block limits (SBC)", "Block device characteristics (SBC)",
                 "Logical block provisioning (SBC)"):
        assert f"{page} [" in pages, pages
    names = guest.run(f"sg_vpd -p di {disk}")
    assert re.search(r"NAA,.*\n\s+0x[36]", names) and f"{OPEN},t,0x0001" in names, names
    limits = guest.run(f"sg_vpd -p bl {disk}")
    assert "Maximum compare and write length: 255 blocks" in limits, limits
    assert "Unmap command supported (LBPU): 1" in guest.run(f"sg_vpd -p lbpv {disk}")
    modes = guest.run(f"sg_modes -a {disk}")
    for page in ("Caching", "Control", "Informational exceptions control"):
        assert f">> {page}, page_control: current" in modes, modes
    cache = guest.run(f"cat /sys/block/{os.path.basename(disk)}/queue/write_cache")
    assert cache.strip() == "write back"
    commands = guest.run(f"sg_opcodes {disk}")
    for name in ("Read(16)", "Unmap", "Compare and write", "Get LBA status(16)", "Report luns"):
        assert name in commands, commands


def lba_status(guest, disk, lba):
    """(blocks, what they are) from there on."""
    shown = guest.run(f"sg_get_lba_status --lba={lba} {disk}")
    return re.search(r"blocks:\s+(\d+)\s+(\w+)", shown).groups()


def test_unmap_and_lba_status(setup, guest, disk):
    """What is unmapped is zero there, says so, and takes no place in the file."""
    guest.run(f"dd if=/dev/urandom of={disk} bs=1M count=4 oflag=direct conv=nocreat")
    assert lba_status(guest, disk, 2048)[1] == "mapped"
    guest.run(f"sg_unmap --lba=2048 --num=2048 --force {disk}")
    assert lba_status(guest, disk, 0) == ("2048", "mapped")
    assert lba_status(guest, disk, 2048) == ("2048", "deallocated")
    guest.run(f"cmp -n 1048576 {disk} /dev/zero -i 1048576:0")
    with open(setup.disks[OPEN], "rb") as file:
        assert os.lseek(file.fileno(), 1 << 20, os.SEEK_DATA) == 2 << 20


def test_compare_and_write(setup, guest, disk):
    guest.run(f"dd if=/dev/zero of={disk} count=8 oflag=direct conv=nocreat")
    guest.run("(head -c 512 /dev/zero; yes | head -c 512) > /tmp/both")
    command = f"sg_compare_and_write --in=/tmp/both --lba=4 --num=1 {disk}"
    guest.run(command)
    assert setup.disks[OPEN].read_bytes()[2048:3072] == b"y\n" * 256 + bytes(512)
    status, shown = guest.run(command, check=False)
    assert status == 14 and "Miscompare at byte offset: 0" in shown, shown


def test_multipath_survives_the_loss_of_a_path(setup, guest, initiator):
    """Two sessions to one unit under dm-multipath."""
    initiator.set(OPEN, node__session__timeo__replacement_timeout=2)
    paths = [initiator.login(OPEN, portal) for portal in PORTALS]
    names = {guest.run(f"cat /sys/block/{os.path.basename(path)}/device/wwid") for path in paths}
    assert len(names) == 1, names
    numbers = [guest.run(f"cat /sys/block/{os.path.basename(path)}/dev").strip() for path in paths]
    guest.run(f"""
        set -e
        sectors=$(blockdev --getsz {paths[0]})
        dmsetup create both --table "0 $sectors multipath 1 queue_if_no_path 0 1 1 round-robin 0 2 1 \
            {numbers[0]} 4 {numbers[1]} 4"
        dmsetup mknodes both
    """)
    away = f"{PORTALS[1].split(':')[0]}/24 dev {setup.near}"

    def failed():
        return re.search(rf"{numbers[1]} F", guest.run("dmsetup status both"))

    def trouble():
        setup.lab.ip(setup.storage, f"address del {away}")
        wait_until(failed, 30, "the path's failure in dmsetup status")

    try:
        verified_run(setup, "/dev/mapper/both", trouble)
    finally:
        setup.lab.ip(setup.storage, f"address add {away}")
        guest.run("dmsetup remove --force --retry both")


def test_two_initiators_fence_each_other(setup, guest, initiator):
    """Persistent reservations: who is preempted cannot write any more."""
    initiator.admin("-m iface -I other -o new")
    initiator.admin(f"-m iface -I other -o update -n iface.initiatorname -v {IQN}other")
    initiator.admin(f"-m discovery -t sendtargets -p {PORTALS[0]} -I default -I other")
    one, other = initiator.login(OPEN), initiator.login(OPEN, iface="other")

    def writes(disk):
        return guest.run(f"dd if=/dev/zero of={disk} count=1 oflag=direct conv=nocreat",
                         check=False)[0] == 0

    assert writes(one) and writes(other)
    guest.run(f"sg_persist -o -G -S 0xa {one}; sg_persist -o -R -K 0xa -T 5 {one}")
    assert "Write Exclusive, registrants only" in guest.run(f"sg_persist -i -r {other}")
    assert writes(one) and not writes(other)
    guest.run(f"sg_persist -o -G -S 0xb {other}")
    assert writes(other)
    guest.run(f"sg_persist -o -A -K 0xb -S 0xa -T 5 {other}")
    assert writes(other) and not writes(one)
    keys = guest.run(f"sg_persist -i -k {other}")
    assert "0xb" in keys and "0xa" not in keys, keys
    guest.run(f"sg_persist -o -C -K 0xb {other}")
    assert writes(one) and writes(other)
