# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What a newcomer sees first: `make demo`, without the building."""

import json

from lab import PINS, PROGRAM, ROOT


def links_and_namespaces(lab):
    links = {link["ifname"] for link in json.loads(lab.run(["ip", "-j", "link"]).stdout)}
    return links, lab.run(["ip", "netns"]).stdout, set(PINS.glob("*"))


def test_demo_shows_it_working_and_leaves_nothing(lab):
    before = links_and_namespaces(lab)
    shown = lab.run([ROOT / "scripts/demo", PROGRAM], timeout=60).stdout
    assert "\nready: " in shown
    assert "model: STGT-XDP disk" in shown  # aoeping's IDENTIFY
    # Read back over the wire, and out of the file.
    assert shown.count("hello from the other end\n") == 2
    assert "\ndemo\n" in shown  # aoecfg's configuration string
    assert '"last_seen_ns":' in shown  # bpftool names the fields
    assert "  aoe    0     7.1" in shown  # a row of `status`
    assert shown.rstrip().endswith("The demo is complete.")
    assert links_and_namespaces(lab) == before
