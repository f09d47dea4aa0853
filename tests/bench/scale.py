# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What administration costs where there is much to administer: 256 exports, 1,000 initiators.

Each initiator reads and writes one of the exports, so that every list in a report is as long as it
gets. Times are those of who asks, up to the last byte of the answer; for `stgt-xdp status` and
`stgt-xdp reload` they begin with the start of that process.
"""

import collections
import resource
import socket
import statistics
import time
from pathlib import Path

from aoe import AFLAG_LBA48, AFLAG_WRITE, ATA, READ_EXT, WRITE_EXT, AoeClient, ata_body
from daemon import Daemon
from lab import inside
from machine import DISTURBED, LOAD_CPU, SERVER_CPU, on_cpu, thread_usage, usage

EXPORTS = 256
INITIATORS = 1000
AT_ONCE = 32  # frames that wait for their answers
EXPORTER = ("127.0.0.1", 9464)
TURNS = 21


def address(n):
    return 1 + n // 16, n % 16


def mac(n):
    return f"02:00:00:00:{n >> 8:02x}:{n & 0xff:02x}"

# How long it took, how long daemon and client ran for it, and of that the daemon's workers; and for which
# share of it the daemon had to wait for its CPU.
Turn = collections.namedtuple("Turn", "wall_ms ran_ms worker_ms waited_percent")


class Scale:
    """A daemon with all that on a link of its own."""

    def __init__(self, lab, quick=False):
        self.lab = lab
        self.turns = 3 if quick else TURNS
        self.near, self.far = lab.netns("many"), lab.netns("crowd")
        self.port, self.nic = lab.veth(self.near, self.far)
        self.config = {
            "disks": [{"name": f"disk{n}", "ram": "1MiB"} for n in range(EXPORTS)],
            "interfaces": [{"name": self.port}],
            "exporter": {"listen": "%s:%u" % EXPORTER},
            "aoe": [{"interface": self.port, "address": "%u.%u" % address(n), "disk": f"disk{n}",
                     "allow": ["any"]} for n in range(EXPORTS)],
        }
        with on_cpu(SERVER_CPU):
            self.daemon = Daemon(lab, self.near, self.config)
        self.known()

    def known(self):
        """Every initiator asks, and is answered; the daemon knows them all."""
        client = AoeClient(self.lab, self.far, self.nic, self.lab.mac(self.near, self.port))
        read = ata_body(READ_EXT, 0, 1, 0, AFLAG_LBA48)
        write = ata_body(WRITE_EXT, 0, 1, 0, AFLAG_LBA48 | AFLAG_WRITE, bytes(512))
        requests = [(n, body) for n in range(INITIATORS) for body in (read, write)]
        for at in range(0, len(requests), AT_ONCE):
            some = requests[at:at + AT_ONCE]
            for n, body in some:
                shelf, slot = address(n % EXPORTS)
                client.send(client.frame(ATA, body, src=mac(n), shelf=shelf, slot=slot))
            if not all(client.receive() for _ in some):
                raise SystemExit("an initiator got no answer")
        found = {each["mac"] for each in self.daemon.json("status")["initiators"]}
        if len(found) != INITIATORS:
            raise SystemExit(f"of {INITIATORS} initiators {len(found)} are known")

    # ---- what is measured ----------------------------------------------------------------------

    def scrape(self):
        with inside(self.near):
            client = socket.create_connection(EXPORTER)
        with client:
            client.sendall(b"GET /metrics HTTP/1.1\r\nHost: bench\r\n\r\n")
            size = 0
            while chunk := client.recv(1 << 20):
                size += len(chunk)
        if size < INITIATORS * 1000:
            raise SystemExit(f"a scrape of {size} bytes")

    def status(self):
        self.daemon.control("status", "--json")

    def reload(self):
        self.daemon.control("reload")

    def edit(self, turn):
        """A small change: a list, an export that is silent or not, one that goes or comes back."""
        exports = list(self.config["aoe"])
        exports[5] = {**exports[5], "allow": ["any/ro" if turn % 2 else "any"]}
        exports[6] = {**exports[6], "enabled": turn % 2 == 0}
        self.daemon.configure({**self.config, "aoe": exports[:-1] if turn % 2 else exports})

    def measure(self, action, prepare=lambda turn: None):
        """One Turn of medians over all turns."""
        tasks = Path(f"/proc/{self.daemon.pid}/task")
        workers = [task for task in tasks.iterdir() if task.name != str(self.daemon.pid)]
        turns = []
        for n in range(self.turns):
            prepare(n + 1)
            before, share, children = usage(self.daemon.pid), ran_ns(workers), children_ns()
            with on_cpu(LOAD_CPU):
                began = time.monotonic()
                action()
                wall_ns = 1e9 * (time.monotonic() - began)
            after = usage(self.daemon.pid)
            turns.append(Turn(wall_ns / 1e6, (after.ran - before.ran + children_ns() - children) / 1e6,
                              (ran_ns(workers) - share) / 1e6,
                              100 * (after.waited - before.waited) / wall_ns))
        return Turn(*map(statistics.median, zip(*turns)))

    def facts(self):
        facts = {}
        for name, turn in (("scrape", self.measure(self.scrape)), ("status", self.measure(self.status)),
                           ("reload", self.measure(self.reload, self.edit))):
            facts.update({f"{name}_ms": turn.wall_ms, f"{name}_ran_ms": turn.ran_ms,
                          f"{name}_busy": turn.waited_percent >= DISTURBED,
                          f"{name}_worker_ms": turn.worker_ms})
        if self.daemon.diff():
            raise SystemExit("the last reload did not do what the file says")
        return facts


def ran_ns(tasks):
    return sum(thread_usage(task).ran for task in tasks)


def children_ns():
    """What ended children of this process ran."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return 1e9 * (used.ru_utime + used.ru_stime)
