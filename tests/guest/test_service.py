# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""
The Debian package where it is at home: a machine that boots systemd, Debian's stock kernel, the service as
the unit has it. The initiator is that machine's own aoe.ko, at the other end of a veth pair.
"""

import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from guest import KERNEL
from lab import ROOT, Lab, wait_until
from machine import Machine

sys.path.insert(0, str(ROOT / "tests/package"))

from packages import CleanRoot, build_deb  # noqa: E402

AGENT_SERVICE = """[Service]
ExecStart=/bin/sh /run/shared/agent
[Install]
WantedBy=multi-user.target
"""
CONFIG = """
disks: [ { name: vol0, file: /srv/vol0.img } ]
interfaces: [ { name: port } ]
aoe: [ { interface: port, address: "7.1", disk: vol0, allow: [any] } ]
"""
DISK = "/dev/etherd/e7.1"
# Writes blocks that say where they are, each durable before the next, until the file `stop` is there; then
# reads them all again. Says how many there were, the longest wait for one, and how many were wrong.
LOAD = r"""
use strict; use warnings; use Fcntl; use IO::Handle; use Time::HiRes qw(time);
my ($count, $longest, $wrong) = (0, 0, 0);
my $block = sub { pack("A4096", "block $_[0] " x 300) };
sysopen(my $disk, "%s", O_RDWR) or die "open: $!";
until (-e "/tmp/stop") {
	my $begin = time;
	sysseek($disk, ($count %% 4096) * 4096, 0);
	defined(syswrite($disk, $block->($count))) or die "write: $!";
	$disk->sync or die "sync: $!";
	my $took = time - $begin;
	$longest = $took if $took > $longest;
	$count++;
	print STDERR "writing\n" if $count == 10;
}
system("echo 3 > /proc/sys/vm/drop_caches");
for my $number (($count > 4096 ? $count - 4096 : 0) .. $count - 1) {
	sysseek($disk, ($number %% 4096) * 4096, 0);
	sysread($disk, my $got, 4096);
	$wrong++ if $got ne $block->($number);
}
print "count $count longest $longest wrong $wrong\n";
""" % DISK


def build_image(lab):
    """A disk with the clean root and the package in it."""
    folder = Path(tempfile.mkdtemp(dir=lab.path))
    folder.chmod(0o755)
    root = CleanRoot(folder)
    root.install(build_deb())
    (folder / "etc/systemd/system/agent.service").write_text(AGENT_SERVICE)
    root.run("systemctl", "enable", "agent.service")
    shutil.rmtree(folder / "var/cache/apt")
    image = lab.path / "root.img"
    subprocess.run(["mkfs.ext4", "-q", "-d", folder, image, "1G"], check=True)
    shutil.rmtree(folder)
    return image


@pytest.fixture(scope="module")
def guest():
    lab = Lab()
    try:
        machine = Machine(lab, KERNEL, lab.path / "guest", memory=1024, cpus=2, image=build_image(lab))
        machine.boot()
        machine.load("veth")
        machine.run("ip link add nic type veth peer name port && ip link set nic up && ip link set port up")
        yield machine
    finally:
        lab.close()


@pytest.fixture(scope="module")
def served(guest):
    """The service with one disk, and aoe.ko that has found it."""
    guest.run("truncate -s 64M /srv/vol0.img && chown stgt-xdp: /srv/vol0.img")
    configure(guest, CONFIG)
    systemctl(guest, "restart")
    guest.load("aoe")
    wait_until(lambda: guest.run(f"test -b {DISK}", check=False)[0] == 0, 30, "the disk")
    return guest


def configure(guest, text):
    (guest.shared / "config").write_text(text)
    guest.run("cat /run/shared/config > /etc/stgt-xdp/stgt-xdp.yaml")


def shown(guest, key):
    return guest.run(f"systemctl show -P {key} stgt-xdp").strip()


def explain(guest):
    return guest.run("systemctl status --no-pager -l stgt-xdp; journalctl --no-pager -u stgt-xdp | tail -40",
                     check=False)[1]


def systemctl(guest, verb):
    status, output = guest.run(f"systemctl {verb} stgt-xdp", 60, check=False)
    assert status == 0, output + explain(guest)


def under_load(guest, action):
    """(blocks, longest wait in seconds) while the function runs."""
    (guest.shared / "load").write_text(LOAD)
    guest.run("rm -f /tmp/stop")
    load = guest.start("perl /run/shared/load")
    wait_until(lambda: "writing" in load.output() or load.status is not None, 60, "the load")
    try:
        action()
    finally:
        guest.run("touch /tmp/stop")
    assert load.wait(120) == 0, load.output() + explain(guest)
    count, longest, wrong = re.search(r"count (\d+) longest (\S+) wrong (\d+)", load.output()).groups()
    assert wrong == "0", load.output()
    return int(count), float(longest)


def test_started_at_boot(guest):
    wait_until(lambda: shown(guest, "ActiveState") != "activating", 60, "the service's start")
    assert shown(guest, "ActiveState") == "active", explain(guest)
    assert shown(guest, "UnitFileState") == "enabled"


def test_is_what_the_unit_says(served):
    pid = shown(served, "MainPID")
    status = served.run(f"cat /proc/{pid}/status")
    user = served.run("id -u stgt-xdp").strip()
    assert re.search(r"^Uid:\s+(\d+)", status, re.M)[1] == user != "0"
    # NET_ADMIN, NET_RAW, PERFMON, BPF
    assert re.search(r"^CapBnd:\s+(\S+)", status, re.M)[1] == f"{1 << 12 | 1 << 13 | 1 << 38 | 1 << 39:016x}"
    assert re.search(r"^Seccomp:\s+(\d)", status, re.M)[1] == "2"
    assert json.loads(served.run("stgt-xdp status --json"))["exports"][0]["address"] == "7.1"
    assert served.run("stat -c %U /sys/fs/bpf/stgt-xdp/port/acl") == "stgt-xdp\n"


def test_reload(served):
    pid = shown(served, "MainPID")
    configure(served, CONFIG.replace("[any]", '["02:00:00:00:00:99", any]'))
    under_load(served, lambda: systemctl(served, "reload"))
    assert "02:00:00:00:00:99" in served.run("stgt-xdp status --json")
    configure(served, CONFIG.replace("vol0.img", "nowhere.img"))
    status, _ = served.run("systemctl reload stgt-xdp", check=False)
    assert status != 0
    assert shown(served, "ActiveState") == "active" and shown(served, "MainPID") == pid
    configure(served, CONFIG)
    systemctl(served, "reload")


def test_restart_under_load(served):
    took = []

    def restart():
        begin = time.monotonic()
        systemctl(served, "restart")
        took.append(time.monotonic() - begin)

    count, longest = under_load(served, restart)
    # An emulated processor takes seconds for the start itself; the pause is not much more than that.
    assert count > 10 and longest < (1.0 if served.fast else took[0] + 2), explain(served)


def test_killed_under_load(served):
    def kill():
        pid = shown(served, "MainPID")
        served.run("systemctl kill -s KILL --kill-who=main stgt-xdp")
        wait_until(lambda: shown(served, "MainPID") not in ("0", pid)
                   and shown(served, "ActiveState") == "active", 20, "the service's return")

    under_load(served, kill)
    assert "took over" in explain(served)


def test_stopped(served):
    systemctl(served, "stop")
    assert shown(served, "Result") == "success", explain(served)
    assert "xdp" not in served.run("ip link show port")
    assert served.run("ls /sys/fs/bpf/stgt-xdp; ls /run/stgt-xdp").split() == ["bpf"]
