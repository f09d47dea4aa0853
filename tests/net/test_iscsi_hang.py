# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""iSCSI while a disk, or the file system below one, hangs: everything else goes on."""

import contextlib
import os
import socket
import threading
import time

import pytest

import iscsi_wire as wire
from copier import Copier
from daemon import Daemon
from frozen import Frozen
from iscsi import IQN
from lab import inside, patience, pattern, wait_until

OTHER = "iqn.2026-11.org.example:other"
PORTALS = ("127.0.0.1:3260", "127.0.0.1:3261")


class Hang:
    """A daemon with a target whose LUN 0 can be frozen and whose LUN 1 cannot, and another target."""

    def __init__(self, lab):
        self.lab, self.netns, self.frozen = lab, lab.netns("iscsi"), Frozen(lab)
        self.config = {
            "disks": [{"name": "cold", "file": str(self.frozen.disk)},
                      {"name": "warm", "ram": "1MiB"}],
            "iscsi": [{"name": IQN, "allow": ["any"], "portals": list(PORTALS),
                       "luns": [{"lun": 0, "disk": "cold"}, {"lun": 1, "disk": "warm"}]},
                      {"name": OTHER, "allow": ["any"], "portals": [PORTALS[0]],
                       "luns": [{"lun": 0, "disk": "warm"}]}]}
        self.daemon = Daemon(lab, self.netns, self.config)

    def host(self, number=1, target=IQN, luns=(0,)):
        with inside(self.netns):
            sock = socket.create_connection(("127.0.0.1", 3260))
        host = wire.Initiator(sock, f"iqn.2026-11.example:host{number}")
        host.login(target=target)
        for lun in luns:
            host.ready(lun)
        return host

    def freeze_a_write(self, host, durable=True):
        """Of LUN 0; returns its ITT. What need not be durable the worker writes itself, and hangs."""
        self.frozen.freeze()
        cdb = bytearray(wire.write_10(0, 8))
        cdb[1] = 8 if durable else 0  # FUA
        itt = host.command(bytes(cdb), expected=4096, flags=wire.WRITE)
        host.data_out(host.expect(wire.R2T, itt), bytes(4096))
        return itt

    def quick(self, *words, check=True):
        began = time.monotonic()
        done = self.daemon.control(*words, check=check)
        assert time.monotonic() - began < patience(3), words
        return done

    def reload(self, check=True):
        self.daemon.configure(self.config)
        return self.quick("reload", check=check)


@pytest.fixture
def hang(lab):
    return Hang(lab)



def reads(host, lun=0):
    itt = host.read(0, 1, lun=lun)
    return len(host.expect(wire.DATA_IN, itt).data) == 512


def test_unit_goes_while_its_disk_hangs(hang):
    host, other = hang.host(luns=(0, 1)), hang.host(2, target=OTHER)
    itt = hang.freeze_a_write(host)
    hang.quick("export", "remove", IQN, "0")
    hang.quick("status")
    assert reads(other)
    again = host.command(bytes(6), lun=1)
    assert host.expect(wire.RESPONSE, again).asc == 0x3f0e
    assert reads(host, lun=1)
    # Its number is free, its disk is not.
    hang.quick("export", "iscsi", IQN, "0", "warm")
    refused = hang.daemon.control("disk", "remove", "cold", check=False)
    assert refused.returncode == 1 and "in flight: try again" in refused.stderr
    hang.frozen.thaw()
    assert host.expect(wire.RESPONSE, itt).status == 0x40  # TASK ABORTED
    hang.daemon.control("disk", "remove", "cold")
    host.ready(0)
    assert reads(host)


def test_unit_comes_back_while_its_disk_hangs(hang):
    host = hang.host()
    itt = hang.freeze_a_write(host)
    hang.quick("export", "remove", IQN, "0")
    hang.quick("export", "iscsi", IQN, "0", "cold")
    hang.frozen.thaw()
    assert host.expect(wire.RESPONSE, itt).status == 0x40
    host.ready()
    assert reads(host)


def test_target_goes_while_its_disk_hangs(hang):
    host, other = hang.host(), hang.host(2, target=OTHER)
    hang.freeze_a_write(host)
    hang.quick("export", "remove", IQN)
    assert reads(other)
    hang.quick("status")
    # Another one of that name, on the portals that the old one had.
    hang.config["iscsi"][0]["luns"] = [{"lun": 0, "disk": "warm"}]
    hang.reload()
    assert reads(hang.host(3))
    hang.frozen.thaw()
    hang.daemon.control("export", "remove", IQN)
    hang.daemon.control("disk", "remove", "cold")


def test_session_is_closed_while_its_disk_hangs(hang):
    host = hang.host()
    hang.freeze_a_write(host)
    hang.quick("session", "close", str(host.tsih))
    with pytest.raises(ConnectionError):
        host.expect(wire.RESPONSE)
    assert not hang.daemon.json("sessions")["sessions"]
    hang.frozen.thaw()
    assert reads(hang.host())


def test_it_ends_when_the_disk_does_not_hang_any_more(hang):
    host = hang.host()
    hang.freeze_a_write(host)
    hang.quick("export", "remove", IQN, "0")
    hang.daemon.child.terminate()
    assert hang.daemon.child.poll() is None
    hang.frozen.thaw()
    assert hang.daemon.wait() == 0


@contextlib.contextmanager
def systemd(lab, usec):
    path = lab.path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.bind(str(path))
        notify.settimeout(patience(10))
        os.environ.update(NOTIFY_SOCKET=str(path), WATCHDOG_USEC=str(usec))
        try:
            yield notify
        finally:
            del os.environ["NOTIFY_SOCKET"], os.environ["WATCHDOG_USEC"]


def silence(notify):
    """For two seconds."""
    notify.settimeout(2)
    try:
        notify.recv(4096)
    except TimeoutError:
        return True
    return False


def test_worker_that_hangs_is_found_by_the_watchdog(lab):
    with systemd(lab, 400000) as notify:
        hang = Hang(lab)
        host = hang.host()
        assert b"READY=1" in notify.recv(4096)
        assert notify.recv(4096) == b"WATCHDOG=1"
        itt = hang.freeze_a_write(host, durable=False)
        wait_until(lambda: silence(notify), 20, "no word to systemd")
        wait_until(lambda: "does not answer: the file system" in hang.daemon.output(), 5, "a word about the worker")
        hang.frozen.thaw()
        notify.settimeout(patience(10))
        assert notify.recv(4096) == b"WATCHDOG=1"
        assert "answers again" in hang.daemon.output()
        assert host.expect(wire.RESPONSE, itt).status == wire.GOOD


def test_worker_that_was_silent_for_a_moment_costs_no_restart(lab):
    """Systemd hears of the service in time although a worker did not answer when it was asked."""
    seconds = patience(8)
    with systemd(lab, int(seconds * 1000000)) as notify:
        hang = Hang(lab)
        host = hang.host()
        assert b"READY=1" in notify.recv(4096)
        assert notify.recv(4096) == b"WATCHDOG=1"
        told = time.monotonic()
        hang.freeze_a_write(host, durable=False)
        wait_until(lambda: "does not answer" in hang.daemon.output(), 10, "a word about the worker")
        hang.frozen.thaw()
        assert notify.recv(4096) == b"WATCHDOG=1"
        assert time.monotonic() - told < seconds


def test_unit_that_is_erased_changes_places(hang):
    """What goes on by itself ends first, and is waited for."""
    def waits():
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(0.5)
            client.connect(str(hang.daemon.socket))
            client.sendall(b'{"version": 1, "command": "status"}\n')
            with contextlib.suppress(TimeoutError):
                return not client.recv(1)
        return True

    host = hang.host()
    hang.frozen.freeze()
    assert host.execute(bytes([0x48, 0x82]) + bytes(8))[0].status == wire.GOOD  # BLOCK ERASE, IMMED
    hang.quick("export", "remove", IQN, "0")
    shown = threading.Thread(target=hang.daemon.control, args=("export", "iscsi", IQN, "3", "cold"))
    shown.start()
    wait_until(waits, 4, "the daemon to wait for it")
    hang.frozen.thaw()
    shown.join()
    units = hang.daemon.json("status")["iscsi"][0]["luns"]
    assert [unit["lun"] for unit in units] == [1, 3]
    wait_until(lambda: host.execute(bytes(6), lun=3)[0].status == wire.GOOD, 10, "the unit to be ready")


def test_copies_elsewhere_do_not_wait_for_a_disk_that_hangs(hang):
    """The file system copies, and would have all copies wait."""
    hang.config["disks"].append({"name": "file", "file": str(hang.lab.disk())})
    hang.config["iscsi"][0]["luns"].append({"lun": 2, "disk": "file"})
    hang.reload()
    host = hang.host(luns=(0, 1, 2))
    copier = Copier(host, 3)
    hang.frozen.freeze()
    stuck = copier.start((0, 0, 0, 1024, 64))
    assert copier.copy((2, 0, 2, 4096, 64)).status == wire.GOOD
    assert copier.read(2, 4096, 64) == pattern(0, 64)
    hang.frozen.thaw()
    assert host.expect(wire.RESPONSE, stuck).status == wire.GOOD


def test_changes_do_not_wait_for_a_worker_that_hangs(hang):
    host = hang.host()
    hang.freeze_a_write(host, durable=False)
    wait_until(lambda: hang.daemon.control("status") and
               "does not answer" in hang.daemon.output(), 5, "a word about the worker")
    refused = hang.quick("session", "close", str(host.tsih), check=False)
    assert refused.returncode == 1 and "hangs" in refused.stderr
    # One after the other: what initiators may do, portals, units, targets.
    target = hang.config["iscsi"][0]
    target["allow"] = ["iqn.2026-11.example:nobody"]
    hang.reload()
    target["portals"] = PORTALS[1:]
    hang.reload()
    target["portals"] = list(PORTALS)
    hang.reload()
    hang.quick("export", "remove", IQN, "0")
    hang.quick("export", "remove", OTHER)
    hang.frozen.thaw()
    # It hears of all that now.
    with pytest.raises(ConnectionError):
        while True:
            host.receive()
    hang.daemon.control("disk", "remove", "cold")
