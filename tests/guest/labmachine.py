# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Runs tiers of tests/run in a virtual machine, so that what they do to a kernel stays there.

    lab machine (recent kernel)              initiator (Debian's stock kernel)
      tests/run --tier net ...                 aoe.ko, fio, mkfs
      eth0 ──────────── network cards, joined by a socket ──────────── eth0
      /dev/ttyS2 ────────────────── commands ─────────────────── /dev/ttyS1
      /run/shared/initiator ──── the folder that is /run/shared there

The initiator boots only for the guest tier.
"""

import contextlib
import re
import shlex
import subprocess
import time
from pathlib import Path

from guest import CARD, KERNEL, MAC
from lab import ROOT, Lab, wait_until
from machine import Machine

LAB_KERNEL = "lab-kernel"
MODULES = ("veth", "bridge", "tun", "loop", "xfs")
LAB_MAC = "52:54:00:12:34:55"
SLOW = 5  # how much longer waiting may take than on a real machine

SETUP = f"""
set -e
mount -t bpf bpf /sys/fs/bpf
for module in {' '.join(MODULES)}; do modprobe -d /run/kernel $module; done
ln -sf /proc/self/fd /dev/fd
sysctl -qw net.core.bpf_jit_enable=1
ip link set lo up
"""


PROBE = """
set -e
mount -t bpf bpf /sys/fs/bpf
ip link add probe0 type veth peer name probe1 && ip link set probe0 up && ip link del probe0
"""


def waits_for_networking():
    """Processes that wait, uninterruptible, for the lock that all of the kernel's networking takes."""
    waiting = set()
    for process in Path("/proc").iterdir():
        if not process.name.isdigit():
            continue
        with contextlib.suppress(OSError):
            if (process / "stat").read_text().rpartition(")")[2].split()[0] == "D" and \
                    re.search("rtnl|rtnetlink|copy_net_ns", (process / "stack").read_text()):
                waiting.add(process.name)
    return waiting


def host_works(seconds=10):
    """This machine can have network namespaces with links, and a file system to pin programs in."""
    # Rather than have one more process wait for ever, look at those that do.
    waiting = waits_for_networking()
    if waiting:
        time.sleep(2)
        if waiting & waits_for_networking():
            return False
    probe = subprocess.Popen(["unshare", "--net", "--mount", "sh", "-c", PROBE],
                             stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                             stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        return probe.wait(seconds) == 0
    except subprocess.TimeoutExpired:
        probe.kill()  # and do not wait: it may be stuck
        return False


class LabMachine:
    """The lab machine, with the initiator when `initiator` is true; ends with close()."""

    def __init__(self, initiator):
        self.lab = Lab()
        try:
            self.start(self.lab.path, initiator)
        except BaseException:
            self.close()
            raise

    def start(self, home, initiator):
        devices = []
        if initiator:
            devices = ["-netdev", f"stream,id=link,server=on,addr.type=unix,addr.path={home}/link",
                       "-device", CARD + LAB_MAC,
                       "-serial", f"unix:{home}/line,server=on,wait=off"]
        self.machine = Machine(self.lab, LAB_KERNEL, home / "shared", cpus=2, memory=3072,
                               devices=devices, disk=4 << 30)
        if initiator:
            self.start_initiator(home / "shared" / "initiator", home)
        self.machine.boot()
        self.machine.run(SETUP)

    def start_initiator(self, shared, home):
        """The lab machine sees the initiator's folder as part of its own."""
        wait_until(lambda: all((home / name).exists() for name in ("link", "line")), 20,
                   "sockets of the lab machine")
        devices = ["-netdev", f"stream,id=link,server=off,addr.type=unix,addr.path={home}/link",
                   "-device", CARD + MAC]
        Machine(self.lab, KERNEL, shared, line=f"unix:{home}/line", devices=devices)

    def close(self):
        self.lab.close()

    def console(self):
        return self.machine.console()

    def run(self, arguments, seconds):
        """Runs tests/run with the arguments and yields its output line by line."""
        environment = f"STGT_TEST_SLOW={SLOW} STGT_TEST_INITIATOR=/run/shared/initiator"
        command = self.machine.start(
            f"cd {shlex.quote(str(ROOT))}\n{environment} exec /usr/bin/python3 -B tests/run "
            + shlex.join(arguments))
        output = self.machine.shared / f"{command.name}.out"
        deadline = time.monotonic() + seconds
        with open(output, "a+", errors="replace") as lines:
            lines.seek(0)
            rest = ""
            while True:
                over = command.status is not None or not self.machine.alive()
                *whole, rest = (rest + lines.read()).split("\n")
                yield from whole
                if over:
                    return
                if time.monotonic() > deadline:
                    yield f"[took longer than {seconds} s]"
                    return
                time.sleep(0.2)
