# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""As the service's user: nothing but what scripts/systemd/stgt-xdp.service gives it.

There is no systemd here, so its work is done by unshare and setpriv, from what the unit says.
"""

import os
import re
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from aoe import CONFIG_FORCE
from lab import PROGRAM, ROOT, Target, pattern, wait_until

UNIT = (ROOT / "scripts/systemd/stgt-xdp.service").read_text()
USER = 64213  # nobody's
BPF_FS = Path("/sys/fs/bpf")
# As BindReadOnlyPaths= and BindPaths= of the unit do it: of the BPF file system only our directory.
SANDBOX = """
set -e
mount --bind "$1" "$2"
mount -t tmpfs -o mode=0755 tmpfs /sys/fs/bpf
mkdir -p /sys/fs/bpf/stgt-xdp /run/stgt-xdp
mount --move "$2" /sys/fs/bpf/stgt-xdp
mount --bind "$3" /run/stgt-xdp
shift 3
exec "$@"
"""


def unit(key):
    """The words of a key of the unit, of all its lines."""
    return [word for line in re.findall(rf"^{key}=(.*)$", UNIT, re.M) for word in line.split()]


CAPABILITIES = unit("AmbientCapabilities")


def own(path):
    """Hands it to the service's user, with all that is in it."""
    for each in (path, *path.rglob("*")) if path.is_dir() else (path,):
        os.chown(each, USER, USER)
    return path


def locked_memory():
    """(prefix, capability): LimitMEMLOCK=infinity, or, where root may not raise limits, its like."""
    prefix = ["prlimit", "--memlock=unlimited", "--"]
    if subprocess.run([*prefix, "true"], stderr=subprocess.DEVNULL).returncode:
        return [], ["CAP_IPC_LOCK"]
    return prefix, []


class ServiceTarget(Target):
    """`prefix` comes before the program."""

    def __init__(self, service, *words, prefix=(), **kwargs):
        self.service, self.prefix = service, prefix
        super().__init__(service.lab, service.pair.storage, words, **kwargs)

    def start(self, wait=True):
        if self.argv[0] == PROGRAM:
            own(self.home)
            self.argv = [*self.service.sandbox, *self.prefix, self.service.program, *self.argv[1:]]
        super().start(wait)


class Service:
    """What the service finds on a machine: its user, its directories, its view of them."""

    def __init__(self, pair):
        self.pair, self.lab = pair, pair.lab
        if not os.path.ismount(BPF_FS):
            self.lab.run(["mount", "-t", "bpf", "bpf", BPF_FS])
        self.pins = BPF_FS / f"{self.lab.tag}-service"
        self.pins.mkdir(mode=0o700)
        self.lab.undo.callback(self.remove_pins)
        self.run = self.lab.path / "run"
        for path in (self.run, self.lab.path / "moved"):
            path.mkdir()
        own(self.pins), own(self.run)
        # Where everybody can run it, whatever the permissions on the way to the build folder.
        self.program = shutil.copy(PROGRAM, self.lab.path / "stgt-xdp")
        self.sandbox = ["unshare", "--mount", "--propagation=private", "sh", "-c", SANDBOX, "sh",
                        self.pins, self.lab.path / "moved", self.run]

    def remove_pins(self):
        shutil.rmtree(self.pins, ignore_errors=True)

    def user(self, without=()):
        """The prefix that becomes the service's user, `without` some of its capabilities."""
        prefix, more = locked_memory()
        having = {*CAPABILITIES, *more} - {*without}
        sets = "-all" + "".join(f",+{name.removeprefix('CAP_').lower()}" for name in sorted(having))
        return [*prefix, "setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups",
                "--no-new-privs", f"--inh-caps={sets}", f"--ambient-caps={sets}",
                f"--bounding-set={sets}"]

    def disk(self):
        return own(self.lab.disk())

    def serve(self, disk, prefix=None, **kwargs):
        return ServiceTarget(self, self.pair.port, "--aoe", f"7.1={disk}", "--allow", "any",
                             prefix=self.user() if prefix is None else prefix, **kwargs)

    def refused(self, disk="ram:1M", prefix=None, sandbox=None):
        """The line with which an attach is refused."""
        home = self.lab.path / "refused"
        home.mkdir(exist_ok=True)
        own(home)
        done = self.lab.run([*(sandbox or self.sandbox), *(prefix or self.user()), self.program,
                             "attach", self.pair.port, "--aoe", f"7.1={disk}", "--allow", "any",
                             "--state-dir", home / "state", "--socket", home / "socket"],
                            self.pair.storage, check=False)
        assert done.returncode == 1 and done.stdout == "" and done.stderr.count("\n") == 1, done
        return done.stderr


@pytest.fixture
def service(pair):
    return Service(pair)


def effective(pid):
    status = Path(f"/proc/{pid}/status").read_text()
    return {key: re.search(rf"^{key}:\s*(\S+)", status, re.M)[1] for key in ("Uid", "CapEff")}


def test_serves_and_is_taken_over(service, pair):
    target = service.serve(service.disk())
    assert effective(target.pid)["Uid"] == str(USER)
    client = pair.client()
    assert client.read(4, 2) == pattern(4, 2)
    client.write(8, b"w" * 1024)
    pins = service.pins / pair.port
    assert {path.stat().st_uid for path in (pins, *pins.iterdir())} == {USER}

    target.kill()
    assert pair.attached() and (pins / "link").exists()
    target.start()
    assert client.read(8, 2) == b"w" * 1024
    assert "took over" in target.output()

    assert target.stop(signal.SIGTERM) == 0
    assert not pair.attached()
    assert not any(service.pins.iterdir()) and not any(service.run.iterdir())


@pytest.mark.parametrize("name", CAPABILITIES)
def test_a_missing_capability_is_named(service, name):
    line = service.refused(prefix=service.user(without=[name]))
    assert line.rstrip().endswith(f"missing: {name}")
    assert not any(service.pins.iterdir())


def test_no_capability_over_files(service):
    """A disk of root's is neither readable nor writable, and the message says what to do."""
    disk = service.lab.disk()
    disk.chmod(0o600)
    line = service.refused(disk)
    assert str(disk) in line and f"uid {USER}" in line
    disk.chmod(0o644)
    line = service.refused(disk)
    assert "add ro" in line and f"uid {USER}" in line
    service.serve(f"{disk},ro").stop()


def test_what_root_left_is_for_root_to_remove(service, pair):
    root = service.serve(service.disk(), prefix=[])
    root.kill()
    line = service.refused()
    assert f"stgt-xdp detach {pair.port}" in line and "root" in line
    service.lab.run([*service.sandbox, service.program, "detach", pair.port], pair.storage)
    service.serve(service.disk()).stop()


def test_no_directory_for_pins(service):
    hidden = ["unshare", "--mount", "--propagation=private", "sh", "-c",
              'mount -t tmpfs -o mode=0755 tmpfs /sys/fs/bpf && exec "$@"', "sh"]
    line = service.refused(sandbox=hidden)
    assert "/sys/fs/bpf/stgt-xdp" in line and "root" in line


def allowed_system_calls():
    """What SystemCallFilter= of the unit comes to."""
    def members(name):
        if not name.startswith("@"):
            return {name}
        listed = subprocess.run(["systemd-analyze", "syscall-filter", "--no-pager", name], check=True,
                                stdout=subprocess.PIPE, text=True).stdout.splitlines()[1:]
        words = [line.strip() for line in listed if line.strip() and not line.strip().startswith("#")]
        return set().union(*(members(word) for word in words))

    allowed = set()
    for line in re.findall(r"^SystemCallFilter=(.*)$", UNIT, re.M):
        names = set().union(*(members(word) for word in line.removeprefix("~").split()))
        allowed = allowed - names if line.startswith("~") else allowed | names
    return allowed


def test_system_calls_are_those_that_the_filter_allows(service, pair):
    trace = service.lab.path / "trace"
    trace.touch()
    own(trace)
    strace = ["strace", "-D", "-f", "-q", "-o", trace, "--"]
    target = service.serve(f"{service.disk()},cache=writeback", prefix=[*service.user(), *strace])
    client = pair.client()
    assert client.read(0, 2) == pattern(0, 2)
    client.write(2, b"x" * 1024)
    client.config(CONFIG_FORCE, b"label")  # a state file is written
    target.hup()
    target.json("status")
    assert target.stop(signal.SIGTERM) == 0
    ended = re.compile(rf"^{target.pid} +\+\+\+ exited", re.M)
    wait_until(lambda: ended.search(trace.read_text()), 5, "the trace's end")
    used = set(re.findall(r"^\d+ +([a-z]\w+)\(", trace.read_text(), re.M))
    assert {"bpf", "io_uring_enter", "sendto"} <= used
    assert used - allowed_system_calls() == set()

