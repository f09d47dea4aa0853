# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""iSCSI initiators that misbehave: what they do to themselves, they must not do to others."""

import contextlib
import os
import select
import signal
import socket
import struct
import time

import pytest

import iscsi_wire as iscsi
from iscsi_wire import IscsiTarget
from lab import patience, wait_until


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
            try:
                left[sock][1] = data[sock.send(data):]
            except ConnectionError:  # it has been given up
                del left[sock]
    for host in hosts:
        host.sock.settimeout(patience(20))


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


def gone(host):
    """The target has ended the connection, whatever is left to read there."""
    try:
        host.send(host.nop_bytes())
    except OSError:
        return True
    return False


def test_who_does_not_read_keeps_memory_from_nobody(target):
    """Megabytes were asked for and are never taken; bytes that come from there change nothing."""
    deaf = [target.initiator(n, receive=4096) for n in range(8)]
    for host in deaf:
        for _ in range(127):
            host.read(0, 512)
    with target.initiator(999, timeout=patience(5)) as host:
        left, began = deaf, time.monotonic()
        while left:
            assert time.monotonic() < began + patience(60), "they are not given up"
            itt = host.read(0, 16)
            assert len(host.expect(iscsi.DATA_IN, itt).data) == 16 * 512
            left = [other for other in left if not gone(other)]
            select.select([], [], [], 0.1)
    for host in deaf:
        host.close()
    assert target.stop() == 0


def test_who_does_not_send_keeps_memory_from_nobody(target):
    """Each asks to write more than a worker has memory for, and sends nothing of it."""
    silent = [target.initiator(n) for n in range(8)]
    for host in silent:
        for _ in range(127):
            host.write(0, 512)
    data = bytes(512 * 512)
    with target.initiator(999, timeout=patience(5)) as host:
        for _ in range(20):
            itt = host.write(0, 512)
            host.data_out(host.expect(iscsi.R2T, itt), data)
            assert host.expect(iscsi.RESPONSE, itt).status == iscsi.GOOD
    for host in silent:
        host.close()
    assert target.stop() == 0


WORKERS = min(os.cpu_count(), 8)  # of the target, among which sessions are spread


def silent_writers(target):
    """More than any worker has memory for."""
    hosts = [target.initiator(n) for n in range(160 * WORKERS)]
    for host in hosts:
        host.write(0, 512)
    return hosts, lambda: None


def trickling_writers(target):
    """The same, and each sends a byte now and then."""
    hosts, _ = silent_writers(target)
    rest = {host: host.data_out_bytes(host.expect(iscsi.R2T), bytes(1 << 16), final=False)
            for host in hosts[:60 * WORKERS]}

    def trickle():
        for host in rest:
            with contextlib.suppress(OSError):
                host.send(rest[host][:1])
            rest[host] = rest[host][1:]
    return hosts, trickle


def deaf_readers(target):
    hosts = [target.initiator(n, receive=4096) for n in range(64 * WORKERS)]
    for host in hosts:
        for _ in range(127):
            host.read(0, 512)
    return hosts, lambda: None


@pytest.mark.parametrize("strangers", [silent_writers, trickling_writers, deaf_readers])
def test_memory_that_is_left_idle_is_not_waited_for(target, strangers):
    """Small requests do not notice, large ones come to their turn before anybody worries."""
    hosts, annoy = strangers(target)

    def took(blocks):
        began, data = time.monotonic(), os.urandom(blocks * 512)
        itt = host.write(0, blocks)
        host.data_out(host.expect(iscsi.R2T, itt), data)
        assert host.expect(iscsi.RESPONSE, itt).status == iscsi.GOOD
        assert host.execute(iscsi.read_10(0, blocks), expected=len(data))[1] == data
        annoy()
        return time.monotonic() - began

    with target.initiator(9999) as host:
        assert max(took(8) for _ in range(20)) < patience(1)
        assert max(took(512) for _ in range(4)) < patience(10)
        assert max(took(8) for _ in range(20)) < patience(1)
    for other in hosts:
        other.close()
    assert target.stop() == 0


def test_connections_that_say_nothing(target):
    """More than there is patience for: the oldest make room, and none stays for long."""
    before = target.descriptors()
    mute = [target.socket() for _ in range(1500)]
    with target.initiator(999, timeout=patience(5)) as host:
        host.logout()
    workers = min(os.cpu_count(), 8)
    wait_until(lambda: target.descriptors() < before + 260 * workers, 20, "room")
    with target.initiator(999, timeout=patience(5)) as host:
        host.logout()
    wait_until(lambda: target.descriptors() <= before, 40, "their end")
    for sock in mute:
        sock.close()
    assert target.stop() == 0


def test_login_that_trickles_in(target):
    """A byte now and then does not hold the door open."""
    slow = target.initiator(1, login=False)
    began = time.monotonic()
    with contextlib.suppress(OSError):
        for byte in slow.login_bytes():
            slow.send(bytes([byte]))
            if select.select([slow.sock], [], [], 1)[0]:
                break
    assert 10 < time.monotonic() - began < patience(25)
    slow.close()
    assert target.stop() == 0


def reset(host):
    """The connection ends as if the initiator had crashed."""
    host.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    host.close()


def after_logout(target, number):
    host = target.initiator(number)
    host.logout()
    reset(host)


def in_data_out(target, number):
    host = target.initiator(number)
    itt = host.write(0, 512)
    r2t = host.expect(iscsi.R2T, itt)
    whole = host.pdu(iscsi.DATA_OUT, iscsi.FINAL, 0, itt,
                     struct.pack(">IIIIII", r2t.ttt, 0, host.exp_statsn, 0, 0, 0), bytes(512 * 512))
    host.send(whole[:1000 + number * 37 % 200000])
    reset(host)


def in_login(target, number):
    host = target.initiator(number, login=False)
    host.send(host.login_bytes()[:number % 200])
    reset(host)


def in_data_in(target, number):
    host = target.initiator(number, receive=4096)
    for _ in range(8):
        host.read(0, 512)
    reset(host)


def without_a_word(target, number):
    target.initiator(number).close()


def test_connections_that_end_in_every_way_leave_nothing(target):
    kinds = (after_logout, in_data_out, in_login, in_data_in, without_a_word)

    def many(n):
        for number in range(n):
            kinds[number % len(kinds)](target, number)

    def left():
        """What is held when all that ended was noticed."""
        with target.initiator(999):
            wait_until(lambda: target.descriptors() <= before, 10, "no descriptor too many")
            return target.resident()

    many(250 * WORKERS)
    with target.initiator(999):
        before = target.descriptors()
    grown = []
    memory = left()
    # Each worker touches pages for the first time for a while; what leaks goes on for ever.
    while not grown or (grown[-1] > WORKERS << 14 and not target.sanitized()):
        assert len(grown) < 8, f"{500 * WORKERS} connections left so many bytes, time and again: {grown}"
        many(500 * WORKERS)
        last, memory = memory, left()
        grown.append(memory - last)
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
    target.child.wait(patience(10))
    assert time.monotonic() - began < patience(5)
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


def test_sessions_that_are_idle_cost_nothing(target):
    """A thousand: memory for their state, and no processor."""
    before = target.resident()
    hosts = [target.initiator(number) for number in range(1000)]
    with target.initiator(1000) as last:
        assert target.resident() < before + 1000 * (64 << 10)
        used = target.cpu_seconds()
        time.sleep(4)  # less than the silence after which they are asked whether they live
        assert target.cpu_seconds() - used < 0.1
        last.logout()
    for host in hosts:
        host.close()
    assert target.stop() == 0
