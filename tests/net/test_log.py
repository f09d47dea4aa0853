# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A log that nobody reads any more: a pager, a terminal that is held, a journal whose disk hangs."""

import fcntl
import os
import signal
import socket

import pytest

from iscsi import IQN
from lab import PROGRAM, inside, patience, pattern, wait_until
from scsi import Scsi

PIPE = 4096  # bytes that the log may be behind
LINES = 600  # more than there is room for anywhere


class Unread:
    """A daemon whose standard error is a pipe."""

    def __init__(self, pair):
        self.pair, lab = pair, pair.lab
        config, self.socket = lab.path / "config.yaml", lab.path / "control.sock"
        config.write_text(f"""
disks: [{{name: vol0, file: {lab.disk()}}}]
interfaces: [{{name: {pair.port}}}]
aoe: [{{interface: {pair.port}, address: "7.1", disk: vol0, allow: [any]}}]
iscsi: [{{name: "{IQN}", portals: ["127.0.0.1:3260"], allow: [any], luns: [{{lun: 0, disk: vol0}}]}}]
""")
        self.log, end = os.pipe()
        lab.undo.callback(os.close, self.log)
        fcntl.fcntl(self.log, fcntl.F_SETPIPE_SZ, PIPE)
        self.child = lab.spawn([PROGRAM, "daemon", "--config", config, "--state-dir", lab.path / "state",
                                "--socket", self.socket], pair.storage, stdout=-1, stderr=end)
        os.close(end)
        assert self.child.stdout.readline().startswith(b"ready")

    def session(self):
        with inside(self.pair.storage):
            sock = socket.create_connection(("127.0.0.1", 3260), timeout=patience(10))
        host = Scsi(sock)
        host.login(target=IQN)
        return host

    def grow(self):
        """Each that leaves without a logout is a line."""
        for _ in range(LINES):
            self.session().close()

    def answers(self):
        """To everybody."""
        client, host = self.pair.client(), self.session()
        assert client.read(0, 2) == pattern(0, 2)
        host.run(bytes(6))
        assert host.read_blocks(0, 2) == pattern(0, 2)
        self.pair.lab.run([PROGRAM, "status", "--socket", self.socket], timeout=10)
        return True


@pytest.fixture
def unread(pair):
    return Unread(pair)


def test_service_goes_on_and_ends(unread):
    unread.grow()
    assert unread.answers()
    unread.child.send_signal(signal.SIGTERM)
    assert unread.child.wait(patience(10)) == 0


def test_log_goes_on_with_its_reader(unread):
    unread.grow()
    os.set_blocking(unread.log, False)
    text = b""

    def read():
        nonlocal text
        try:
            text += os.read(unread.log, 65536)
        except BlockingIOError:
            pass
        return b"lines of the log are lost" in text

    wait_until(read, 20, "what was not read is counted")
    assert text.count(b"closed the connection") > 256
    unread.session().close()
    before = len(text)
    wait_until(lambda: read() and b"closed the connection" in text[before:], 20, "a line as ever")
