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
from pathlib import Path

import pytest

from guest import KERNEL
from lab import ROOT, Lab, wait_until
from machine import Machine

sys.path.insert(0, str(ROOT / "tests/package"))

from packages import NEWER, CleanRoot, build_deb, build_newer_deb  # noqa: E402

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
EXPORTER = 'exporter: { listen: "127.0.0.1:9464" }\n'
DISK = "/dev/etherd/e7.1"
SECOND = "/dev/etherd/e7.2"
LINK = "ip link add nic type veth peer name port && ip link set nic up && ip link set port up"
# A system call that the unit's filter does not allow ends the service here, where it fails there.
STRICT = "[Service]\nSystemCallErrorNumber=kill\n"
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
    strict = folder / "etc/systemd/system/stgt-xdp.service.d/strict.conf"
    strict.parent.mkdir()
    strict.write_text(STRICT)
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
        machine.run(LINK)
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


def away(guest):
    """Seconds from when systemd began to stop the service last until it had started again."""
    begin, end = (int(shown(guest, f"{event}TimestampMonotonic"))
                  for event in ("ActiveExit", "ActiveEnter"))
    assert 0 < begin < end
    return (end - begin) / 1e6


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


def test_interface_that_comes_late_is_waited_for(guest):
    guest.run("systemctl stop stgt-xdp && ip link del port && truncate -s 64M /srv/vol0.img "
              "&& chown stgt-xdp: /srv/vol0.img")
    configure(guest, CONFIG)
    guest.run("systemctl start --no-block stgt-xdp")
    wait_until(lambda: int(shown(guest, "NRestarts")) >= 3, 120, "attempts")
    guest.run(LINK)
    wait_until(lambda: shown(guest, "ActiveState") == "active", 60, "the service's start")


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


def test_watched(served):
    """Exporter, capture and trace."""
    configure(served, CONFIG + EXPORTER)
    systemctl(served, "reload")
    capture = served.start("stgt-xdp capture port /run/shared/frames.pcapng --count 20")
    trace = served.start("stgt-xdp trace on --export 7.1 --count 100")

    def both_have_ended():
        served.run(f"dd if={DISK} of=/dev/null bs=4k count=4 iflag=direct")
        return None not in (capture.status, trace.status)

    wait_until(both_have_ended, 60, "the end of capture and trace")
    assert capture.status == trace.status == 0, capture.output() + trace.output() + explain(served)
    steps = trace.output()
    assert all(f" {step} " in steps for step in ("received", "submitted", "completed", "sent")), steps
    frames = subprocess.run(["tshark", "-r", served.shared / "frames.pcapng", "-Y", "aoe && !_ws.malformed"],
                            check=True, stdout=subprocess.PIPE, text=True).stdout
    assert len(frames.splitlines()) == 20, frames
    page = served.run("""bash -c 'exec 3<>/dev/tcp/127.0.0.1/9464
        printf "GET /metrics HTTP/1.1\\r\\nHost: x\\r\\nConnection: close\\r\\n\\r\\n" >&3; cat <&3'""")
    assert "200 OK" in page and 'stgt_request_bytes_total{' in page, page
    configure(served, CONFIG)
    systemctl(served, "reload")


@pytest.mark.parametrize("options", ["busy_poll: 100", "xdp: generic", "xdp: native", "flood_guard: 100000"])
def test_interface_options(served, options):
    configure(served, CONFIG.replace("name: port", f"name: port, {options}"))
    systemctl(served, "reload")
    under_load(served, lambda: None)
    configure(served, CONFIG)
    systemctl(served, "reload")


@pytest.mark.parametrize("disk, prepare", [
    ("/srv/more.img", "truncate -s 8M /srv/more.img && chgrp stgt-xdp /srv/more.img "
                      "&& chmod 660 /srv/more.img"),
    ("/srv/direct.img,direct=on,cache=writeback", "truncate -s 8M /srv/direct.img "
                                                  "&& chown stgt-xdp: /srv/direct.img"),
    ("/srv/own/new.img,size=8M,prealloc", "mkdir /srv/own && chown stgt-xdp: /srv/own"),
    ("ram:8M,prealloc", "true"),
    ("block:/dev/loop0", "modprobe -d /run/kernel loop && truncate -s 8M /srv/loop.img "
                         "&& losetup /dev/loop0 /srv/loop.img"),
], ids=["file", "direct", "new", "memory", "block"])
def test_disk_added_live(served, disk, prepare):
    served.run(prepare)
    served.run(f"stgt-xdp disk add more {disk} && stgt-xdp export add 7.2 more --interface port --allow any")
    wait_until(lambda: served.run(f"blockdev --getsize64 {SECOND}", check=False) == (0, f"{8 << 20}\n"),
               30, "the disk")
    served.run(f"dd if=/dev/urandom of=/tmp/random bs=64k count=4 && dd if=/tmp/random of={SECOND} "
               f"bs=64k oflag=direct && dd if={SECOND} of=/tmp/read bs=64k count=4 iflag=direct "
               "&& cmp /tmp/random /tmp/read")
    served.run("stgt-xdp export remove 7.2 && stgt-xdp disk remove more")


@pytest.mark.parametrize("disk, prepare, words", [
    ("/srv/roots.img", "truncate -s 8M /srv/roots.img && chmod 600 /srv/roots.img", "its groups"),
    ("/opt/out.img", "truncate -s 8M /opt/out.img && chown stgt-xdp: /opt/out.img", "ReadWritePaths="),
], ids=["roots", "outside"])
def test_disk_that_the_service_may_not_open(served, disk, prepare, words):
    served.run(prepare)
    status, said = served.run(f"stgt-xdp disk add more {disk}", check=False)
    assert status == 1 and words in said and said.count("\n") == 1, said


def test_log_is_the_journals(served):
    def refusals():
        """Of the service's own messages: systemd's, of the signal, may come before or behind them."""
        lines = served.run("journalctl _SYSTEMD_UNIT=stgt-xdp.service -o json -n 50 "
                           "--output-fields=PRIORITY,MESSAGE").splitlines()
        return [entry for entry in map(json.loads, lines) if "not reloaded" in entry["MESSAGE"]]

    for place in ("auto", "journal"):
        configure(served, CONFIG + f"log: {{ to: {place} }}\n")
        systemctl(served, "reload")
        configure(served, "disks: 7\n")
        before = refusals()[-1:]
        served.run("systemctl kill -s HUP --kill-who=main stgt-xdp")
        wait_until(lambda: refusals()[-1:] != before, 20, "the message")
        assert refusals()[-1]["PRIORITY"] == "3"
    configure(served, CONFIG)
    systemctl(served, "reload")


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


def assert_short(guest, longest):
    """The longest wait of an initiator was a pause. An emulated processor takes seconds for stop and start, and a
    busy one longer than usual. Meanwhile the initiator doubles the time after which it asks again, so it may hear
    of the service as long after its return as it was away."""
    took = away(guest)
    print(f"longest pause {longest:.3f} s, service away for {took:.3f} s")
    assert longest < (max(1.0, 3 * took) if guest.fast else 2 * took + 1), explain(guest)


def test_restart_under_load(served):
    count, longest = under_load(served, lambda: systemctl(served, "restart"))
    assert count > 10
    assert_short(served, longest)


def test_upgrade_under_load(served):
    package = build_newer_deb(build_deb(), served.shared)
    pid = shown(served, "MainPID")
    count, longest = under_load(served, lambda: served.run(
        f"dpkg --force-confdef --force-confold -i /run/shared/{package.name}", 120))
    assert served.run("dpkg-query -W -f '${Version}' stgt-xdp") == NEWER
    assert shown(served, "MainPID") not in ("0", pid) and shown(served, "ActiveState") == "active"
    assert served.run("cat /etc/stgt-xdp/stgt-xdp.yaml") == CONFIG
    assert count > 10
    assert_short(served, longest)


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


def test_removed_and_purged(served):
    systemctl(served, "start")
    served.run("dpkg -r stgt-xdp", 120)
    assert "xdp" not in served.run("ip link show port")
    assert served.run("cat /etc/stgt-xdp/stgt-xdp.yaml") == CONFIG
    served.run("rm -r /etc/systemd/system/stgt-xdp.service.d && dpkg -P stgt-xdp", 120)
    left = served.run("find /etc /var/lib /run /sys/fs/bpf -xdev -name '*stgt-xdp*'").split()
    assert [path for path in left if not path.startswith("/var/lib/dpkg/")] == []
    assert "not-found" in shown(served, "LoadState")
