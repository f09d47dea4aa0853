# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The results as tables, on the terminal and in docs/benchmarks.md."""


def verdict(reached):
    return "reached" if reached else "missed"


def share(row, server):
    value, goal = row["of_echo"][server], row["goal"][server]
    return "-" if value is None else f"{value:.2f} (goal {goal:.2f}: {verdict(value >= goal)})"


def times(row, server):
    value = row["times_vblade"][server]
    return "-" if value is None else f"{value:.1f}"


def thousands(row, server):
    value = row["iops"].get(server)
    return "-" if value is None else f"{value / 1000:.0f}k"


def points(document):
    """Header and rows of text."""
    yield ["IOPS", "vblade", "echo", "ram", "file", "ram / echo", "file / echo", "echo / vblade",
           "ram / vblade", "file / vblade"]
    for row in document["rows"]:
        yield [row["what"], *(thousands(row, s) for s in ("vblade", "echo", "ram", "file")),
               share(row, "ram"), share(row, "file"),
               *(times(row, s) for s in ("echo", "ram", "file"))]


def plain_row(facts, name, what, goal, number="{:.2f}"):
    return [what, number.format(facts[name]), f"{goal}", verdict(facts[name] <= goal)]


def uncertain_row(facts, name, what, goal, note=""):
    """A value whose error may be as large as itself: a goal within two errors is neither."""
    value, error = facts[name], facts[f"{name}_error"]
    if value is None:
        return [what, "-", f"{goal}", "the machine was busy"]
    unclear = abs(value - goal) < 2 * error
    return [what, f"{value:.2f} ± {error:.2f}{note}", f"{goal}",
            "cannot tell" if unclear else verdict(value <= goal)]


def time_row(facts, name, what, goal):
    """How long it took, and how long daemon and client ran for it: the rest is the machine's."""
    took, busy = facts[f"{name}_ms"], facts[f"{name}_busy"]
    return [f"{what}, ms", f"{took:.0f} (ran {facts[f'{name}_ran_ms']:.0f})", f"{goal}",
            "the machine was busy" if busy and took > goal else verdict(took <= goal)]


def facts_table(facts):
    yield ["The target", "measured", "goal", ""]
    yield plain_row(facts, "dropped", "frames dropped, 8 initiators x 64 outstanding", 0, "{}")
    yield plain_row(facts, "retransmits", "retransmissions by those initiators", 0, "{}")
    yield plain_row(facts, "idle_cpu_percent", "CPU when idle, % of one", 0.5)
    yield plain_row(facts, "wakeups_per_second", "wake-ups a second when idle", 1)
    yield plain_row(facts, "rss_mib", "resident memory, MiB", 64)
    yield uncertain_row(facts, "counting_percent",
                        "cost of counting and latency histograms, % of a 1 KiB read", 2,
                        f" ({facts['counting_ns']:.0f} ns)")
    yield uncertain_row(facts, "throughput_percent", "the same by throughput over veth, %", 2)
    crowd = "256 exports, 1,000 initiators"
    yield time_row(facts, "reload", f"reload of a small change, {crowd}", 200)
    yield time_row(facts, "scrape", f"a scrape, {crowd}", 50)
    yield time_row(facts, "status", f"status --json, {crowd}", 50)
    yield plain_row(facts, "scrape_worker_ms", "time that a scrape takes from the worker, ms", 1)


def conditions(document):
    return (f"{document['date']}, Linux {document['kernel']}, {document['cpu']} "
            f"({document['cpus']} CPUs), MTU {document['mtu']}, {document['disk_mib']} MiB file on "
            f"{document['filesystem']}, "
            f"medians of {document['rounds']} rounds of {document['seconds']} s a point")


def as_text(lines):
    lines = list(lines)
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip()
                     for line in lines)


def as_markdown(lines):
    head, *body = lines
    return "\n".join("| " + " | ".join(line) + " |"
                     for line in (head, ["---"] * len(head), *body))


def write_parts(path, name, parts):
    """Replaces what stands between the markers of that name."""
    begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
    text = path.read_text()
    if begin not in text or end not in text:
        raise SystemExit(f"{path} lacks the lines {begin} and {end}")
    before, after = text.split(begin)[0], text.split(end)[1]
    path.write_text(before + begin + "\n\n" + "\n\n".join(parts) + "\n\n" + end + after)


def write_markdown(path, document):
    parts = [conditions(document) + ".", as_markdown(points(document))]
    if document["facts"]:
        parts.append(as_markdown(facts_table(document["facts"])))
    write_parts(path, "results", parts)
