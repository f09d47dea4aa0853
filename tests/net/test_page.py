# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What the status page makes of documents that are hard to come by: written here, one a second."""

import http.server
import itertools
import json
import threading

import pytest

from browser import Page
from lab import ROOT, inside

PAGE = ROOT / "user/metrics/page.html"
BOUNDS = [10, 100, 1000]
A, B = "02:00:00:00:00:0a", "02:00:00:00:00:0b"
MANY = 10 ** 12


def pair(mac, reads, vlan=0):
    """An initiator that has read 512 bytes so often, within 100 us."""
    return {"mac": mac, "vlan": vlan, "ops": {"read": {
        "count": reads, "bytes": 512 * reads, "errors": 0, "latency_ns": 50000 * reads,
        "buckets": [0, reads, 0, 0]}}}


def stats(**exports):
    """Of one interface with one queue; exports by their slot, e7=[pair(...)]."""
    return {"latency_bounds_us": BOUNDS, "interfaces": [{"name": "eth0", "queues": [{
        "queue": 0, "exports": [{"address": f"7.{slot[1:]}", "vlan": pairs[0]["vlan"] if pairs else 0,
                                 "initiators": pairs}
                                for slot, pairs in exports.items()]}]}]}


def status(exports=(), initiators=()):
    return {"version": "1.2.3", "interfaces": [{"name": "eth0", "mac": A, "mtu": 1500, "up": True,
                                               "xdp_mode": "copy", "vlan": "none"}],
            "exports": [{"address": "7.1", "vlan": 0, "disk": "vol0", "size_bytes": 1 << 30,
                         "cache": "writethrough", "read_only": False, "enabled": True, **export}
                        for export in exports],
            "initiators": [{"mac": A, "interface": "eth0", "vlan": 0, "drops": 0, "idle_seconds": 0,
                            **initiator} for initiator in initiators]}


@pytest.fixture
def show(lab):
    """The page after it was told status() and, one a second, what stats(n) returns."""
    netns = lab.netns("web")

    def show(status, stats, seconds=10):
        turns = itertools.count()

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                name, document = self.path.strip("/"), None
                if name == "status.json":
                    document = status
                elif name == "stats.json":
                    document = stats(next(turns))
                body = PAGE.read_bytes() if not name else json.dumps(document).encode()
                self.send_response(500 if name and document is None else 200)
                self.send_header("Content-Type", "application/json" if name else "text/html")
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        with inside(netns):
            server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            page = Page(lab, netns, f"http://127.0.0.1:{server.server_port}/", seconds)
        finally:
            server.shutdown()
            thread.join()
            server.server_close()
        assert next(turns) > 5
        return page

    return show


def highest(page, chart):
    """The number at the top of the chart's axis."""
    number, *unit = page.texts(chart)[4].split()
    return float(number) * {"": 1, "k": 1e3, "M": 1e6, "G": 1e9}[unit[0].strip("B/s") if unit else ""]


@pytest.mark.parametrize("later", [
    # An export goes.
    lambda n: stats(e2=[pair(B, MANY + 1000 * n)]),
    # A pair made room for others.
    lambda n: stats(e1=[], e2=[pair(B, MANY + 1000 * n)]),
    # The server begins anew.
    lambda n: stats(e1=[pair(A, 0)], e2=[pair(B, 1000 * (n - 4))]),
])
def test_counters_that_fall_are_no_rate(show, later):
    def told(n):
        return stats(e1=[pair(A, MANY)], e2=[pair(B, MANY + 1000 * n)]) if n < 4 else later(n)

    page = show(status([{"address": "7.2"}], [{"mac": B}]), told)
    assert 1000 <= highest(page, "requests") <= 20000
    assert 500e3 <= highest(page, "throughput") <= 20e6
    assert page.rows("exports")[0][4] != "0" and page.rows("initiators")[0][3] != "0"


def test_an_initiator_on_two_vlans(show):
    page = show(status([{}, {"vlan": 5, "address": "7.2"}], [{}, {"vlan": 5}]),
                lambda n: stats(e1=[pair(A, 1000 * n)], e2=[pair(A, 0, vlan=5)]))
    rates = {row[2]: row[3] for row in page.rows("initiators")}
    assert rates["–"] != "0" and rates["5"] == "0"
    rates = {row[0]: row[4] for row in page.rows("exports")}
    assert rates["7.1"] != "0" and rates["5:7.2"] == "0"


def test_a_disabled_export_is_called_so(show):
    page = show(status([{}, {"address": "7.2", "enabled": False}]), lambda n: stats(e1=[], e2=[]))
    assert {row[0]: row[3] for row in page.rows("exports")} == {"7.1": "writethrough", "7.2": "disabled"}


def test_sessions_where_there_are_targets(show):
    session = {"initiator": "iqn.2026-11.a:host", "target": "iqn.2026-11.a:disks", "peer": "192.0.2.1:40000",
               "chap": True, "connections": 2, "commands": 1500, "read_bytes": 5 << 20, "write_bytes": 0,
               "inflight": 7}
    target = {"name": "iqn.2026-11.a:disks", "portals": ["192.0.2.9:3260"], "luns": []}
    idle = {**session, "initiator": "iqn.2026-11.a:idle", "target": "", "chap": False, "commands": 1}
    page = show({**status(), "iscsi": [target], "sessions": [idle, session]}, lambda n: stats())
    rows = page.rows("sessions")
    assert [row[:5] for row in rows] == [
        ["iqn.2026-11.a:host", "iqn.2026-11.a:disks", "192.0.2.1:40000", "yes", "2"],
        ["iqn.2026-11.a:idle", "discovery", "192.0.2.1:40000", "no", "2"]]
    assert rows[0][6].startswith("5") and rows[0][8] == "7"
    assert 'id="iscsi" hidden' not in page.source
    assert 'id="iscsi" hidden' in show(status(), lambda n: stats()).source


def test_units_and_who_has_reserved_them(show):
    name = "iqn.2026-11.a:disks"
    held = {"type": "write exclusive", "reserved_by": None,
            "registrations": [{"initiator": "iqn.2026-11.a:one", "holder": True},
                              {"initiator": "iqn.2026-11.a:two", "holder": False}]}
    luns = [{"lun": 0, "disk": "vol0", "reservation": held}, {"lun": 7, "disk": "vol7"}]

    def told(n):
        ops = {"read": {"count": 1000 * n, "errors": 0, "bytes": 4096000 * n, "buckets": [1000 * n]}}
        return {**stats(), "iscsi": {"targets": [{"name": name, "luns": [
            {"lun": 7, "initiators": [{"name": "iqn.2026-11.a:one", "ops": ops}]}]}]}}

    page = show({**status(), "iscsi": [{"name": name, "portals": [], "luns": luns}]}, told)
    rows = page.rows("units")
    assert [row[:4] for row in rows] == [[name, "7", "vol7", "–"], [name, "0", "vol0", "iqn.2026-11.a:one"]]
    assert rows[0][4] not in ("0", "–") and rows[1][4] in ("0", "–")
    assert highest(page, "requests") >= 1000
    assert 'id="luns" hidden' in show(status(), lambda n: stats()).source


def test_nothing_is_served(show):
    page = show({**status(), "interfaces": []}, lambda n: {"latency_bounds_us": BOUNDS, "interfaces": []})
    assert 'class="live"' in page.source
    for words in ("no interface is served", "nothing is exported", "no initiator was heard yet"):
        assert words in page.words()


def test_a_server_that_ends(show):
    page = show(status([{}]), lambda n: stats(e1=[pair(A, n)]) if n < 4 else None)
    assert 'class="lost"' in page.source and "no answer" in page.element("span", "state")
    assert page.rows("exports")[0][0] == "7.1"  # what it was
