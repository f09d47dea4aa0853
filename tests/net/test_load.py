# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Many requests at once, several queues, and what it costs to do nothing."""

import contextlib
import os
import time
from pathlib import Path

import pytest

from aoe import (AFLAG_LBA48, AFLAG_WRITE, ATA, READ_EXT, WRITE_EXT, AtaReply, ata_body)
from conftest import Pair
from lab import pattern

SOL_PACKET, PACKET_QDISC_BYPASS = 263, 20
DROPS = ("rx_dropped", "rx_ring_full", "rx_fill_ring_empty", "rx_invalid_descs", "tx_invalid_descs",
         "rx_too_many_spans", "tx_stray_completions")


def sockets(target):
    return [queue["socket"] for queue in target.json("stats")["interfaces"][0]["queues"]]


def closed_loop(client, initiators, outstanding, total, request):
    """
    `initiators` (MACs) keep `outstanding` requests each in flight until `total` were answered;
    request(n) is the n-th (body, check). Every request is sent once and must be answered once.
    """
    waiting = {}
    sent = 0

    def send(mac):
        nonlocal sent
        body, check = request(sent)
        tag = sent
        waiting[tag] = mac, check
        sent += 1
        client.send(client.frame(ATA, body, tag=tag, src=mac))

    for _ in range(outstanding):
        for mac in initiators:
            send(mac)
    answered = 0
    while answered < total:
        reply = client.receive()
        assert reply, f"{len(waiting)} requests without an answer after {answered}"
        mac, check = waiting.pop(reply.tag)
        assert reply.dst == mac
        check(AtaReply.of(reply))
        answered += 1
        if sent < total:
            send(mac)


@pytest.mark.parametrize("mtu,count", [(1500, 2), (9000, 6)])
@pytest.mark.parametrize("disk", ["file", "ram"])
def test_eight_initiators_with_64_outstanding(lab, mtu, count, disk):
    pair = Pair(lab, mtu)
    path = lab.disk(16 << 20)
    target = pair.serve("--aoe", f"7.1={path},cache=writeback" if disk == "file" else "7.1=ram:16M",
                        "--allow", "any")
    client = pair.client()
    initiators = [f"02:00:00:00:01:{i:02x}" for i in range(8)]

    def request(n):
        lba = n % 2000 * count
        if n // 2000 % 2 == 0:
            def check(reply):
                assert reply.ok
            return ata_body(WRITE_EXT, lba, count, 0, AFLAG_LBA48 | AFLAG_WRITE,
                            pattern(lba, count, n // 4000)), check

        def check(reply):
            assert reply.ok and reply.data == pattern(lba, count, n // 4000)
        return ata_body(READ_EXT, lba, count, 0, AFLAG_LBA48), check

    closed_loop(client, initiators, 64, 8000, request)
    for socket in sockets(target):
        assert {name: socket[name] for name in DROPS} == dict.fromkeys(DROPS, 0)
    assert resident(target) < 64 << 20
    assert len(target.json("status")["initiators"]) == 8


def test_each_queue_has_a_worker(lab):
    if os.cpu_count() < 2:
        pytest.skip("needs two CPUs")
    pair = Pair(lab, queues=2)
    target = pair.serve_disk(lab.disk())
    status = target.json("status")["interfaces"][0]
    assert [queue["queue"] for queue in status["queues"]] == [0, 1]
    client = pair.client()
    # Without a queueing discipline the CPU chooses the queue.
    client.socket.setsockopt(SOL_PACKET, PACKET_QDISC_BYPASS, 1)
    home = os.sched_getaffinity(0)
    try:
        for cpu in (0, 1):
            os.sched_setaffinity(0, {cpu})
            for lba in range(50):
                assert client.read(lba, 2) == pattern(lba, 2)
            # Overlapping writes from both queues are ordered by the disk, not by the queue.
            client.write(500, pattern(500, 2, cpu))
            assert client.read(500, 2) == pattern(500, 2, cpu)
    finally:
        os.sched_setaffinity(0, home)
    assert all(socket["rx_frames"] >= 50 for socket in sockets(target))


def resident(target):
    for line in Path(f"/proc/{target.pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("no VmRSS")


def activity(target):
    """(nanoseconds of CPU, times woken) of all threads."""
    spent = woken = 0
    for task in Path(f"/proc/{target.pid}/task").iterdir():
        # The kernel's own for this process, which do its I/O, come and go.
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            spent += int((task / "schedstat").read_text().split()[0])
            for line in (task / "status").read_text().splitlines():
                if line.startswith("voluntary_ctxt_switches:"):
                    woken += int(line.split()[1])
    return spent, woken


def activity_within(target, seconds):
    """(how long that was in the end, nanoseconds of CPU, times woken)"""
    before, began = activity(target), time.monotonic()
    time.sleep(seconds)  # the time measured
    after = activity(target)
    return time.monotonic() - began, after[0] - before[0], after[1] - before[1]


def test_idle_costs_nothing(pair):
    target = pair.serve_disk(pair.lab.disk())
    client = pair.client()
    for lba in range(100):
        client.read(lba, 2)
    time.sleep(0.2)  # whatever follows the last request
    threads = len(list(Path(f"/proc/{target.pid}/task").iterdir()))
    seconds, spent, woken = activity_within(target, 3)
    assert spent < 0.005e9 * seconds
    assert woken <= (seconds + 1) * threads  # no timer above 1 Hz
    assert resident(target) < 64 << 20


def test_foreign_traffic_costs_the_target_nothing(pair):
    """Frames that are not ours never wake it."""
    target = pair.serve_disk(pair.lab.disk())
    client = pair.client()
    client.read(0, 1)
    time.sleep(0.2)
    before = activity(target)[1]
    frame = bytearray(client.frame(ATA, ata_body(READ_EXT, 0, 1, 0, AFLAG_LBA48)))
    frame[12:14] = b"\x88\xb5"
    for _ in range(2000):
        client.send(bytes(frame))
    assert client.read(0, 1) == pattern(0, 1)
    assert activity(target)[1] - before < 200
    assert target.json("stats")["interfaces"][0]["counters"]["aoe"]["redirect"]["frames"] == 2
