# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Somebody else's reading of the golden outputs: tshark takes every frame for well-formed AoE."""

import subprocess
from pathlib import Path

import pytest

OUTPUTS = sorted(Path(__file__).resolve().parent.glob("*.out.pcap"))


def tshark(path, *args):
    done = subprocess.run(["tshark", "-n", "-r", str(path), *args], check=True,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    return done.stdout.splitlines()


def test_there_are_outputs():
    assert OUTPUTS


@pytest.mark.parametrize("path", OUTPUTS, ids=lambda path: path.name)
def test_nothing_is_malformed(path):
    assert tshark(path, "-Y", "_ws.malformed || _ws.expert.severity==error") == []


@pytest.mark.parametrize("path", OUTPUTS, ids=lambda path: path.name)
def test_every_frame_is_an_aoe_response(path):
    frames = len(tshark(path))
    assert frames > 0
    assert len(tshark(path, "-Y", "aoe")) == frames
    assert len(tshark(path, "-Y", "aoe.response == 1 && aoe.version == 1")) == frames


@pytest.mark.parametrize("path", OUTPUTS, ids=lambda path: path.name)
def test_addresses_are_real(path):
    assert tshark(path, "-Y", "aoe.major == 0xffff || aoe.minor == 0xff || eth.dst.ig == 1") == []
