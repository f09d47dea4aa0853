# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Programs that bring an iSCSI initiator of their own: QEMU's and libiscsi's."""

import json
import re
import shutil

import pytest

from iscsi import HOST, IQN, Serve, Tools, url
from lab import pattern

SIZE = 16 << 20


@pytest.fixture
def netns(lab):
    return lab.netns("iscsi")


@pytest.fixture
def disk(lab):
    return lab.disk(SIZE)


@pytest.fixture
def serve(lab, netns, disk):
    return Serve(lab, netns, ["--iscsi", IQN, "--portal", "127.0.0.1:3260", "--lun", f"0={disk}",
                              "--lun", f"1=ram:{SIZE}", "--allow", "any"])


@pytest.fixture
def qemu_img(lab, netns, serve):
    if not shutil.which("qemu-img"):
        pytest.skip("missing: qemu-img")

    def run(*words, check=True):
        return lab.run(["qemu-img", *words], netns, check=check, timeout=120)

    return run


def test_qemu_img_sees_the_disk(qemu_img):
    shown = json.loads(qemu_img("info", "--output=json", url()).stdout)
    assert shown["format"] == "raw" and shown["virtual-size"] == SIZE


def test_qemu_img_converts_there_and_back(qemu_img, lab, disk):
    image = lab.path / "copy.qcow2"
    qemu_img("convert", "-O", "qcow2", url(), image)
    assert "identical" in qemu_img("compare", image, url()).stdout
    # The other unit has nothing of it yet (sector 0 is all zeros); -n: it is there, and not to be made.
    differs = qemu_img("compare", url(), url(1), check=False)
    assert differs.returncode == 1 and "mismatch at offset 512" in differs.stdout, differs
    qemu_img("convert", "-n", "-O", "raw", image, url(1))
    assert "identical" in qemu_img("compare", url(), url(1)).stdout
    back = lab.path / "back.img"
    qemu_img("convert", "-O", "raw", url(1), back)
    assert back.read_bytes() == disk.read_bytes() == pattern(0, SIZE // 512)


def test_qemu_img_knows_what_is_not_there(qemu_img, lab, disk):
    """GET LBA STATUS: holes are holes in the map, and take no place in a copy."""
    with open(disk, "r+b") as file:
        file.truncate(4 << 20)
        file.truncate(SIZE)
    pieces = json.loads(qemu_img("map", "--output=json", url()).stdout)
    assert [(piece["start"], piece["length"], piece["zero"]) for piece in pieces] == [
        (0, 4 << 20, False), (4 << 20, 12 << 20, True)]
    # A raw image is written with holes, by UNMAP or WRITE SAME, where there is nothing.
    image = lab.path / "hole.img"
    image.write_bytes(pattern(0, 2048))
    with open(image, "r+b") as file:
        file.truncate(SIZE)
    qemu_img("convert", "-n", "-f", "raw", "-O", "raw", image, url())
    assert disk.read_bytes() == pattern(0, 2048) + bytes(SIZE - (1 << 20))
    assert disk.stat().st_blocks * 512 < 4 << 20


@pytest.mark.parametrize("words", [(), ("-r",)], ids=["sequential", "random"])
def test_iscsi_perf(lab, netns, serve, words):
    """It reads for two seconds, 32 blocks of 4 KiB at a time, and reports."""
    if not shutil.which("iscsi-perf"):
        pytest.skip("missing: iscsi-perf")
    done = lab.run(["iscsi-perf", "-i", HOST, "-m", "32", "-b", "8", "-t", "2", *words, url()], netns,
                   timeout=30)
    assert "fail" not in (done.stdout + done.stderr).lower(), done
    iops = [int(number) for number in re.findall(r"iops current (\d+)|iops average (\d+)", done.stdout)
            for number in number if number]
    assert iops and max(iops) > 100, done
    assert serve.json("stats")["iscsi"]["read_bytes"] > 4096 * max(iops)
