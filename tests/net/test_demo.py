# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What a newcomer sees first: `make demo`, without the building."""

import json
import re

from lab import PINS, PROGRAM, ROOT


def left_over(lab, number):
    """What bears the demo's names; other tests, and other demos, may run beside this one."""
    links = [link["ifname"] for link in json.loads(lab.run(["ip", "-j", "link"]).stdout)]
    names = links + lab.run(["ip", "netns"]).stdout.split() + [pin.name for pin in PINS.glob("*")]
    return {*names} & {f"{name}{number}" for name in ("aoet", "aoei", "aoe-demo-")}


def test_demo_shows_it_working_and_leaves_nothing(lab):
    shown = lab.run([ROOT / "scripts/demo", PROGRAM], timeout=60).stdout
    assert "\nready: " in shown
    assert "model: STGT-XDP disk" in shown  # aoeping's IDENTIFY
    # Read back over the wire, and out of the file.
    assert shown.count("hello from the other end\n") == 2
    assert "\ndemo\n" in shown  # aoecfg's configuration string
    assert '"last_seen_ns":' in shown  # bpftool names the fields
    assert "  aoe    0     7.1" in shown  # a row of `status`
    assert shown.rstrip().endswith("The demo is complete.")
    assert left_over(lab, re.search(r"aoet(\d+) serves", shown)[1]) == set()
