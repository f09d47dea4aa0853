# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The machine that is measured on: its CPUs, and who had to wait for them."""

import collections
import contextlib
import os
import platform
import re
from pathlib import Path

SERVER_CPU, LOAD_CPU = 0, 1
DISTURBED = 3  # percent of the time that server or load generator waited for its CPU


@contextlib.contextmanager
def on_cpu(cpu):
    """What is started here runs there."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {cpu})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


Usage = collections.namedtuple("Usage", "ran waited sleeps")


def thread_usage(task):
    """Of /proc/PID/task/TID: ns on a CPU, ns of waiting for one, and how often it went to sleep."""
    fields = (task / "schedstat").read_text().split()
    sleeps = re.search(r"\nvoluntary_ctxt_switches:\s+(\d+)", (task / "status").read_text())
    return Usage(int(fields[0]), int(fields[1]), int(sleeps.group(1)))


def usage(pid):
    """The same over all threads."""
    return Usage(*map(sum, zip(*map(thread_usage, Path(f"/proc/{pid}/task").iterdir()))))


def ran_ns(pid):
    """What all threads ran, also those that have ended, to the clock tick."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * 10**9 // os.sysconf("SC_CLK_TCK")


def busy_ns(cpu):
    """What everything together ran on a CPU, interrupts and the hypervisor's share too."""
    for line in Path("/proc/stat").read_text().splitlines():
        name, *ticks = line.split()
        if name == f"cpu{cpu}":
            user, nice, system, _, _, *others = map(int, ticks[:8])
            return (user + nice + system + sum(others)) * 10**9 // os.sysconf("SC_CLK_TCK")
    raise ValueError(f"no CPU {cpu}")


def cpu_model():
    match = re.search(r"model name\s*:\s*(.*)", Path("/proc/cpuinfo").read_text())
    return match.group(1) if match else platform.processor() or platform.machine()
