# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The tools that administrators use on it: aoetools, bpftool, status and stats."""

import json
import math
import re
import shutil

import pytest

from aoe import CONFIG_FORCE
from conftest import Pair
from lab import PINS, Lab, patience, pattern


@pytest.fixture(scope="module")
def served():
    for tool in ("aoeping", "aoecfg", "aoe-sancheck", "bpftool"):
        if not shutil.which(tool):
            pytest.skip(f"missing: {tool}")
    lab = Lab()
    try:
        pair = Pair(lab)
        pair.disk = lab.disk()
        # What aoecfg sets is answered when it is saved, which is not to wait for whoever else writes to the disk.
        pair.target = pair.serve("--aoe", f"7.1={pair.disk},serial=TOOLS-1", "--allow", "any",
                                 state=lab.tmpfs("1m"))
        yield pair
    finally:
        lab.close()


def tool(pair, *words, check=True, **kwargs):
    done = pair.lab.run(words, pair.initiator, check=check, timeout=30, **kwargs)
    return done.stdout if check else done


def ping(pair, *options, **kwargs):
    return tool(pair, "aoeping", "-s", "10", *options, "7", "1", pair.nic, **kwargs)


def test_aoeping(served):
    assert f"found e7.1 with mac {served.mac.replace(':', '')}" in ping(served, "-v")


def test_aoeping_identify(served):
    pretty = ping(served, "-I")
    assert "TOOLS-1" in pretty and "STGT-XDP" in pretty
    dump = ping(served, "-i")
    assert len(dump.split()) >= 256


def test_aoeping_smart(served):
    ping(served, "-S", "enable")
    healthy = ping(served, "-S", "return_status")
    assert "LBA Mid: 0x4f" in healthy and "LBA High: 0xc2" in healthy
    assert "SMART data:" in ping(served, "-S", "read_data")
    ping(served, "-S", "offline_immediate:0")
    assert "SMART data:" in ping(served, "-S", "read_log:0")
    ping(served, "-S", "disable")
    assert "aborted" in ping(served, "-S", "read_data", check=False).stderr
    ping(served, "-S", "enable")


def test_aoeping_smart_log_is_kept(served):
    """A host vendor log (80h) holds what was written."""
    ping(served, "-S", "write_log:128", input="L" * 512)
    assert "4c " * 16 in ping(served, "-S", "read_log:128")


def test_aoecfg(served):
    def aoecfg(*options):
        # It listens for so many seconds, whatever comes.
        return tool(served, "aoecfg", "-t", str(math.ceil(patience(1))), *options, "7", "1", served.nic)

    assert aoecfg() == "\n"
    assert aoecfg("-c", "set", "-s", "hello") == "hello\n"
    assert aoecfg("-c", "read") == "hello\n"
    assert aoecfg("-c", "test", "-s", "hello") == "hello\n"
    assert aoecfg("-c", "prefix", "-s", "he") == "hello\n"
    assert aoecfg("-c", "test", "-s", "he") == ""
    assert aoecfg("-c", "set", "-s", "other") == "*badcfg*\n"
    assert aoecfg("-c", "fset", "-s", "other") == "other\n"
    assert served.client().config(CONFIG_FORCE, b"").string == b""


@pytest.mark.parametrize("mtu", [1500, 9000])
def test_aoe_sancheck(lab, mtu):
    pair = Pair(lab, mtu)
    target = pair.serve_disk(lab.disk())
    payload = target.json("status")["interfaces"][0]["aoe_sectors"] * 512
    output = tool(pair, "aoe-sancheck")
    row = next(line.split() for line in output.splitlines() if line.startswith("e7.1"))
    assert row[1] == "1" and row[2] == str(payload) and row[3] == pair.nic
    # It says so when fewer sectors than the interface's MTU could carry were answered.
    capable = re.search(r"only capable of (\d+) byte", output)
    assert not capable or int(capable[1]) >= payload


# ---- bpftool ------------------------------------------------------------------------------------


def dump(pair, name):
    return pair.lab.run(["bpftool", "map", "dump", "pinned", PINS / pair.port / name]).stdout


@pytest.mark.parametrize("name,fields", [
    ("port", ["abi_version", "ifindex", "netns", "mac", "flood_guard"]),
    ("exports", ["proto", "vlan", "address", "flags"]),
    ("acl", ["proto", "vlan", "address", "mac", "access"]),
    ("counters", ["frames", "bytes"]),
    ("initiators", ["mac", "proto", "frames", "bytes", "drops", "last_seen_ns", "flood_used_ns"]),
])
def test_maps_are_readable(served, name, fields):
    served.client().read(0, 1)
    text = dump(served, name)
    for field in fields:
        assert f'"{field}"' in text, text


def test_exports_map_holds_the_address(served):
    entry = json.loads(dump(served, "exports"))[0]
    assert entry["key"]["address"] == 7 << 8 | 1 and entry["key"]["vlan"] == 0


# ---- status and stats ----------------------------------------------------------------------------


def test_status_json(served):
    served.client().read(0, 1)
    status = served.target.json("status")
    assert set(status) == {"version", "interfaces", "exports", "disks", "initiators", "iscsi", "alua",
                           "sessions", "limits", "faults", "taps", "servers"}
    interface, = status["interfaces"]
    assert interface["name"] == served.port and interface["mac"] == served.mac
    assert interface["mtu"] == 1500 and interface["up"] and interface["aoe_sectors"] == 2
    assert interface["pid"] == served.target.pid
    assert {"xdp_mode", "vlan", "aoe_buffers", "queues", "ifindex", "netns"} <= set(interface)
    export, = status["exports"]
    assert (export["protocol"], export["address"], export["vlan"]) == ("aoe", "7.1", 0)
    assert export["interfaces"] == [served.port] and not export["read_only"]
    assert export["size_bytes"] == served.disk.stat().st_size
    assert export["allow"] == [{"mac": "any", "access": "rw"}]
    disk, = status["disks"]
    assert disk["kind"] == "file" and disk["serial"] == "TOOLS-1"
    initiator = next(entry for entry in status["initiators"]
                     if entry["mac"] == served.lab.mac(served.initiator, served.nic))
    assert initiator["interface"] == served.port and initiator["frames"] > 0


def test_stats_json_counts(served):
    def export():
        stats = served.target.json("stats")
        queue, = stats["interfaces"][0]["queues"]
        return queue["exports"][0], stats["interfaces"][0]["counters"]["aoe"]["redirect"]["frames"]

    client = served.client()
    before, redirected = export()
    client.read(0, 2)
    client.write(4, pattern(4, 1))
    client.ata(0xEA)
    after, redirected_after = export()
    assert redirected_after == redirected + 3
    assert {name: after[name] - before[name] for name in
            ("reads", "read_bytes", "writes", "write_bytes", "flushes", "ata_errors")} == \
        {"reads": 1, "read_bytes": 1024, "writes": 1, "write_bytes": 512, "flushes": 1,
         "ata_errors": 0}


@pytest.mark.parametrize("command,words", [("status", ["7.1", "TOOLS-1"]), ("stats", ["7.1"])])
def test_tables_for_people(served, command, words):
    served.client().read(0, 1)  # what did nothing yet has no row in stats
    text = served.target.control(command).stdout
    for word in [served.port, *words]:
        assert word in text, text


def test_help_and_version(served):
    from lab import PROGRAM
    assert served.lab.run([PROGRAM, "--version"]).stdout.startswith("stgt-xdp ")
    for words in (["--help"], ["attach", "--help"], ["detach", "--help"], ["status", "--help"],
                  ["stats", "--help"]):
        assert "usage: stgt-xdp" in served.lab.run([PROGRAM, *words]).stdout
