# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Changes to a running daemon that fail half way, and links and lists changed past it."""

import copy
import json
import socket
import struct
import time

import pytest

from aoe import AFLAG_LBA48, AFLAG_WRITE, ATA, WRITE_EXT, AoeClient, ata_body
from daemon import Daemon
from frozen import Frozen
from lab import LOCKS, PINS, PROGRAM, inside, patience, pattern, wait_until
from test_attach import attach_foreign

STRANGER = "02:00:00:00:00:77"
MAX_EXPORTS = 1024


class Second:
    """Another link between the same namespaces, with names for both ends."""

    def __init__(self, pair):
        self.pair, self.lab, self.storage = pair, pair.lab, pair.storage
        self.port, self.nic = pair.lab.veth(pair.storage, pair.initiator)
        self.mac = pair.lab.mac(pair.storage, self.port)

    def client(self, shelf=7, slot=1, **kwargs):
        return AoeClient(self.pair.lab, self.pair.initiator, self.nic, self.mac, shelf, slot, **kwargs)


@pytest.fixture
def second(pair):
    return Second(pair)


@pytest.fixture
def config(pair, second):
    """One export on both links, one on the first."""
    both = [pair.port, second.port]
    return {
        "disks": [{"name": "vol0", "file": str(pair.lab.disk(8 << 20, "vol0.img")), "size": "8MiB"},
                  {"name": "scratch", "ram": "4MiB"}],
        "interfaces": [{"name": name} for name in both],
        "aoe": [{"interfaces": both, "address": "7.1", "disk": "vol0", "allow": ["any"]},
                {"interface": pair.port, "address": "7.2", "disk": "scratch", "allow": ["any"]}],
    }


@pytest.fixture
def daemon(pair, config):
    return Daemon(pair.lab, pair.storage, config)


@pytest.fixture
def hanging(pair, config):
    """A daemon with an export 9.9 whose write hangs, its client, and the file system."""
    frozen = Frozen(pair.lab)
    config["disks"].append({"name": "cold", "file": str(frozen.disk)})
    config["aoe"].insert(0, {"interface": pair.port, "address": "9.9", "disk": "cold", "allow": ["any"]})
    daemon = Daemon(pair.lab, pair.storage, config)
    client = pair.client(9, 9)
    client.size()
    frozen.freeze()
    client.send(client.frame(ATA, ata_body(WRITE_EXT, 0, 1, 0, AFLAG_LBA48 | AFLAG_WRITE, bytes(512)),
                             tag=7777))
    # Answered after the write was taken, as one queue takes both.
    assert pair.client().read(0, 1) == pattern(0, 1)
    return daemon, client, frozen


def map_of(port, name, address, mac=None):
    """bpftool's words for an entry of a map."""
    shelf, slot = map(int, address.split("."))
    raw = struct.pack("=III", 1, 0, shelf << 8 | slot)
    if mac:
        raw += bytes.fromhex(mac.replace(":", "")) + bytes(2)
    return ["pinned", str(PINS / port / name), "key", *(f"0x{byte:02x}" for byte in raw)]


def admit(pair, port, address, mac, access=2):
    pair.lab.run(["bpftool", "map", "update", *map_of(port, "acl", address, mac), "value",
                  str(access), "0", "0", "0"])


def reload_fails(daemon):
    done = daemon.control("reload", check=False)
    assert done.returncode == 1 and done.stderr.count("\n") == 1, done
    return done.stderr


def test_export_leaves_the_first_of_its_interfaces(pair, second, daemon, config):
    config["aoe"][0]["interfaces"] = [max(pair.port, second.port)]
    daemon.configure(config)
    daemon.control("reload")
    assert daemon.diff() == []
    stays, goes = (pair, second) if pair.port > second.port else (second, pair)
    assert stays.client().read(0, 1) == pattern(0, 1)
    assert (7, 1) not in goes.client().discover()


def test_failure_after_a_disk_has_grown(pair, daemon, config):
    """What else the reload changed is undone; the file keeps its new size, which is harmless."""
    del config["aoe"][1]
    config["disks"][0]["size"] = "16MiB"
    with inside(pair.storage), socket.create_server(("127.0.0.1", 0)) as taken:
        config["exporter"] = {"listen": f"127.0.0.1:{taken.getsockname()[1]}"}
        daemon.configure(config)
        assert "127.0.0.1" in reload_fails(daemon)
    assert pair.client().finds((7, 1), (7, 2))
    assert pair.client().size() == 32768
    assert "cannot undo" not in daemon.output()
    why, = [line for line in daemon.output().splitlines() if "what was changed is undone: " in line]
    assert "exporter" in why and "127.0.0.1" in why


def test_export_that_cannot_be_enabled_stays_silent(pair, second, daemon):
    """The second interface has no room for its address: the first must not go on with it alone."""
    daemon.control("export", "disable", "7.1")
    fill = pair.lab.path / "fill"
    fill.write_text("".join(
        " ".join(["map", "update", *map_of(second.port, "exports", f"{i // 254 + 100}.{i % 254}"),
                  "value", "0", "0", "0", "0"]) + "\n" for i in range(MAX_EXPORTS)))
    pair.lab.run(["bpftool", "batch", "file", fill])
    done = daemon.control("export", "enable", "7.1", check=False)
    assert done.returncode == 1 and "too many" in done.stderr, done
    assert pair.client().finds((7, 2))
    pair.lab.run(["bpftool", "map", "delete", *map_of(second.port, "exports", "100.0")])
    daemon.control("export", "enable", "7.1")
    assert second.client().read(0, 1) == pair.client().read(0, 1) == pattern(0, 1)


def test_attached_detached_and_attached_again(pair, second, daemon):
    disk = pair.lab.disk(1 << 20, "attached.img")
    near, far = pair.lab.veth(pair.storage, pair.initiator)
    for _ in range(2):
        pair.lab.run([PROGRAM, "attach", near, "--aoe", f"5.1={disk}", "--allow", "any", "--socket",
                      daemon.socket], pair.storage)
        client = AoeClient(pair.lab, pair.initiator, far, pair.lab.mac(pair.storage, near), 5, 1)
        assert client.read(7, 1) == pattern(7, 1)
        daemon.control("detach", near)
    assert daemon.diff() == []


def test_interface_that_vanished_is_taken_again(pair, second, daemon):
    lab = pair.lab
    lab.ip(pair.storage, f"link del {second.port}")
    wait_until(lambda: "is gone" in daemon.output(), 5, "the end of the interface")
    lab.ip(pair.storage, f"link add {second.port} type veth peer name {second.nic} netns {pair.initiator}")
    lab.ip(pair.storage, f"link set {second.port} up")
    lab.ip(pair.initiator, f"link set {second.nic} up")
    lab.carrier(pair.initiator, second.nic)
    second.mac = lab.mac(pair.storage, second.port)
    daemon.control("reload")
    assert second.client().read(0, 1) == pattern(0, 1)
    assert pair.client().read(0, 1) == pattern(0, 1)
    assert daemon.diff() == []


def test_program_taken_off_is_put_back_by_a_reload(pair, second, daemon):
    """The kernel tells nobody about it: `status` asks."""
    def mode():
        return {each["name"]: each["xdp_mode"] for each in daemon.json("status")["interfaces"]}

    before = mode()
    pair.lab.run(["bpftool", "link", "detach", "pinned", PINS / second.port / "link"])
    assert mode() == {**before, second.port: "none"}
    daemon.control("reload")
    assert second.client().read(0, 1) == pair.client().read(0, 1) == pattern(0, 1)
    assert mode() == before and daemon.diff() == []


def test_program_replaced_by_a_stranger_holds_up_nothing_else(pair, second, daemon, config):
    """What was served there only is gone until the stranger is; all else can be changed meanwhile."""
    config["aoe"][1]["interface"] = second.port
    daemon.configure(config)
    daemon.control("reload")
    pair.lab.run(["bpftool", "link", "detach", "pinned", PINS / second.port / "link"])
    attach_foreign(second)
    assert "another XDP program" in reload_fails(daemon)
    daemon.control("disk", "add", "new", "ram:1M")
    assert pair.client().read(0, 1) == pattern(0, 1)
    assert any("7.2: add" in line for line in daemon.diff()), daemon.diff()
    pair.lab.ip(pair.storage, f"link set {second.port} xdpdrv off")
    daemon.control("reload")
    assert second.client().finds((7, 1), (7, 2))
    assert daemon.diff() == []


def test_interface_that_was_renamed(pair, second, daemon, config):
    """It is served on, and the file may say its new name."""
    old, second.port = second.port, f"{second.port}new"
    pair.lab.undo.callback(pair.lab.forget, [second.port])
    pair.lab.ip(pair.storage, f"link set {old} name {second.port}")
    wait_until(lambda: f"{old} is now called {second.port}" in daemon.output(), 5, "a word about it")
    assert second.client().read(0, 1) == pattern(0, 1)
    names = [each["name"] for each in daemon.json("status")["interfaces"]]
    assert names == [pair.port, second.port]
    for text in json.dumps(daemon.json("stats")), daemon.shown():
        assert second.port in text and old not in text.replace(second.port, "")
    # Who looks for its maps finds them, and its old name is free.
    assert (PINS / second.port / "acl").exists() and not (PINS / old).exists()
    assert not (LOCKS / f"{old}.lock").exists()
    config["interfaces"][1]["name"] = second.port
    config["aoe"][0]["interfaces"][1] = second.port
    daemon.configure(config)
    assert daemon.diff() == []
    daemon.control("reload")
    assert second.client().read(0, 1) == pair.client().read(0, 1) == pattern(0, 1)
    assert daemon.diff() == []
    assert daemon.stop() == 0 and not (PINS / old).exists() and not (PINS / second.port).exists()


def test_lists_that_differ_between_interfaces(pair, second, daemon, config):
    config["aoe"][0]["allow"] = ["02:00:00:00:00:05"]
    daemon.configure(config)
    daemon.control("reload")
    for link in pair, second:
        admit(pair, link.port, "7.1", STRANGER)
        assert link.client(mac=STRANGER).read(0, 1) == pattern(0, 1)
        daemon.control("reload")
        assert (7, 1) not in link.client(mac=STRANGER).discover(), link.port


def test_evicted_where_only_one_interface_admits_him(pair, second, daemon, config):
    config["aoe"][0]["allow"] = ["02:00:00:00:00:05"]
    daemon.configure(config)
    daemon.control("reload")
    for link in pair, second:
        admit(pair, link.port, "7.1", STRANGER)
        daemon.control("initiator", "evict", STRANGER)
        assert (7, 1) not in link.client(mac=STRANGER).discover(), link.port
        daemon.control("reload")


def test_list_changed_past_the_daemon_follows_to_a_new_interface(pair, second, daemon, config):
    config["aoe"][0]["interfaces"] = [pair.port]
    config["aoe"][0]["allow"] = ["02:00:00:00:00:05"]
    daemon.configure(config)
    daemon.control("reload")
    admit(pair, pair.port, "7.1", STRANGER)
    config["aoe"][0]["interfaces"] = [pair.port, second.port]
    config["aoe"][0]["allow"] = ["02:00:00:00:00:05", STRANGER]
    daemon.configure(config)
    daemon.control("reload")
    assert second.client(mac=STRANGER).read(0, 1) == pattern(0, 1)


def test_export_is_replaced_while_a_link_is_down(pair, second, daemon, config):
    """Its announcements wait for that link, and nothing waits for them."""
    pair.lab.ip(pair.storage, f"link set {second.port} down")
    daemon.control("disk", "resize", "vol0", "16MiB")
    config["disks"][0].update(size="16MiB", ro=True)
    daemon.configure(config)
    daemon.control("reload")
    assert pair.client().read(0, 1) == pattern(0, 1)
    pair.lab.ip(pair.storage, f"link set {second.port} up")
    pair.lab.carrier(pair.storage, second.port)
    pair.lab.carrier(pair.initiator, second.nic)
    assert second.client().read(0, 1) == pattern(0, 1)


def test_disk_that_hangs_holds_up_no_other_change(pair, config, hanging):
    daemon, client, frozen = hanging
    daemon.control("export", "remove", "9.9")
    del config["aoe"][0]
    config["aoe"] += [{"interface": pair.port, "address": f"8.{slot}", "disk": "scratch", "allow": ["any"]}
                      for slot in range(3)]
    daemon.configure(config)
    began = time.monotonic()
    daemon.control("reload")
    assert time.monotonic() - began < patience(4)
    assert pair.client().finds((7, 1), (7, 2), (8, 0), (8, 1), (8, 2))
    frozen.thaw()
    assert client.reply_to(7777)


def test_disk_that_hangs_keeps_no_other_away(pair, config, hanging):
    """It cannot be replaced, and its export not return yet; those that went with it can."""
    daemon, client, frozen = hanging
    config["disks"][2]["ro"] = True
    config["disks"][0]["ro"] = True
    daemon.configure(config)
    assert "try again" in reload_fails(daemon)
    assert pair.client().finds((7, 1), (7, 2))
    assert "cannot undo it all: export 9.9" in daemon.output()
    frozen.thaw()
    assert client.reply_to(7777)
    daemon.control("reload")
    assert pair.client().finds((7, 1), (7, 2), (9, 9))


def test_file_system_that_hangs_keeps_nobody_in_the_dark(pair, second, config):
    """A write to the page cache may be done by the worker itself, which then hangs with it."""
    frozen = Frozen(pair.lab)
    config["disks"].append({"name": "cold", "file": str(frozen.disk), "cache": "writeback"})
    config["aoe"].append({"interface": pair.port, "address": "9.9", "disk": "cold", "allow": ["any"]})
    daemon = Daemon(pair.lab, pair.storage, config)
    client = pair.client(9, 9)
    client.size()
    frozen.freeze()
    client.send(client.frame(ATA, ata_body(WRITE_EXT, 0, 1, 0, AFLAG_LBA48 | AFLAG_WRITE, bytes(512)),
                             tag=7777))
    wait_until(lambda: daemon.control("status") and "does not answer" in daemon.output(), 5,
               "a word about the worker")

    def answers():
        return {each["name"]: each["queues"][0]["answers"] for each in daemon.json("status")["interfaces"]}

    began = time.monotonic()
    assert answers() == {pair.port: False, second.port: True}
    assert [len(each["queues"]) for each in daemon.json("stats")["interfaces"]] == [0, 1]
    assert time.monotonic() - began < patience(2)
    assert second.client().read(0, 1) == pattern(0, 1)
    frozen.thaw()
    assert client.reply_to(7777)
    # It sends that answer before it looks at what else it was asked.
    wait_until(lambda: answers() == {pair.port: True, second.port: True}, 5, "both workers' answers")


@pytest.mark.parametrize("member", ["busy_poll", "flood_guard"])
@pytest.mark.parametrize("number", [-1, (1 << 32) + 5])
def test_attach_request_with_a_number_out_of_range(pair, daemon, member, number):
    near, _ = pair.lab.veth(pair.storage, pair.initiator)
    answer = daemon.ask(command="attach", groups=[{"interfaces": [near], "exports": [], member: number}])
    assert not answer["ok"] and member in answer["error"], answer
    assert near not in daemon.shown()


def test_failed_reload_puts_back_lists_that_differ(pair, second, daemon, config):
    """Each interface its own list: a stranger who was let in on one must not come in by the other."""
    config["aoe"][0]["allow"] = ["02:00:00:00:00:05"]
    daemon.configure(config)
    daemon.control("reload")
    admit(pair, second.port, "7.1", STRANGER)
    with inside(pair.storage), socket.create_server(("127.0.0.1", 0)) as taken:
        config["exporter"] = {"listen": f"127.0.0.1:{taken.getsockname()[1]}"}
        # The list alone, the interfaces, and the export as a whole.
        for change in ({"allow": ["any/ro"]}, {"interfaces": [second.port]}, {"disk": "scratch"}):
            changed = copy.deepcopy(config)
            changed["aoe"][0].update(change)
            daemon.configure(changed)
            assert "127.0.0.1" in reload_fails(daemon)
            assert (7, 1) not in pair.client(mac=STRANGER).discover(), change
            assert second.client(mac=STRANGER).read(0, 1) == pattern(0, 1), change
    assert "cannot undo" not in daemon.output()


def test_entry_written_before_its_export_does_not_open_it(pair, daemon):
    """Default deny holds for what comes later, too; written afterwards, the entry counts."""
    admit(pair, pair.port, "7.9", STRANGER)
    daemon.control("export", "add", "7.9", "vol0", "--interface", pair.port, "--allow", "02:00:00:00:00:05")
    assert (7, 9) not in pair.client(mac=STRANGER).discover()
    admit(pair, pair.port, "7.9", STRANGER)
    assert pair.client(7, 9, mac=STRANGER).read(0, 1) == pattern(0, 1)


@pytest.mark.parametrize("options", [{}, {"prealloc": True}], ids=["sparse", "prealloc"])
def test_failed_reload_leaves_no_file_that_it_made(pair, daemon, config, options):
    """And takes away none that was there before."""
    there = pair.lab.disk(1 << 20, "there.img", fill=False)
    made = pair.lab.path / "made.img"
    config["disks"] += [{"name": "made", "file": str(made), "size": "1MiB", **options},
                        {"name": "there", "file": str(there), "size": "1MiB", **options}]
    with inside(pair.storage), socket.create_server(("127.0.0.1", 0)) as taken:
        config["exporter"] = {"listen": f"127.0.0.1:{taken.getsockname()[1]}"}
        daemon.configure(config)
        assert "127.0.0.1" in reload_fails(daemon)
    assert there.exists() and not made.exists()
    # The same without the mistake; once made, it is no reload's to take away.
    daemon.control("reload")
    config["disks"][2]["ro"] = True
    config["disks"][2].pop("prealloc", None)
    config["interfaces"].append({"name": "nosuch0"})
    daemon.configure(config)
    assert "nosuch0" in reload_fails(daemon)
    assert made.stat().st_size == 1 << 20


def test_start_that_fails_leaves_no_file_that_it_made(pair, config):
    made = pair.lab.path / "made.img"
    config["disks"].append({"name": "made", "file": str(made), "size": "1MiB"})
    config["interfaces"].append({"name": "nosuch0"})
    daemon = Daemon(pair.lab, pair.storage, config, wait=False)
    assert daemon.wait() == 1
    assert not made.exists()
    pair.refused_attach("nosuch0", "--aoe", f"7.1={made},size=1M", "--allow", "any")
    assert not made.exists()


def test_store_gets_another_name_path_and_options_at_once(pair, daemon, config):
    link = pair.lab.path / "link.img"
    link.symlink_to(config["disks"][0]["file"])
    config["disks"][0] = {"name": "renamed", "file": str(link), "ro": True}
    config["aoe"][0]["disk"] = "renamed"
    daemon.configure(config)
    daemon.control("reload")
    assert pair.client().read(3, 1) == pattern(3, 1)
    assert daemon.diff() == []


def test_interfaces_that_swapped_their_names(pair, second, daemon, config):
    """Each goes on with its exports, and the configuration with their names."""
    third = f"{pair.port}x"
    pair.lab.undo.callback(pair.lab.forget, [third])
    for old, new in (pair.port, third), (second.port, pair.port), (third, second.port):
        pair.lab.ip(pair.storage, f"link set {old} name {new}")
    pair.port, second.port = second.port, pair.port
    wait_until(lambda: daemon.output().count("is now called") == 3, 5, "three words about it")
    assert pair.client().finds((7, 1), (7, 2))
    assert second.client().finds((7, 1))
    config["aoe"][1]["interface"] = pair.port
    daemon.configure(config)
    assert daemon.diff() == []
    daemon.control("detach", second.port)
    assert pair.client().read(0, 1) == pattern(0, 1)
    assert daemon.stop() == 0 and not (PINS / pair.port).exists() and not (PINS / second.port).exists()


def test_renamed_to_a_name_whose_pins_are_anothers(pair, second, daemon):
    taken = f"{second.port}new"
    pair.lab.undo.callback(pair.lab.forget, [taken])
    (PINS / taken).mkdir()
    pair.lab.ip(pair.storage, f"link set {second.port} name {taken}")
    wait_until(lambda: f"the pins of {taken} stay" in daemon.output(), 5, "a word about it")
    assert second.client().read(0, 1) == pattern(0, 1)
    daemon.control("detach", taken)
    assert (PINS / taken).exists() and not (PINS / second.port).exists()
