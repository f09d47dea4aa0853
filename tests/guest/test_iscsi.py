# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The stock Linux initiator (open-iscsi, iscsi_tcp) against the target."""

import os
import re
import time

import pytest

from lab import Lab, wait_until
from open_iscsi import FIO, IQN, PORTALS, TOOLS, need, lay_out, verified_run, with_portals

OPEN, CLOSED = IQN + "open", IQN + "closed"
SECRETS = "guest secret-of-guest-1\nstorage secret-of-storage-2\n"
SIZES = {OPEN: 64 << 20, CLOSED: 32 << 20}


@pytest.fixture(scope="module")
def setup():
    need((*TOOLS, "mkfs.ext4"))
    lab = Lab()
    try:
        disks = {target: lab.disk(size) for target, size in SIZES.items()}
        chap = lab.path / "chap"
        chap.write_text(SECRETS)
        bed = lay_out(lab, [
            "--iscsi", OPEN, *with_portals(1, 1), "--lun", f"0={disks[OPEN]}", "--allow", "any",
            "--iscsi", CLOSED, *with_portals(1, 1), "--lun", f"0={disks[CLOSED]}",
            "--allow", IQN + "guest", "--chap", chap],
            modules=("ext4",))
        bed.disks = disks
        yield bed
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

    verified_run(setup, setup.disks[OPEN], disk, trouble)


def test_link_down_during_verified_io(setup, guest, disk):
    netns, port = setup.link

    def trouble():
        setup.lab.ip(netns, f"link set {port} down")
        wait_until(lambda: "FAILED" in setup.initiator.admin("-m session -P 1"), 40, "the session's failure")
        setup.lab.ip(netns, f"link set {port} up")

    verified_run(setup, setup.disks[OPEN], disk, trouble)


def test_rescan_shows_a_resize(setup, guest, initiator, disk):
    file = setup.disks[OPEN]
    os.truncate(file, 80 << 20)
    setup.target.hup()

    def size():
        initiator.admin(f"-m node -T {OPEN} -R")
        return int(guest.run(f"blockdev --getsize64 {disk}"))

    wait_until(lambda: size() == 80 << 20, 10, "new size after a rescan")
    guest.run(f"{FIO} --filename={disk} --offset=70M --size=2M", 60)
