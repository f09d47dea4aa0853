# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Reloads one after another, under load that is verified: nothing is lost.

Every request is sent once and must be answered; what was written must be read back.
"""

from daemon import Daemon
from lab import patience, pattern, wait_until
from verified import STALL, Load

RELOADS = 60
READER = "02:00:00:00:00:05"
TENANT = "02:00:00:00:00:06"  # has a limit of its own, and asks the export whose list changes
MIB = 1 << 20


def config_of(turn, pair, file):
    """7.1 is the same in every turn; 7.2 stays, with a list, a disk and a limit that change; the
    others come, change and go."""
    guests = range(turn % 7, turn % 7 + 12)
    return {
        "disks": [{"name": "still", "ram": "8MiB"},
                  {"name": "grows", "file": str(file), "size": f"{8 + turn}MiB"},
                  {"name": "scratch", "ram": f"{1 + turn % 3}MiB"},
                  *({"name": f"guest{slot}", "ram": "1MiB", "ro": slot % 5 == turn % 5} for slot in guests)],
        "interfaces": [{"name": pair.port}],
        "aoe": [{"interface": pair.port, "address": "7.1", "disk": "still", "allow": ["any"]},
                {"interface": pair.port, "address": "7.2", "disk": "grows",
                 "allow": [TENANT, *(f"02:00:00:00:01:{n:02x}/ro" for n in range(turn % 4))]},
                {"interface": pair.port, "address": "7.3", "disk": "scratch", "enabled": turn % 2 == 0,
                 "allow": [f"{READER}/{'ro' if turn % 3 else 'rw'}"]},
                *({"interface": pair.port, "address": f"8.{slot}", "disk": f"guest{slot}",
                   "allow": ["any/ro"] if turn % 2 else [READER]} for slot in guests)],
        "limits": [{"initiator": TENANT, "iops": 1000000 + turn, "bytes": "10GiB"},
                   {"initiator": f"02:00:00:00:02:{turn % 16:02x}", "iops": 100}],
    }


def test_sixty_reloads_in_a_row(pair):
    lab = pair.lab
    file = lab.disk(8 * MIB)
    daemon = Daemon(lab, pair.storage, config_of(0, pair, file), state=lab.tmpfs("1m"))
    with Load(pair.client(7, 1)) as still, Load(pair.client(7, 2, mac=TENANT)) as kept:
        for turn in range(1, RELOADS + 1):
            before = still.rounds, kept.rounds
            daemon.configure(config_of(turn, pair, file))
            daemon.control("reload")
            assert daemon.diff() == [], turn
            wait_until(lambda: still.failure or kept.failure or
                       still.rounds > before[0] and kept.rounds > before[1], 20, f"I/O after reload {turn}")
            assert not still.failure and not kept.failure, turn
    # Memory answers at once unless the reloads are in the way; how soon a file's data is durable is
    # the business of whatever else is written on the machine.
    assert still.slowest < patience(STALL)
    assert pair.client(7, 2, mac=TENANT).size() == (8 + RELOADS) * MIB // 512
    exports = {export["address"]: export for export in daemon.json("status")["exports"]}
    assert len(exports) == 15 and exports["7.3"]["enabled"]
    assert pair.client(7, 2, mac=TENANT).read(7000, 2) == pattern(7000, 2)
