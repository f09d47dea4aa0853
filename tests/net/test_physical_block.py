# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The physical block of a file is one of its file system's blocks, and is shown so everywhere."""

import json
import subprocess

import pytest

from iscsi_wire import READ, IscsiTarget
from lab import PROGRAM
from scsi import Scsi

READ_CAPACITY_16 = bytes([0x9e, 0x10]) + bytes(11) + bytes([32]) + bytes(2)


@pytest.fixture
def file_on(lab):
    """A file on a new file system, made by these words."""
    def make(*words):
        number = next(lab.names)
        image, at = lab.disk(64 << 20, f"fs{number}.img", fill=False), lab.path / f"fs{number}"
        at.mkdir()
        lab.run([*words, image])
        lab.run(["mount", "-o", "loop", image, at])
        lab.undo.callback(subprocess.run, ["umount", "-l", str(at)])
        path = at / "disk.img"
        path.write_bytes(bytes(1 << 20))
        return path

    return make


def shown(lab, disk):
    """What status says, and READ CAPACITY: bytes of a physical block."""
    target = IscsiTarget(lab, luns=[disk])
    host = Scsi(target.socket())
    host.login()
    host.run(bytes(6))
    status, data = host.run(READ_CAPACITY_16, expected=32, flags=READ)
    assert status == 0
    done = lab.run([PROGRAM, "status", "--json", "--socket", target.home / "socket"], target.netns)
    host.close()
    return (json.loads(done.stdout)["disks"][0]["physical_block"],
            int.from_bytes(data[8:12], "big") << (data[13] & 15))


@pytest.mark.parametrize("block", [1024, 2048, 4096])
def test_a_block_of_the_file_system(lab, file_on, block):
    assert shown(lab, file_on("mkfs.ext4", "-q", "-b", str(block))) == (block, block)


# Nor is it less than what initiators write at least.
@pytest.mark.parametrize("option, block", [("block_size=4096", 4096), ("block_size=512", 512),
                                           ("logical_block_size=4096", 4096)])
def test_what_the_administrator_says_holds(lab, file_on, option, block):
    path = file_on("mkfs.ext4", "-q", "-b", "1024")
    assert shown(lab, f"{path},{option}") == (block, block)
