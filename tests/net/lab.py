# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Network namespaces, links and targets for the tests; everything goes with Lab.close().

Names of namespaces and interfaces are unique to the lab, because pinned maps are found by the
interface's name, whatever its namespace.
"""

import contextlib
import ctypes
import functools
import itertools
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
PROGRAM = Path(os.environ.get("STGT_XDP", ROOT / "build" / "stgt-xdp"))
PINS = Path("/sys/fs/bpf/stgt-xdp")
LOCKS = Path("/run/stgt-xdp")
CLONE_NEWNET = 0x40000000

KERNEL = tuple(int(number) for number in os.uname().release.split("-")[0].split(".")[:2])
MULTI_BUFFER = KERNEL >= (6, 6)  # frames over a page reach AF_XDP sockets
VLAN_METADATA = KERNEL >= (6, 8)  # tags that were taken out of a frame can be read


def _slowness():
    """How many times longer everything may take: as the environment says, or what others leave of the
    processors, by the tasks that wanted one in the last minute."""
    said = os.environ.get("STGT_TEST_SLOW")
    return float(said) if said else min(max(os.getloadavg()[0] / os.cpu_count(), 1), 5)


SLOW = _slowness()

_serial = itertools.count()
_libc = ctypes.CDLL(None, use_errno=True)


def patience(seconds):
    """How long something may take now that takes so long at most when nobody else is there. A machine may have
    become busy since this was started."""
    return seconds * max(SLOW, _slowness())


def wait_until(condition, seconds, what):
    """Polls until condition() is true and returns its value; fails naming `what`."""
    began = time.monotonic()
    while True:
        value = condition()
        if value:
            return value
        limit = patience(seconds)  # which may grow meanwhile
        if time.monotonic() > began + limit:
            raise AssertionError(f"not within {limit:.1f} s: {what}")
        time.sleep(0.01)


def _setns(fd):
    if _libc.setns(fd, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")


@contextlib.contextmanager
def inside(netns):
    """The calling thread is in the namespace; sockets opened here stay in it."""
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    there = os.open(f"/run/netns/{netns}", os.O_RDONLY)
    try:
        _setns(there)
        yield
    finally:
        _setns(home)
        os.close(there)
        os.close(home)


def enter(netns):
    """The command prefix that runs a program in the namespace, with the host's /sys."""
    return ["nsenter", f"--net=/run/netns/{netns}", "--"] if netns else []


class Lab:
    def __init__(self):
        # The process is kept apart from the number: 12 of process 3 is not 2 of process 31.
        self.tag = f"x{os.getpid() % 0xfffff:x}n{next(_serial)}"
        # On a disk where there is one: direct I/O wants it, and /tmp may be memory.
        where = "/var/tmp" if os.access("/var/tmp", os.W_OK) else None
        self.path = Path(tempfile.mkdtemp(prefix="stgt-lab-", dir=where))
        self.path.chmod(0o755)
        self.undo = contextlib.ExitStack()
        self.undo.callback(shutil.rmtree, self.path, ignore_errors=True)
        self.names = itertools.count()

    def close(self):
        self.undo.close()

    # ---- network -----------------------------------------------------------------------------

    def netns(self, name):
        full = f"{self.tag}-{name}"
        subprocess.run(["ip", "netns", "add", full], check=True)
        self.undo.callback(subprocess.run, ["ip", "netns", "del", full])
        self.ip(full, "link set lo up")
        # Neighbour discovery would be noise among the frames.
        self.run(["sysctl", "-qw", *(f"net.ipv6.conf.{which}.disable_ipv6=1"
                                     for which in ("all", "default"))], full, check=False)
        return full

    def ip(self, netns, words):
        self.run(["ip", *words.split()], netns)

    def device(self):
        """A name no other lab uses."""
        return f"{self.tag}d{next(self.names)}"

    def veth(self, near, far, mtu=1500, queues=1):
        """A link between two namespaces; its ends' names. The near end goes with the lab."""
        names = self.device(), self.device()
        many = f"numrxqueues {queues} numtxqueues {queues}"
        self.ip(near, f"link add {names[0]} mtu {mtu} {many} type veth "
                      f"peer name {names[1]} mtu {mtu} {many} netns {far}")
        self.undo.callback(self.forget, names)
        self.ip(near, f"link set {names[0]} up")
        self.ip(far, f"link set {names[1]} up")
        for netns, name in zip((near, far), names):
            self.carrier(netns, name)
        return names

    def forget(self, devices):
        """Pins and locks outlive a process that was killed; those of our devices end here."""
        for device in devices:
            shutil.rmtree(PINS / device, ignore_errors=True)
            (LOCKS / f"{device}.lock").unlink(missing_ok=True)

    def bridge(self, netns, ports, mtu=1500):
        name = self.device()
        self.ip(netns, f"link add {name} mtu {mtu} type bridge stp_state 0 forward_delay 0 "
                       "mcast_snooping 0")
        for port in ports:
            self.ip(netns, f"link set {port} master {name}")
        self.ip(netns, f"link set {name} up mtu {mtu}")
        return name

    def link(self, netns, device):
        return json.loads(self.run(["ip", "-j", "-d", "link", "show", "dev", device], netns).stdout)[0]

    def mac(self, netns, device):
        return self.link(netns, device)["address"]

    def carrier(self, netns, device):
        """The kernel has noticed that the other end is there, too: until then, which is a moment after
        LOWER_UP, it throws away what is sent."""
        wait_until(lambda: self.link(netns, device)["operstate"] == "UP", 5, f"carrier of {device}")

    # ---- programs ----------------------------------------------------------------------------

    def run(self, argv, netns=None, check=True, timeout=30, **kwargs):
        """Runs to the end; stdout and stderr are text."""
        done = subprocess.run([*enter(netns), *map(str, argv)], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, errors="replace",
                              timeout=patience(timeout), **kwargs)
        if check and done.returncode:
            raise AssertionError(f"{argv}: exit status {done.returncode}\n{done.stdout}{done.stderr}")
        return done

    def spawn(self, argv, netns=None, **kwargs):
        """Starts a program that the lab ends if nobody else does."""
        child = subprocess.Popen([*enter(netns), *map(str, argv)], **kwargs)

        def end():
            if child.poll() is None:
                child.kill()
            # A process stuck in the kernel must not hold up the rest of the clearing away.
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(10)

        self.undo.callback(end)
        return child

    # ---- storage -------------------------------------------------------------------------------

    def disk(self, size=8 << 20, name=None, fill=True):
        """A file whose every sector says where it is, so that a misplaced one shows."""
        path = self.path / (name or f"disk{next(self.names)}.img")
        with open(path, "wb") as file:
            if fill:
                file.write(pattern(0, size // 512))
            file.truncate(size)
        return path

    def tmpfs(self, size):
        path = self.path / f"small{next(self.names)}"
        path.mkdir()
        self.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", path])
        self.undo.callback(subprocess.run, ["umount", "-l", str(path)])
        return path

    def target(self, netns, *words, **kwargs):
        return Target(self, netns, words, **kwargs)


def sector(lba, salt=0):
    return lba.to_bytes(8, "big") + salt.to_bytes(8, "big") + bytes([(lba + salt) % 251]) * 496


@functools.lru_cache(maxsize=8)  # whole disks are compared again and again
def pattern(lba, count, salt=0):
    return b"".join(sector(lba + i, salt) for i in range(count))


class Target:
    """A running `stgt-xdp attach` with its own state directory and control socket."""

    def __init__(self, lab, netns, words, state=None, wait=True, options=(), program=PROGRAM):
        self.lab = lab
        self.netns = netns
        self.home = lab.path / f"target{next(lab.names)}"
        self.home.mkdir()
        self.state = state or self.home / "state"
        self.socket = self.home / "control.sock"
        self.argv = [program, *self.command(words), *options, "--state-dir", self.state,
                     "--socket", self.socket]
        self.start(wait)

    def command(self, words):
        return ["attach", *map(str, words)]

    def start(self, wait=True):
        self.log = self.home / f"log{next(self.lab.names)}"
        with open(self.log, "w") as log:
            self.child = self.lab.spawn(self.argv, self.netns, stdout=log, stderr=subprocess.STDOUT)
        if wait:
            self.ready()

    def output(self):
        return self.log.read_text(errors="replace")

    def ready(self, seconds=15):
        def condition():
            if self.child.poll() is not None:
                raise AssertionError(f"target ended with {self.child.returncode}:\n{self.output()}")
            return any(line.startswith("ready") for line in self.output().splitlines())

        wait_until(condition, seconds, "ready line of the target")

    @property
    def pid(self):
        """nsenter replaces itself by the program: the child is the target."""
        return self.child.pid

    def stop(self, how=signal.SIGINT, seconds=10):
        self.child.send_signal(how)
        return self.wait(seconds)

    def wait(self, seconds=10):
        """Its exit status, which it must have in this time."""
        return self.child.wait(patience(seconds))

    def kill(self):
        return self.stop(signal.SIGKILL)

    def hup(self):
        self.child.send_signal(signal.SIGHUP)

    def control(self, *words, check=True):
        return self.lab.run([PROGRAM, *words, "--socket", self.socket], self.netns, check=check)

    def json(self, what):
        return json.loads(self.control(what, "--json").stdout)
