# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What the programs that tests/run starts say of their tests."""

import re
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass, field


@dataclass
class Outcome:
    """What one program said: counts, and its output in case it must be shown."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0
    output: str = ""
    skips: list = field(default_factory=list)


def verdict(passed, output):
    return Outcome(passed=int(passed), failed=int(not passed), output=output)


def tap_outcome(status, output):
    """Counts cmocka's TAP lines; a program that dies or loses a test has failed."""
    result = Outcome(output=output)
    for line in output.splitlines():
        test = re.match(r"(not )?ok \d+ ?-? ?(.*)", line)
        if not test:
            continue
        if "# SKIP" in line:
            result.skipped += 1
            result.skips.append(test[2])
        elif test[1]:
            result.failed += 1
        else:
            result.passed += 1
    planned = sum(int(n) for n in re.findall(r"^1\.\.(\d+)", output, re.M))
    seen = result.passed + result.failed + result.skipped
    if planned != seen or seen == 0 or (status != 0 and not result.failed):
        result.failed += 1
        result.output += f"\n[exit status {status}, {seen} of {planned} tests reported]\n"
    return result


def junit_outcome(status, output, report):
    result = Outcome(output=output)
    if report.exists() and status in (0, 1, 2, 5):
        for case in ElementTree.parse(report).iter("testcase"):
            skip = case.find("skipped")
            if case.find("failure") is not None or case.find("error") is not None:
                result.failed += 1
            elif skip is not None:
                result.skipped += 1
                result.skips.append(f"{case.get('name')}: {skip.get('message')}")
            else:
                result.passed += 1
    if status not in (0, 1, 5) or (status == 1 and not result.failed):
        result.failed += 1
        result.output += f"\n[pytest ended with exit status {status}]\n"
    return result
