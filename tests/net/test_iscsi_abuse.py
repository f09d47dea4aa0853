# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""iSCSI initiators that misbehave: what they do to themselves, they must not do to others."""

import contextlib
import select
import signal
import time

import pytest

import iscsi_wire as iscsi
from iscsi_wire import IscsiTarget
from lab import SLOW


@pytest.fixture
def target(lab):
    target = IscsiTarget(lab)
    yield target


def flood(hosts, make):
    """Each sends what `make(host)` gives until the target takes no more of it."""
    left = {host.sock: [host, b""] for host in hosts}
    for sock in left:
        sock.setblocking(False)
    while left:
        ready = select.select([], left, [], 0.5)[1]
        if not ready:
            break
        for sock in ready:
            host, data = left[sock]
            left[sock][1] = data = data or make(host)
            left[sock][1] = data[sock.send(data):]
    for sock in left:
        sock.settimeout(20)


def test_who_does_not_listen_keeps_nothing_from_others(target):
    """Requests without end whose answers are never read."""
    data = bytes(2048)
    deaf = [target.initiator(n, receive=4096) for n in range(140)]
    flood(deaf, lambda host: b"".join(host.nop_bytes(data) for _ in range(64)))
    with target.initiator(999) as host:
        itt = host.read(0, 16)
        assert len(host.expect(iscsi.DATA_IN, itt).data) == 16 * 512
    for host in deaf:
        host.close()
    assert target.stop() == 0


def test_who_does_not_read_gives_memory_back(target):
    """Megabytes were asked for and are never taken; bytes that come from there change nothing."""
    deaf = [target.initiator(n, receive=4096) for n in range(8)]
    for host in deaf:
        for _ in range(127):
            host.read(0, 512)
    with target.initiator(999) as host:
        stopped, began, itt = False, time.monotonic(), host.read(0, 16)
        # At first there is memory for a while; then there is none, until they are given up.
        while time.monotonic() < began + 50:
            for other in deaf:
                with contextlib.suppress(OSError):
                    other.send(other.nop_bytes())
            if not select.select([host.sock], [], [], 1)[0]:
                stopped = True
                continue
            host.expect(iscsi.DATA_IN, itt)
            if stopped:
                break
            itt = host.read(0, 16)
        else:
            raise AssertionError("others never get memory")
    for host in deaf:
        host.close()
    assert target.stop() == 0


@pytest.mark.parametrize("end", ["terminate", "kill"])
def test_end_under_load(target, end):
    """With commands of every kind under way, some of them half sent."""
    hosts = [target.initiator(n) for n in range(32)]
    for n, host in enumerate(hosts):
        for i in range(16):
            host.write(i * 512, 512)
            host.read(i * 8, 8)
        host.send(host.login_bytes()[:20 + n])
    began = time.monotonic()
    getattr(target.child, end)()
    target.child.wait(10 * SLOW)
    assert time.monotonic() - began < 5 * SLOW
    assert target.child.returncode == (0 if end == "terminate" else -signal.SIGKILL)
    for host in hosts:
        host.close()


def test_sessions_that_move_between_workers_lose_no_message(target):
    """A login that replaces a session goes to that session's worker, with the bytes behind it."""
    stale = []
    for _ in range(300):
        initiator = target.initiator(login=False)
        stale.append(initiator)
        initiator.login()
        if len(stale) > 4:
            stale.pop(0).close()
    others = [target.initiator(number) for number in range(2, 10)]
    for initiator in (stale[-1], *others):
        initiator.ready()
    assert target.lives()
    target.stop()
