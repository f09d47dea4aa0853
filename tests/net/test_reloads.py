# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A reload every second for a minute, under load that is verified: nothing is lost.

A file of its own, because it takes a minute in which others may run beside it.
"""

import time

from daemon import Daemon
from lab import pattern
from verified import Load

RELOADS = 60
READER = "02:00:00:00:00:05"
TENANT = "02:00:00:00:00:06"  # has a limit of its own, and asks the export whose list changes
MIB = 1 << 20


def config_of(turn, pair, disks):
    """7.1 is the same in every turn; 7.2 stays, with a list, a disk and a limit that change; the
    others come, change and go."""
    guests = range(turn % 7, turn % 7 + 12)
    return {
        "disks": [{"name": "still", "file": str(disks[0])},
                  {"name": "grows", "file": str(disks[1]), "size": f"{8 + turn}MiB"},
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


def test_reload_every_second_for_a_minute(pair):
    lab = pair.lab
    disks = [lab.disk(8 * MIB, name) for name in ("still.img", "grows.img")]
    daemon = Daemon(lab, pair.storage, config_of(0, pair, disks))
    with Load(pair.client(7, 1)) as still, Load(pair.client(7, 2, mac=TENANT)) as kept:
        began = time.monotonic()
        for turn in range(1, RELOADS + 1):
            before = still.rounds, kept.rounds
            daemon.configure(config_of(turn, pair, disks))
            daemon.control("reload")
            assert daemon.diff() == [], turn
            time.sleep(max(0, began + turn - time.monotonic()))
            assert still.rounds > before[0] and kept.rounds > before[1], turn
    # Each request was sent once: what was late was not repeated by anybody.
    assert still.slowest < 1 and kept.slowest < 1
    assert pair.client(7, 2, mac=TENANT).size() == (8 + RELOADS) * MIB // 512
    exports = {export["address"]: export for export in daemon.json("status")["exports"]}
    assert len(exports) == 15 and exports["7.3"]["enabled"]
    assert disks[0].read_bytes()[:512] == pair.client(7, 1).read(0, 1)
    assert pair.client(7, 2, mac=TENANT).read(7000, 2) == pattern(7000, 2)
