# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Fixtures: a lab, and the usual pair of namespaces with a link between them."""

import resource
import signal
import socket

import pytest

from aoe import AoeClient
from lab import PINS, PROGRAM, Lab, inside, patience, wait_until


def pytest_sessionstart():
    """An end by SIGTERM (a time limit's) clears away as Ctrl-C does; a test may have thousands of sockets."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


@pytest.fixture(scope="session", autouse=True)
def program():
    if not PROGRAM.exists():
        pytest.exit(f"{PROGRAM} is missing: run make", 3)


class Pair:
    """storage (the target's interface is `port`) ──── initiator (its interface is `nic`)"""

    def __init__(self, lab, mtu=1500, queues=1):
        self.lab = lab
        self.storage, self.initiator = lab.netns("storage"), lab.netns("initiator")
        self.port, self.nic = lab.veth(self.storage, self.initiator, mtu, queues)
        self.mac = lab.mac(self.storage, self.port)

    def serve(self, *words, **kwargs):
        """A target on `port`; words after the interface."""
        return self.lab.target(self.storage, self.port, *words, **kwargs)

    def serve_disk(self, path, *options, allow="any", **kwargs):
        return self.serve("--aoe", f"7.1={path}", "--allow", allow, options=options, **kwargs)

    def client(self, shelf=7, slot=1, **kwargs):
        return AoeClient(self.lab, self.initiator, self.nic, self.mac, shelf, slot, **kwargs)

    def attached(self):
        """An XDP program runs on the port."""
        return "xdp" in self.lab.link(self.storage, self.port)

    def pinned(self):
        return (PINS / self.port).exists()

    def refused(self, *words, status=1, prefix=(), binary=PROGRAM):
        """The one line with which `attach` on `port` says no; nothing is left behind."""
        before = self.attached(), self.pinned()
        done = self.lab.run([*prefix, binary, *words], self.storage, check=False, timeout=20)
        assert done.returncode == status, done
        assert done.stdout == "" and done.stderr.count("\n") == 1, done
        assert done.stderr.startswith("stgt-xdp"), done
        assert (self.attached(), self.pinned()) == before
        return done.stderr

    def refused_attach(self, *words, home=None, **kwargs):
        home = home or self.lab.path
        return self.refused("attach", *words, "--state-dir", home / "refused-state", "--socket",
                            home / "refused.sock", **kwargs)


class Conversation:
    """A TCP connection over the link, as an administrator's ssh would be."""

    def __init__(self, pair):
        lab = pair.lab
        lab.ip(pair.storage, f"addr add 10.213.7.1/24 dev {pair.port}")
        lab.ip(pair.initiator, f"addr add 10.213.7.2/24 dev {pair.nic}")
        with inside(pair.storage):
            listener = socket.create_server(("10.213.7.1", 2222))
        with inside(pair.initiator):
            self.near = socket.create_connection(("10.213.7.1", 2222), timeout=patience(10))
        self.far = listener.accept()[0]
        self.far.settimeout(patience(10))
        for each in (listener, self.near, self.far):
            lab.undo.callback(each.close)
        self.pair = pair

    def goes_on(self):
        """Both directions carry data, and a ping comes back."""
        for sender, receiver in ((self.near, self.far), (self.far, self.near)):
            data = b"untouched " * 2000
            sender.sendall(data)
            got = b""
            while len(got) < len(data):
                got += receiver.recv(65536)
            assert got == data
        self.pair.lab.run(["ping", "-c", "1", "-W", "3", "10.213.7.1"], self.pair.initiator)
        return True


@pytest.fixture
def lab():
    lab = Lab()
    try:
        yield lab
    finally:
        lab.close()


@pytest.fixture
def pair(lab):
    return Pair(lab)


@pytest.fixture
def jumbo(lab):
    return Pair(lab, 9000)


@pytest.fixture
def conversation(pair):
    return Conversation(pair)


@pytest.fixture
def until():
    return wait_until
