# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Who may talk to an export: access lists, and VLANs through a bridge that hides tags."""

import pytest

from aoe import (AFLAG_LBA48, AFLAG_WRITE, ATA, BROADCAST, CONFIG, CONFIG_READ, ERR_ABRT, WRITE_EXT,
                 AoeClient, AtaReply, ata_body, config_body)
from lab import VLAN_METADATA, pattern, wait_until

FRIEND = "02:00:00:00:00:01"
READER = "02:00:00:00:00:02"
STRANGER = "02:00:00:00:00:03"


def drops(target):
    return target.json("stats")["interfaces"][0]["counters"]["aoe"]["drop-acl"]["frames"]


def query(client, **kwargs):
    return client.frame(CONFIG, config_body(CONFIG_READ), **kwargs)


def test_only_listed_initiators_are_heard(pair):
    target = pair.serve_disk(pair.lab.disk(), allow=FRIEND)
    friend = pair.client(mac=FRIEND)
    assert friend.read(1, 2) == pattern(1, 2)
    before = drops(target)
    assert friend.replies(query(friend, src=STRANGER)) == []
    write = ata_body(WRITE_EXT, 1, 1, aflags=AFLAG_WRITE | AFLAG_LBA48, data=bytes(512))
    assert friend.replies(friend.frame(ATA, write, src=STRANGER)) == []
    assert drops(target) == before + 2
    assert friend.read(1, 1) == pattern(1, 1)


def test_stranger_finds_nothing_by_broadcast(pair):
    pair.serve_disk(pair.lab.disk(), allow=FRIEND)
    friend = pair.client(mac=FRIEND)
    assert friend.replies(query(friend, src=STRANGER, dst=BROADCAST, shelf=0xFFFF, slot=0xFF)) == []
    assert friend.finds((7, 1))


@pytest.mark.parametrize("allow", [f"{FRIEND},{READER}/ro", f"{FRIEND},any/ro"])
def test_read_only_initiator(pair, allow):
    disk = pair.lab.disk()
    pair.serve_disk(disk, allow=allow)
    friend, reader = pair.client(mac=FRIEND), pair.client(mac=READER)
    assert reader.read(4, 2) == pattern(4, 2)
    refused = reader.ata(WRITE_EXT, 4, 1, aflags=AFLAG_WRITE | AFLAG_LBA48, data=bytes(512))
    assert isinstance(refused, AtaReply) and refused.status & 1 and refused.error & ERR_ABRT
    assert friend.read(4, 1) == pattern(4, 1)
    friend.write(4, pattern(4, 1, 9))
    assert reader.read(4, 1) == pattern(4, 1, 9)


def test_lists_hold_for_the_exports_before_them(pair):
    pair.serve("--aoe", "7.1=ram:1M", "--aoe", "7.2=ram:1M", "--allow", FRIEND, "--aoe", "7.3=ram:1M",
               "--allow", READER)
    assert pair.client(mac=FRIEND).finds((7, 1), (7, 2))
    assert pair.client(mac=READER).finds((7, 3))


def test_read_only_disk(pair):
    disk = pair.lab.disk()
    pair.serve("--aoe", f"7.1={disk},ro", "--allow", "any")
    client = pair.client()
    refused = client.ata(WRITE_EXT, 0, 1, aflags=AFLAG_WRITE | AFLAG_LBA48, data=bytes(512))
    assert isinstance(refused, AtaReply) and refused.status & 1
    assert client.read(0, 1) == pattern(0, 1)


def test_initiators_are_counted(pair):
    target = pair.serve_disk(pair.lab.disk(), allow=f"{FRIEND},{READER}")
    friend = pair.client(mac=FRIEND)
    for lba in range(10):
        friend.read(lba, 1)
    seen = {entry["mac"]: entry for entry in target.json("status")["initiators"]}
    assert seen[FRIEND]["frames"] == 10 and seen[FRIEND]["protocol"] == "aoe"
    assert STRANGER not in seen and READER not in seen


# ---- VLANs ---------------------------------------------------------------------------------------


class Bridged:
    """initiator ──── bridge ──── storage; the bridge's port may keep tags beside the frame."""

    def __init__(self, lab, txvlan):
        self.lab = lab
        self.storage, fabric, self.initiator = map(lab.netns, ("storage", "fabric", "initiator"))
        self.port, port_end = lab.veth(self.storage, fabric)
        self.nic, nic_end = lab.veth(self.initiator, fabric)
        lab.bridge(fabric, [port_end, nic_end])
        if not txvlan:
            lab.run(["ethtool", "-K", port_end, "txvlan", "off"], fabric)
        self.mac = lab.mac(self.storage, self.port)

    def client(self, slot, *vlans):
        return AoeClient(self.lab, self.initiator, self.nic, self.mac, 7, slot, vlans=vlans)


if VLAN_METADATA:

    @pytest.fixture(params=["direct", "bridge-txvlan-on", "bridge-txvlan-off"])
    def wire(lab, request):
        """The ways from an initiator to the target that a tag may go."""
        if request.param == "direct":
            from conftest import Pair
            wire = Pair(lab)
            wire.client = lambda slot, *vlans: AoeClient(lab, wire.initiator, wire.nic, wire.mac, 7, slot,
                                                         vlans=vlans)
        else:
            wire = Bridged(lab, txvlan=request.param == "bridge-txvlan-on")
        wire.target = lab.target(wire.storage, wire.port, "--aoe", f"5:7.1={lab.disk()}", "--allow",
                                 "any", "--aoe", f"7.2={lab.disk()}", "--allow", "any")
        return wire

    def test_tagged_export_answers_on_its_vlan_only(wire):
        tagged = wire.client(1, 5)
        assert tagged.read(7, 2) == pattern(7, 2)
        tagged.write(7, pattern(7, 2, 4))
        assert tagged.read(7, 2) == pattern(7, 2, 4)
        for vlans in ((), (6,), (5, 6), (6, 5)):
            assert tagged.replies(query(tagged, vlans=vlans)) == []
            assert tagged.replies(query(tagged, vlans=vlans, dst=BROADCAST)) == []

    def test_reply_carries_the_tag(wire):
        tagged = wire.client(1, 5)
        assert tagged.request(CONFIG, config_body(CONFIG_READ)).vlans == (5,)
        untagged = wire.client(2)
        assert untagged.request(CONFIG, config_body(CONFIG_READ)).vlans == ()

    def test_untagged_export_does_not_answer_on_a_vlan(wire):
        untagged = wire.client(2)
        assert untagged.read(7, 2) == pattern(7, 2)
        for vlans in ((5,), (6,)):
            assert untagged.replies(query(untagged, vlans=vlans)) == []
        # A priority tag names no VLAN.
        assert len(untagged.replies(query(untagged, vlans=(0,)))) == 1

    def test_status_says_how_tags_are_seen(wire):
        status = wire.target.json("status")
        assert status["interfaces"][0]["vlan"] in ("metadata", "rxvlan-off", "in-frame")
        assert sorted((export["address"], export["vlan"]) for export in status["exports"]) == \
            [("7.1", 5), ("7.2", 0)]

    def test_two_tags(pair):
        pair.serve("--aoe", "100.5:7.1=ram:1M", "--allow", "any")
        inner = pair.client(vlans=(100, 5))
        inner.write(0, pattern(0, 1))
        assert inner.read(0, 1) == pattern(0, 1)
        for vlans in ((), (5,), (100,), (5, 100)):
            assert inner.replies(query(inner, vlans=vlans)) == []

    def test_offload_is_as_it_was_after_the_end(pair):
        def features():
            return pair.lab.run(["ethtool", "-k", pair.port], pair.storage).stdout

        before = features()
        target = pair.serve("--aoe", "5:7.1=ram:1M", "--allow", "any")
        assert target.stop() == 0
        wait_until(lambda: features() == before, 2, "the interface's features as before")

else:

    def test_tagged_export_is_refused(pair):
        """A veth hides tags, and this kernel cannot show them: no isolation, no export."""
        line = pair.refused_attach(pair.port, "--aoe", "5:7.1=ram:1M", "--allow", "any")
        assert "VLAN" in line
