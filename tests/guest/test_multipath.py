# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Linux' multipathd on two sessions to one unit, through a target port group each.

Group 1 is 10.77.1.1 and the better one, group 2 is 10.77.1.2. Both are implicit, so that Linux, which
would make the group that it fails over to active/optimized, leaves them as they are.
"""

import re

import pytest

from lab import Lab, wait_until
from open_iscsi import FIO, IQN, PORTALS, TOOLS, need, lay_out, verified_run, with_portals

BOTH = IQN + "both"
OPTIMIZED, NONOPTIMIZED, STANDBY = 50, 10, 1  # the alua prioritizer's
CONFIG = """\
defaults {
    polling_interval 1
    max_polling_interval 1
    find_multipaths no
    user_friendly_names no
}
devices {
    device {
        vendor "STGT-XDP"
        product ".*"
        path_grouping_policy group_by_prio
        prio alua
        hardware_handler "1 alua"
        failback immediate
        no_path_retry queue
    }
}
"""
# multipathd keeps notes in /etc and knows paths by what udev knows of them.
MULTIPATHD = f"""set -e
mkdir -p /etc/multipath
cat > /etc/multipath.conf <<END
{CONFIG}END
/lib/systemd/systemd-udevd --daemon
multipathd
"""


@pytest.fixture(scope="module")
def setup():
    need((*TOOLS, "multipathd", "udevadm", "sg_stpg"))
    lab = Lab()
    try:
        disk = lab.disk(64 << 20)
        bed = lay_out(lab, ["--iscsi", BOTH, *with_portals(1, 2), "--lun", f"0={disk}",
                            "--allow", "any", "--alua", "1=active/optimized,implicit",
                            "--alua", "2=active/nonoptimized,implicit"],
                      modules=("dm-multipath", "dm-service-time", "scsi_dh_alua"))
        bed.file = disk
        bed.guest.run(MULTIPATHD)
        bed.initiator.discover()
        bed.initiator.set(BOTH, node__session__timeo__replacement_timeout=2)
        bed.paths = [bed.initiator.login(BOTH, portal) for portal in PORTALS]
        yield bed
    finally:
        lab.close()


class Map:
    """The multipath device."""

    def __init__(self, setup):
        self.guest, self.target = setup.guest, setup.target
        self.first, self.second = (path.rsplit("/", 1)[1] for path in setup.paths)

    def show(self):
        """As `multipath -ll`, which waits for paths that are gone."""
        return self.guest.run("multipathd show topology")

    def groups(self):
        """[(priority, status, {path: its states})], the best one first."""
        parts = re.split(r"policy='service-time 0' prio=(\d+) status=(\w+)", self.show())[1:]
        return [(int(prio), status, {name: " ".join(states.split()) for name, states in
                                     re.findall(r"(sd\w+) +\S+ +(.*\S)", paths)})
                for prio, status, paths in zip(parts[::3], parts[1::3], parts[2::3])]

    def order(self):
        """[(priority, status, paths)]"""
        return [(prio, status, sorted(paths)) for prio, status, paths in self.groups()]

    def becomes(self, *expected, seconds=30):
        """Groups in this order, each (priority, status, path)."""
        wanted = [(prio, status, [path]) for prio, status, path in expected]
        wait_until(lambda: self.order() == wanted, seconds, f"{wanted} in multipath's list")

    def usual(self):
        self.becomes((OPTIMIZED, "active", self.first), (NONOPTIMIZED, "enabled", self.second))
        for group, path in enumerate((self.first, self.second)):
            self.looks_like(group, {path: "active ready running"})

    def looks_like(self, group, paths):
        """Its priority is asked for before the path is looked at."""
        wait_until(lambda: self.groups()[group][2] == paths, 30, f"{paths} in multipath's list")

    def written(self):
        """Bytes written through each portal."""
        sessions = self.target.json("status")["sessions"]
        return [sum(s["write_bytes"] for s in sessions if s["local"] == portal) for portal in PORTALS]

    def writes_through(self):
        """The portals that a piece of I/O goes through."""
        before = self.written()
        self.guest.run(f"{FIO} --rw=write --size=1M --filename={self.device()}")
        return [portal for portal, old, new in zip(PORTALS, before, self.written()) if new > old]

    def device(self):
        return f"/dev/mapper/{self.show().split()[0]}"


@pytest.fixture
def both(setup):
    """As it is without trouble."""
    found = Map(setup)
    for words in (("1", "active/optimized"), ("2", "active/nonoptimized")):
        setup.target.control("alua", "set", *words, "implicit")
    wait_until(lambda: len(found.groups()) == 2, 60, "both paths in multipath's list")
    found.usual()
    return found


def test_one_map_of_two_groups(setup, both):
    shown = both.show()
    assert len(re.findall(r"dm-\d+ STGT-XDP", shown)) == 1, shown
    assert "hwhandler='1 alua'" in shown, shown
    assert [paths for _, _, paths in both.groups()] == [
        {both.first: "active ready running"}, {both.second: "active ready running"}]
    for path, state in ((both.first, "active/optimized"), (both.second, "active/non-optimized")):
        # The kernel asks by itself, after a unit attention.
        wait_until(lambda: setup.guest.run(f"cat /sys/block/{path}/device/access_state").strip() == state, 30,
                   f"{path} to be {state} in the kernel")
    assert both.writes_through() == [PORTALS[0]]


def test_the_administrator_moves_it(setup, both):
    def trouble():
        setup.target.control("alua", "set", "2", "active/optimized", "implicit")
        setup.target.control("alua", "set", "1", "active/nonoptimized", "implicit")
        both.becomes((OPTIMIZED, "active", both.second), (NONOPTIMIZED, "enabled", both.first))

    verified_run(setup, setup.file, both.device(), trouble)
    assert both.writes_through() == [PORTALS[1]]
    setup.target.control("alua", "set", "1", "standby", "implicit")
    both.becomes((OPTIMIZED, "active", both.second), (STANDBY, "enabled", both.first))
    both.looks_like(1, {both.first: "active ghost running"})
    assert both.writes_through() == [PORTALS[1]]


def test_preferred(setup, both):
    """Both paths of two groups that are as good, or the one that the administrator prefers."""
    setup.target.control("alua", "set", "1", "active/nonoptimized", "implicit")
    wait_until(lambda: both.order() == [(NONOPTIMIZED, "active", sorted([both.first, both.second]))], 30,
               "one group of both paths in multipath's list")
    verified_run(setup, setup.file, both.device(), lambda: None)
    assert both.writes_through() == list(PORTALS)
    setup.target.control("alua", "set", "2", "active/nonoptimized", "preferred", "implicit")
    both.becomes((NONOPTIMIZED + 80, "active", both.second), (NONOPTIMIZED, "enabled", both.first))
    assert both.writes_through() == [PORTALS[1]]


def test_an_initiator_moves_it(setup, both):
    """SET TARGET PORT GROUPS, which implicit groups refuse."""
    command = f"sg_stpg --tp=1,2 --state=an,ao {setup.paths[1]}"
    assert "Illegal request" in setup.guest.run(command)
    both.usual()
    for words in (("1", "active/optimized"), ("2", "active/nonoptimized")):
        setup.target.control("alua", "set", *words)
    setup.guest.run(command)
    both.becomes((OPTIMIZED, "active", both.second), (NONOPTIMIZED, "enabled", both.first))
    shown = setup.guest.run(f"sg_rtpg -d {setup.paths[0]}")
    groups = re.findall(r"group id : 0x(\d).*?access state : 0x0(\d).*?status code : 0x0(\d)", shown, re.S)
    assert groups == [("1", "1", "1"), ("2", "0", "1")], shown
    assert both.writes_through() == [PORTALS[1]]


def test_cable_pull(setup, both):
    """The better path is lost under load, and comes back."""
    away = f"{PORTALS[0].split(':')[0]}/24 dev {setup.near}"

    def trouble():
        before = both.written()
        setup.lab.ip(setup.storage, f"address del {away}")
        try:
            wait_until(lambda: [group[1:] for group in both.groups() if group[1] == "active"] ==
                       [("active", {both.second: "active ready running"})],
                       40, "the other group active in multipath's list")
            wait_until(lambda: both.written()[1] > before[1], 40, "writes on the other path")
        finally:
            setup.lab.ip(setup.storage, f"address add {away}")
        both.becomes((OPTIMIZED, "active", both.first), (NONOPTIMIZED, "enabled", both.second), seconds=60)

    # The writes must not be over before the trouble begins.
    verified_run(setup, setup.file, both.device(), trouble, rate=200)
    assert both.writes_through() == [PORTALS[0]]
