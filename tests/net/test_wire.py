# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Frames as initiators should not send them, and the order of overlapping writes."""

import struct

import pytest

from aoe import (AFLAG_LBA48, AFLAG_WRITE, ATA, BROADCAST, CONFIG, CONFIG_READ, CONFIG_SET, ERR_ABRT,
                 ERR_IDNF, IDENTIFY, MASK, READ, READ_EXT, RESERVE, STATUS_DRDY, WRITE, WRITE_EXT,
                 AtaReply, ata_body, config_body, mask_body, reserve_body)
from conftest import Pair
from lab import MULTI_BUFFER, pattern, wait_until

SECTORS = 16384  # of the disk: 8 MiB
WRITE48 = AFLAG_WRITE | AFLAG_LBA48
ZEROES = bytes(512)


def reasons(target):
    """Counts by reason, of all queues."""
    total = {}
    for queue in target.json("stats")["interfaces"][0]["queues"]:
        for reason, count in queue["aoe"]["reasons"].items():
            total[reason] = total.get(reason, 0) + count
    return total


@pytest.fixture(scope="module")
def served():
    """One target for all the bad frames of this file; each test finds the disk as it was."""
    from lab import Lab
    lab = Lab()
    try:
        pair = Pair(lab, 9000)
        pair.disk = lab.disk(SECTORS * 512)
        pair.target = pair.serve("--aoe", f"7.1={pair.disk}", "--aoe", "7.9=null:200GiB", "--allow",
                                 "any")
        yield pair
    finally:
        lab.close()


def ata(command, lba=0, count=1, data=b"", flags=AFLAG_LBA48):
    return ATA, ata_body(command, lba, count, 0, flags, data)


# name, (AoE command, body), arguments of frame(), reason counted
SILENT = [
    ("response", (CONFIG, config_body(CONFIG_READ)), {"ver_flags": 0x18}, None),
    ("other shelf", (CONFIG, config_body(CONFIG_READ)), {"shelf": 8}, None),
    ("other slot", (CONFIG, config_body(CONFIG_READ)), {"slot": 2}, None),
    ("broadcast write", ata(WRITE_EXT, 5, 1, ZEROES, WRITE48),
     {"dst": BROADCAST, "shelf": 0xFFFF}, "ignored_broadcast_write"),
    ("broadcast write to one address", ata(WRITE_EXT, 5, 1, ZEROES, WRITE48), {"dst": BROADCAST},
     "ignored_broadcast_write"),
    ("wildcard write", ata(WRITE_EXT, 5, 1, ZEROES, WRITE48), {"shelf": 0xFFFF},
     "ignored_broadcast_write"),
    ("cut ATA header", (ATA, ata(WRITE_EXT, 5, 1, b"", WRITE48)[1][:11]), {}, "ignored_short"),
    ("no ATA header", (ATA, b""), {}, "ignored_short"),
    ("cut config header", (CONFIG, config_body(CONFIG_READ)[:7]), {}, "ignored_short"),
    ("cut mask header", (MASK, mask_body(0)[:3]), {}, "ignored_short"),
    ("cut reserve header", (RESERVE, reserve_body(0)[:1]), {}, "ignored_short"),
    ("source is a group", ata(WRITE_EXT, 5, 1, ZEROES, WRITE48), {"src": "01:00:00:00:00:01"},
     "ignored_source"),
]


@pytest.mark.parametrize("request_,changes,reason", [row[1:] for row in SILENT],
                         ids=[row[0] for row in SILENT])
def test_answered_by_silence(served, request_, changes, reason):
    client = served.client()
    before = reasons(served.target)
    assert client.replies(client.frame(*request_, **changes)) == []
    after = reasons(served.target)
    if reason:
        assert after[reason] == before[reason] + 1
    assert served.disk.read_bytes() == pattern(0, SECTORS)


def test_cut_aoe_header_passes_to_the_kernel(served):
    client = served.client()
    for length in range(14, 24):
        assert client.replies(client.frame(*ata(WRITE_EXT, 5, 1, ZEROES, WRITE48))[:length]) == []
    assert served.disk.read_bytes() == pattern(0, SECTORS)


# name, (AoE command, body), version and flags, error, reason
REFUSED = [
    ("version 2", ata(WRITE_EXT, 5, 1, ZEROES, WRITE48), 0x20, 5, "refused_version"),
    ("version 0", (CONFIG, config_body(CONFIG_READ)), 0x00, 5, "refused_version"),
    ("command 4", (4, bytes(40)), 0x10, 1, "refused_command"),
    ("vendor command", (0xF0, bytes(40)), 0x10, 1, "refused_command"),
    ("command 255", (0xFF, b""), 0x10, 1, "refused_command"),
    ("config command 5", (CONFIG, config_body(5)), 0x10, 2, "refused_argument"),
    ("config longer than the frame", (CONFIG, config_body(CONFIG_SET, b"abc", length=900)), 0x10, 2,
     "refused_argument"),
    ("config over 1024", (CONFIG, config_body(CONFIG_SET, bytes(1025))), 0x10, 2, "refused_argument"),
    ("mask count past the frame", (MASK, mask_body(1, count=200)), 0x10, 2, "refused_argument"),
    ("mask command 7", (MASK, mask_body(7)), 0x10, 2, "refused_argument"),
    ("reserve count past the frame", (RESERVE, reserve_body(1, count=255)), 0x10, 2,
     "refused_argument"),
    ("reserve command 9", (RESERVE, reserve_body(9)), 0x10, 2, "refused_argument"),
]


@pytest.mark.parametrize("request_,version,error,reason", [row[1:] for row in REFUSED],
                         ids=[row[0] for row in REFUSED])
def test_answered_by_an_error(served, request_, version, error, reason):
    client = served.client()
    before = reasons(served.target)
    replies = client.replies(client.frame(*request_, ver_flags=version))
    assert [(reply.is_error, reply.error) for reply in replies] == [(True, error)]
    assert replies[0].ver_flags >> 4 == 1 and len(replies[0].raw) >= 60
    assert (replies[0].dst, replies[0].src) == (client.mac, served.mac)
    assert reasons(served.target)[reason] == before[reason] + 1
    assert client.config().string == b"" and client.mask(0) == (0, []) and client.reserve(0) == []
    assert served.disk.read_bytes() == pattern(0, SECTORS)


# name, (AoE command, body), ATA error
ABORTED = [
    ("read of nothing", ata(READ_EXT, 0, 0), ERR_ABRT),
    ("write of nothing", ata(WRITE_EXT, 0, 0, ZEROES, WRITE48), ERR_ABRT),
    ("read over the advertised", ata(READ_EXT, 0, 17), ERR_ABRT),
    ("write over the advertised", ata(WRITE_EXT, 0, 17, ZEROES * 6, WRITE48), ERR_ABRT),
    ("write without data", ata(WRITE_EXT, 0, 1, b"", WRITE48), ERR_ABRT),
    ("write with half a sector", ata(WRITE_EXT, 0, 1, bytes(256), WRITE48), ERR_ABRT),
    ("write one byte short", ata(WRITE_EXT, 0, 6, (ZEROES * 6)[:-1], WRITE48), ERR_ABRT),
    ("read at the end", ata(READ_EXT, SECTORS, 1), ERR_IDNF),
    ("read over the end", ata(READ_EXT, SECTORS - 1, 2), ERR_IDNF),
    ("write at the end", ata(WRITE_EXT, SECTORS, 1, ZEROES, WRITE48), ERR_IDNF),
    ("write over the end", ata(WRITE_EXT, SECTORS - 1, 2, ZEROES * 2, WRITE48), ERR_IDNF),
    ("write at 2^28", ata(WRITE_EXT, 1 << 28, 1, ZEROES, WRITE48), ERR_IDNF),
    ("write at 2^31", ata(WRITE_EXT, 1 << 31, 1, ZEROES, WRITE48), ERR_IDNF),
    ("write at 2^32", ata(WRITE_EXT, 1 << 32, 1, ZEROES, WRITE48), ERR_IDNF),
    ("write at 2^48 - 1", ata(WRITE_EXT, (1 << 48) - 1, 1, ZEROES, WRITE48), ERR_IDNF),
    ("28-bit write over the end", ata(WRITE, SECTORS, 1, ZEROES, AFLAG_WRITE), ERR_IDNF),
    ("unknown command", ata(0xFE, 0, 1, b"", 0), ERR_ABRT),
    ("packet command", ata(0xA0, 0, 1, b"", 0), ERR_ABRT),
]


@pytest.mark.parametrize("request_,error", [row[1:] for row in ABORTED],
                         ids=[row[0] for row in ABORTED])
def test_aborted_by_ata(served, request_, error):
    client = served.client()
    replies = client.replies(client.frame(*request_))
    assert len(replies) == 1 and not replies[0].is_error and len(replies[0].raw) >= 60
    reply = AtaReply.of(replies[0])
    assert reply.status & 1 and reply.status & STATUS_DRDY and reply.error & error
    assert served.disk.read_bytes() == pattern(0, SECTORS)


def test_28_bit_addresses_ignore_the_device_nibble(served):
    client = served.client()
    reply = client.ata(READ, 0xE0000000 | 100, 2)
    assert reply.ok and reply.data[:1024] == pattern(100, 2)
    words = client.ata(IDENTIFY, 0xA0000000, 1)
    assert words.ok and len(words.data) >= 512


def test_capacity_beyond_28_bits(served):
    client = served.client(slot=9)
    sectors = 200 << 21
    assert client.size() == sectors
    words = client.identify()
    assert words[60] | words[61] << 16 == 0x0FFFFFFF
    for lba, ok in ((1 << 28, True), (sectors - 1, True), (sectors, False), (1 << 47, False)):
        assert client.ata(READ_EXT, lba, 1, aflags=AFLAG_LBA48).ok == ok


def test_reads_with_trailing_payload_are_answered(served):
    """Linux probes a doubtful path with such a READ of sector 0."""
    client = served.client()
    for extra in (1, 100, 512, 3072, 8192 if MULTI_BUFFER else 0):
        reply = client.ata(READ_EXT, 0, 2, aflags=AFLAG_LBA48, data=bytes(extra))
        assert reply.ok and reply.data == pattern(0, 2)
    assert client.ata(IDENTIFY, 0, 1, data=bytes(3072)).ok


def test_tag_and_addresses_are_echoed(served):
    client = served.client()
    for tag in (0, 1, 0x80000000, 0xFFFFFFFF):
        client.send(client.frame(*ata(READ_EXT, 1, 1), tag=tag, dst=BROADCAST, shelf=0xFFFF))
        reply = client.reply_to(tag)
        assert (reply.shelf, reply.slot, reply.src, reply.dst) == (7, 1, served.mac, client.mac)
        assert reply.ver_flags == 0x18 and AtaReply.of(reply).data[:512] == pattern(1, 1)


def test_other_ethertypes_are_left_alone(served):
    client = served.client()
    frame = bytearray(client.frame(*ata(WRITE_EXT, 5, 1, ZEROES, WRITE48)))
    for ethertype in (0x0800, 0x86DD, 0x88A3, 0xFFFF):
        frame[12:14] = struct.pack(">H", ethertype)
        assert client.replies(bytes(frame)) == []
    assert served.disk.read_bytes() == pattern(0, SECTORS)


def test_jumbo_frames_cut_in_odd_places(jumbo):
    """Whatever the number of buffers a frame arrives in, a write happens whole or not at all."""
    disk = jumbo.lab.disk(1 << 20)
    jumbo.serve_disk(disk)
    client = jumbo.client()
    most = client.config().sectors
    salt = 0
    for count in sorted({min(count, most) for count in (1, 5, 6, 7, 8, 14, 15, 16)}):
        want = disk.read_bytes()[:count * 512]
        for extra in (-512, -36, -2, -1, 0, 1, 35, 511):
            if not MULTI_BUFFER and 36 + count * 512 + extra > 3500:
                continue
            salt += 1
            length = count * 512 + extra
            data = (pattern(0, count, salt) + bytes(512))[:length]
            reply = client.ata(WRITE_EXT, 0, count, aflags=WRITE48, data=data)
            if extra < 0:
                assert reply.status & 1 and reply.error & ERR_ABRT
            else:
                assert reply.ok
                want = pattern(0, count, salt)
            assert disk.read_bytes()[:count * 512] == want


# ---- order -------------------------------------------------------------------------------------


def burst(client, *writes):
    """Sends writes (lba, data) back to back; waits until each tag was answered once, with success."""
    tags = []
    for lba, data in writes:
        tags.append(next(client.tags))
        client.send(client.frame(ATA, ata_body(WRITE_EXT, lba, len(data) // 512, 0, WRITE48, data),
                                 tag=tags[-1]))
    waiting = set(tags)
    while waiting:
        reply = client.receive()
        assert reply, "a write was not answered"
        if reply.tag in tags:
            assert AtaReply.of(reply).ok
            waiting.remove(reply.tag)


def nine(client):
    """The first nine sectors, which the writes below change."""
    return client.read(0, 6) + client.read(6, 3)


@pytest.fixture(params=["", ",cache=writeback"], ids=["writethrough", "writeback"])
def writer(jumbo, request):
    disk = jumbo.lab.disk(1 << 20)
    target = jumbo.serve("--aoe", f"7.1={disk}{request.param}", "--allow", "any")
    client = jumbo.client()
    client.target_process = target
    client.file = disk
    return client


def test_overlapping_writes_land_in_the_order_sent(writer):
    a, b = pattern(0, 6, 1), pattern(3, 6, 2)
    for _ in range(50):
        burst(writer, (0, a), (3, b))
        assert nine(writer) == a[:3 * 512] + b
        burst(writer, (3, b), (0, a))
        assert nine(writer) == a + b[3 * 512:]


def test_retransmission_in_flight_leaves_the_later_write(writer):
    """A, A again, then B: whether or not A ran once, B is the last."""
    a, b = pattern(0, 6, 1), pattern(3, 6, 2)
    for _ in range(50):
        burst(writer, (0, a), (0, a), (3, b))
        assert nine(writer) == a[:3 * 512] + b


def test_retransmission_behind_an_overlapping_write_is_executed(writer):
    """A, B, then A again is a write of its own: nothing is skipped by tag or age."""
    a, b = pattern(0, 6, 1), pattern(3, 6, 2)
    for _ in range(50):
        burst(writer, (0, a), (3, b), (0, a))
        assert nine(writer) == a + b[3 * 512:]


def test_retransmission_after_completion_is_executed(writer):
    a, b = pattern(0, 6, 1), pattern(3, 6, 2)
    burst(writer, (0, a), (3, b))
    assert nine(writer) == a[:3 * 512] + b
    burst(writer, (0, a))
    assert nine(writer) == a + b[3 * 512:]
    assert writer.file.read_bytes()[:9 * 512] == a + b[3 * 512:]


def test_many_identical_writes_are_each_answered(writer):
    data = pattern(32, 6, 7)
    burst(writer, *[(32, data)] * 40)
    assert writer.read(32, 6) == data


def test_read_behind_a_write_sees_it(writer):
    for salt in range(50):
        data = pattern(64, 6, salt)
        tag = next(writer.tags)
        writer.send(writer.frame(ATA, ata_body(WRITE_EXT, 64, 6, 0, WRITE48, data)))
        writer.send(writer.frame(ATA, ata_body(READ_EXT, 66, 3, 0, AFLAG_LBA48), tag=tag))
        assert AtaReply.of(writer.reply_to(tag)).data == data[2 * 512:5 * 512]


def test_durable_before_the_reply_unless_writeback(pair):
    """Killed right after the reply, the data is in the file (as the host sees it, at least)."""
    disk = pair.lab.disk(1 << 20)
    target = pair.serve_disk(disk)
    client = pair.client()
    client.write(100, pattern(100, 2, 3))
    target.kill()
    assert disk.read_bytes()[100 * 512:102 * 512] == pattern(100, 2, 3)
    target.start()
    wait_until(lambda: client.read(100, 2) == pattern(100, 2, 3), 1, "the data after a restart")
