# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What counting requests and their latencies costs: everything with it, and everything without.

The engine alone (aoe_engine.c) tells nanoseconds apart: both builds run at the same time and share a CPU, so
that whatever slows the machine down meets both, and each counts the time that it ran. Throughput over
a veth pair is what it comes to, but varies by more than it: its row says by how much.
"""

import statistics
import subprocess

from machine import SERVER_CPU, on_cpu

ENGINE_PAIRS = 31
ENGINE_SECONDS = 0.1


def median_and_error(values):
    """The median, and its standard error by the median deviation, which a few outliers do not move."""
    middle = statistics.median(values)
    deviation = statistics.median(abs(value - middle) for value in values)
    return middle, 1.253 * 1.4826 * deviation / len(values) ** 0.5


def engine_pair(engines, disk_mib):
    """ns a request of each, side by side."""
    with on_cpu(SERVER_CPU):
        running = [subprocess.Popen([engine, str(ENGINE_SECONDS), str(disk_mib)],
                                    stdout=subprocess.PIPE, text=True) for engine in engines]
    answers = [child.communicate()[0] for child in running]
    if any(child.returncode for child in running):
        raise SystemExit(f"{engines[0]} failed")
    return [float(answer) for answer in answers]


def engine_cost(counting, plain, disk_mib, pairs=ENGINE_PAIRS):
    """Facts: what a request costs more in the engine that counts."""
    differences = []
    for n in range(pairs):
        engines = (counting, plain) if n % 2 else (plain, counting)
        first, second = engine_pair(engines, disk_mib)
        differences.append(first - second if n % 2 else second - first)
    cost, error = median_and_error(differences)
    return {"counting_ns": cost, "counting_ns_error": error}


def throughput_cost(ratios):
    """Facts: by `ratios` of counting to plain IOPS, each of one turn; None: there are too few."""
    if ratios is None:
        return {"throughput_percent": None, "throughput_percent_error": None}
    ratio, error = median_and_error(ratios)
    return {"throughput_percent": 100 * (1 - ratio), "throughput_percent_error": 100 * error}
