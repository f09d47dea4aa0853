#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Measures stgt-xdp against tgt and istgt over iSCSI, in turn on one machine's loopback.

The way of measuring is that of tests/bench/run: every round measures each point on every server, one
right after the other, with the server on CPU 0 and the load generator, which never sleeps, on CPU 1;
what is compared is the median over the rounds of the ratios within a round, to the best of the others.
Needs root, two CPUs, tgt and istgt. Writes build/bench-iscsi.json.
"""

import argparse
import collections
import contextlib
import datetime
import json
import os
import platform
import re
import resource
import shutil
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests/net"))
sys.dont_write_bytecode = True

import disk  # noqa: E402
import tables  # noqa: E402
from lab import PROGRAM, Lab  # noqa: E402
from machine import (DISTURBED, LOAD_CPU, SERVER_CPU, busy_ns, cpu_model, on_cpu, ran_ns,  # noqa: E402
                     usage)

LOAD = ROOT / "build/bench/iscsi_load"
FILE = ROOT / "build/bench/iscsi.img"
SIZE = 256 << 20
IQN = "iqn.2026-11.example:bench"
PORTAL = "127.0.0.1:3260"
OURS, OTHERS = "stgt-xdp", ("tgt aio", "tgt rdwr", "istgt")
SERVERS = (OURS, *OTHERS)
ATTEMPTS = 3  # at a point without disturbance
IDLE_SESSIONS = 1000
IDLE_KIB = 64
FILES_MAX = 8192

# What is measured: words of the load generator, how many times the best of the others is wanted, and
# who they are: istgt stands still when more than some 20 sessions log in.
Point = collections.namedtuple("Point", "words goal others", defaults=[OTHERS])
POINTS = {
    "read 4 KiB, 1 outstanding": Point(("--depth", "1"), 1.5),
    "read 4 KiB, 8 outstanding": Point(("--depth", "8"), 1.5),
    "read 4 KiB, 32 outstanding": Point(("--depth", "32"), 1.5),
    "read 128 KiB in sequence, 8 outstanding":
        Point(("--size", "128K", "--depth", "8", "--sequential"), 1.2),
    "write 128 KiB in sequence, 8 outstanding":
        Point(("--op", "write", "--size", "128K", "--depth", "8", "--sequential"), 1.2),
    "read 4 KiB, 64 sessions x 4 outstanding":
        Point(("--sessions", "64", "--depth", "4"), 2, ("tgt aio", "tgt rdwr")),
}

ISTGT = """\
[Global]
  NodeBase "iqn.2026-11.example"
  PidFile {home}/istgt.pid
  AuthFile {home}/auth.conf
  MediaDirectory {home}
  MaxSessions 128
  MaxConnections 8
  FirstBurstLength 262144
  MaxBurstLength 1048576
  MaxRecvDataSegmentLength 262144
[PortalGroup1]
  Portal DA1 {portal}
[UnitControl]
  AuthMethod None
  Portal UC1 127.0.0.1:3261
  Netmask 127.0.0.1
[InitiatorGroup1]
  InitiatorName "ALL"
  Netmask ALL
[LogicalUnit1]
  TargetName {iqn}
  Mapping PortalGroup1 InitiatorGroup1
  AuthMethod None
  UnitType Disk
  QueueDepth 64
  LUN0 Storage {file} {mib}MB
"""


def wait_for(condition, what):
    until = time.monotonic() + 20
    while not condition():
        if time.monotonic() > until:
            raise SystemExit(f"{what} did not start")
        time.sleep(0.02)


class Servers:
    """Starts each of them on the same portal with the same file; yields process id and LUN."""

    def __init__(self, lab):
        self.lab, self.netns = lab, lab.netns("iscsi")

    @contextlib.contextmanager
    def spawned(self, argv, **kwargs):
        with on_cpu(SERVER_CPU):
            child = self.lab.spawn(argv, self.netns, stderr=subprocess.DEVNULL, **kwargs)
        try:
            yield child
        finally:
            child.kill()
            child.wait()

    def listening(self):
        return self.lab.run(["ss", "-Hltn", "src", PORTAL], self.netns).stdout

    @contextlib.contextmanager
    def ours(self):
        argv = [PROGRAM, "serve", "--iscsi", IQN, "--portal", PORTAL, "--lun",
                f"0={FILE},cache=writeback", "--allow", "any", "--state-dir", self.lab.path / "state",
                "--socket", self.lab.path / "socket"]
        with self.spawned(argv, stdout=subprocess.PIPE) as child:
            if not child.stdout.readline().startswith(b"ready"):
                raise SystemExit("stgt-xdp did not start")
            yield child.pid, 0

    @contextlib.contextmanager
    def tgt(self, store):
        control = str(17000 + os.getpid() % 10000)

        def admin(words):
            return self.lab.run(["tgtadm", "-C", control, "--lld", "iscsi", *words.split()],
                                self.netns, check=False).returncode == 0

        argv = ["tgtd", "-f", "-C", control, "--iscsi", f"portal={PORTAL}"]
        with self.spawned(argv, stdout=subprocess.DEVNULL) as child:
            wait_for(lambda: admin("--mode sys --op show"), "tgtd")
            if not (admin(f"--mode target --op new --tid 1 -T {IQN}") and
                    admin(f"--mode logicalunit --op new --tid 1 --lun 1 -b {FILE} --bstype {store}")
                    and admin("--mode target --op bind --tid 1 -I ALL")):
                raise SystemExit(f"tgtd does not serve {FILE}")
            yield child.pid, 1

    @contextlib.contextmanager
    def istgt(self):
        home = self.lab.path / "istgt"
        home.mkdir(exist_ok=True)
        (home / "auth.conf").touch(mode=0o600)
        (home / "istgt.conf").write_text(
            ISTGT.format(home=home, portal=PORTAL, iqn=IQN, file=FILE, mib=SIZE >> 20))
        argv = ["istgt", "-D", "-c", home / "istgt.conf"]
        with self.spawned(argv, stdout=subprocess.DEVNULL) as child:
            wait_for(self.listening, "istgt")
            yield child.pid, 0

    def start(self, name):
        if name == OURS:
            return self.ours()
        return self.istgt() if name == "istgt" else self.tgt(name.split()[1])


class Bench:
    def __init__(self, lab, options):
        self.lab, self.options = lab, options
        self.servers = Servers(lab)

    def load(self, words, lun):
        argv = [LOAD, "--json", "--spin", "--seconds", self.options.seconds, *words,
                f"iscsi://{PORTAL}/{IQN}/{lun}"]
        with on_cpu(LOAD_CPU):
            done = self.lab.run(argv, self.servers.netns, timeout=60)
        result = json.loads(done.stdout)
        if result["errors"] or not result["done"]:
            raise SystemExit(f"{argv}: {result}")
        return result

    def measure(self, server, words):
        """tgt stops answering now and then, and is started anew."""
        for _ in range(ATTEMPTS if server != OURS else 1):
            with contextlib.suppress(AssertionError):
                return self.least_disturbed(server, words)
        raise SystemExit(f"{server} does not answer {' '.join(words)}")

    def least_disturbed(self, server, words):
        """Disturbed is what else runs on the server's CPU; its own threads wait for each other there."""
        best = None
        disk.flush(FILE)
        with self.servers.start(server) as (pid, lun):
            for _ in range(ATTEMPTS):
                busy, ran, started = busy_ns(SERVER_CPU), ran_ns(pid), time.monotonic()
                result = self.load(words, lun)
                elapsed, own = time.monotonic() - started, ran_ns(pid) - ran
                others = (busy_ns(SERVER_CPU) - busy - own) / elapsed / 1e7
                result["cpu_us"] = own / result["done"] / 1e3
                result["waited_percent"] = max(others, result["waited_percent"])
                if not best or result["waited_percent"] < best["waited_percent"]:
                    best = result
                if best["waited_percent"] < DISTURBED:
                    break
        return best

    def round(self):
        """{point: {server: result}}"""
        return {name: {server: self.measure(server, point.words) for server in (OURS, *point.others)}
                for name, point in POINTS.items()}

    def idle(self):
        """What a session takes that does nothing."""
        seconds = 2 if self.options.quick else 10
        with self.servers.start(OURS) as (pid, lun):
            self.load(("--depth", "32"), lun)
            empty = resident_kib(pid)
            argv = [LOAD, "--idle", "--depth", 1, "--sessions", IDLE_SESSIONS,
                    f"iscsi://{PORTAL}/{IQN}/{lun}"]
            child = self.lab.spawn(argv, self.servers.netns, stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE)
            if child.stdout.readline() != b"ready\n":
                raise SystemExit(f"{IDLE_SESSIONS} sessions: the load generator gave up")
            before, started = usage(pid), time.monotonic()
            time.sleep(seconds)
            after, elapsed = usage(pid), time.monotonic() - started
            full = resident_kib(pid)
            child.stdin.close()
            child.wait(60)
        return {"idle_session_kib": (full - empty) / IDLE_SESSIONS,
                "idle_sessions_cpu_percent": (after.ran - before.ran) / elapsed / 1e7}


def resident_kib(pid):
    return int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text()).group(1))


def summarise(rounds):
    rows = []
    for name, point in POINTS.items():
        of = [each[name] for each in rounds]
        servers = (OURS, *point.others)
        rows.append({
            "what": name, "goal": point.goal,
            "iops": {s: statistics.median(r[s]["iops"] for r in of) for s in servers},
            "cpu_us": {s: statistics.median(r[s]["cpu_us"] for r in of) for s in servers},
            "times_best": statistics.median(
                r[OURS]["iops"] / max(r[s]["iops"] for s in point.others) for r in of),
            "cpu_of_best": statistics.median(
                r[OURS]["cpu_us"] / min(r[s]["cpu_us"] for s in point.others) for r in of),
            "waited_percent": max(r[s]["waited_percent"] for r in of for s in servers),
            "rounds": of,
        })
    return rows


def figures(row, server):
    if server not in row["iops"]:
        return "-"
    return f"{row['iops'][server] / 1000:.1f}k ({row['cpu_us'][server]:.1f})"


def points_table(document):
    yield ["IOPS (CPU per I/O, us)", *SERVERS, "stgt-xdp / best", "CPU / least"]
    for row in document["rows"]:
        yield [row["what"], *(figures(row, server) for server in SERVERS),
               f"{row['times_best']:.2f} (goal {row['goal']}: "
               f"{tables.verdict(row['times_best'] >= row['goal'])})",
               f"{row['cpu_of_best']:.2f} (goal 1: {tables.verdict(row['cpu_of_best'] < 1)})"]


def facts_table(facts):
    yield [f"{IDLE_SESSIONS:,} idle sessions", "measured", "goal", ""]
    yield tables.plain_row(facts, "idle_session_kib", "memory of each, KiB", IDLE_KIB)
    yield tables.plain_row(facts, "idle_sessions_cpu_percent", "CPU of all, % of one", 0.5)


def conditions(document):
    return (f"{document['date']}, Linux {document['kernel']}, {document['cpu']} "
            f"({document['cpus']} CPUs), loopback, {SIZE >> 20} MiB file on {document['filesystem']}, "
            f"medians of {document['rounds']} rounds of {document['seconds']} s a point")


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5, help="(5)")
    parser.add_argument("--seconds", type=float, default=0.5, help="a point (0.5)")
    parser.add_argument("--quick", action="store_true", help="one short round: does it work at all")
    parser.add_argument("--points", default="", help="only those whose names contain this")
    parser.add_argument("--markdown", type=Path, metavar="FILE",
                        help="put the tables between the iSCSI markers of FILE")
    parser.add_argument("--json", type=Path, metavar="FILE", default=ROOT / "build/bench-iscsi.json")
    options = parser.parse_args()
    if options.quick:
        options.rounds, options.seconds = 1, 0.3
    for point in [point for point in POINTS if options.points not in point]:
        del POINTS[point]
    return options


def check_machine():
    if os.geteuid():
        raise SystemExit("needs root: network namespaces")
    if not {SERVER_CPU, LOAD_CPU} <= os.sched_getaffinity(0):
        raise SystemExit("needs CPUs 0 and 1: one for the server, one for the load generator")
    for program in ("tgtd", "tgtadm", "istgt"):
        if not shutil.which(program):
            raise SystemExit(f"{program} is missing: apt-get install tgt istgt")
    for program in (LOAD, PROGRAM):
        if not program.exists():
            raise SystemExit(f"{program} is missing: run `make bench`")
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(FILES_MAX, most), most))


def main():
    options = parse_options()
    check_machine()
    document = {
        "date": datetime.date.today().isoformat(), "kernel": platform.release(), "cpu": cpu_model(),
        "cpus": os.cpu_count(), "rounds": options.rounds, "seconds": options.seconds,
        "filesystem": disk.make(FILE, SIZE),
    }
    lab = Lab()
    # Not by default action: the namespace and the servers have to go.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    rounds = []
    try:
        bench = Bench(lab, options)
        for n in range(options.rounds):
            print(f"iSCSI: round {n + 1} of {options.rounds}", file=sys.stderr)
            rounds.append(bench.round())
        document["facts"] = bench.idle()
    finally:
        lab.close()
        FILE.unlink(missing_ok=True)
    document["rows"] = summarise(rounds)
    options.json.write_text(json.dumps(document, indent=1) + "\n")
    texts = [points_table(document), facts_table(document["facts"])]
    print(conditions(document), *(tables.as_text(text) for text in texts), sep="\n\n")
    disturbed = [row["what"] for row in document["rows"] if row["waited_percent"] >= DISTURBED]
    if disturbed:
        print(f"\nThe machine was busy with something else: {'; '.join(disturbed)}.")
    if options.markdown:
        texts = [points_table(document), facts_table(document["facts"])]
        tables.write_parts(options.markdown, "iSCSI results",
                           [conditions(document) + ".", *map(tables.as_markdown, texts)])


if __name__ == "__main__":
    main()
