# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A disk's file that somebody takes away while it is served: the administrator hears of it before a restart."""

import os

import pytest

from lab import pattern, wait_until
from test_metrics import LISTEN, scrape

SIZE = 1 << 20


@pytest.fixture
def file(lab):
    return lab.disk(SIZE)


@pytest.fixture
def target(pair, file):
    return pair.serve_disk(file, "--exporter", LISTEN)


def lost(target):
    return target.json("status")["disks"][0]["file_lost"]


def deleted(file):
    file.unlink()


def moved(file):
    file.rename(file.with_suffix(".old"))


def replaced(file):
    other = file.with_suffix(".new")
    other.write_bytes(bytes(SIZE))
    other.rename(file)


def cut(file):
    os.truncate(file, SIZE // 2)


@pytest.mark.parametrize("happens, told", [(deleted, "its file was deleted"), (moved, "moved or replaced"),
                                           (replaced, "moved or replaced"), (cut, "cut short")])
def test_it_is_told(pair, target, file, happens, told):
    assert lost(target) is False and scrape(pair.storage).value("stgt_disk_file_lost") == 0
    happens(file)
    wait_until(lambda: lost(target), 20, "a lost file is noticed")
    assert told in target.output()
    assert scrape(pair.storage).value("stgt_disk_file_lost") == 1
    # Initiators go on with what there is.
    pair.client().write(0, pattern(0, 2, 1))
    assert pair.client().read(0, 2) == pattern(0, 2, 1)


def test_it_is_told_when_it_is_back(target, file):
    moved(file)
    wait_until(lambda: lost(target), 20, "a lost file is noticed")
    file.with_suffix(".old").rename(file)
    wait_until(lambda: not lost(target), 20, "a file that is back is noticed")
    assert target.output().count("its file is as it should be again") == 1


def test_a_link_on_the_way_may_change(lab, pair, file):
    """Only where the path leads to counts."""
    link = lab.path / "link"
    link.symlink_to(file)
    target = pair.serve_disk(link)
    link.unlink()
    wait_until(lambda: lost(target), 20, "a lost file is noticed")
    os.link(file, link)
    wait_until(lambda: not lost(target), 20, "a file that is back is noticed")


def test_what_is_no_file_is_not_lost(pair):
    assert "file_lost" not in pair.serve_disk("ram:1M").json("status")["disks"][0]
