# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""iSCSI initiators that misbehave: what they do to themselves, they must not do to others."""

import select

import pytest

import iscsi_wire as iscsi
from iscsi_wire import IscsiTarget


@pytest.fixture
def target(lab):
    target = IscsiTarget(lab)
    yield target
    assert target.lives()


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
