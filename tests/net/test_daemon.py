# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The daemon: what its file says, what changes while it serves, and what a mistake costs: nothing."""

import copy
import itertools
import json
import os
import queue
import shlex
import signal
import socket
import struct
import threading
import time
from pathlib import Path

import pytest

from aoe import (AFLAG_LBA48, AFLAG_WRITE, ATA, CONFIG, READ_EXT, WRITE_EXT, AoeClient, AtaReply, ata_body)
from daemon import Daemon
from lab import PINS, PROGRAM, patience, pattern, wait_until
from verified import STALL, Load

READER = "02:00:00:00:00:05"
MAX_ACL = 65536  # entries of an interface


@pytest.fixture
def config(pair):
    """Two disks, one export for everybody, one for nobody in particular."""
    return {
        "disks": [{"name": "vol0", "file": str(pair.lab.disk(8 << 20, "vol0.img"))},
                  {"name": "scratch", "ram": "4MiB"}],
        "interfaces": [{"name": pair.port}],
        "aoe": [{"interface": pair.port, "address": "7.1", "disk": "vol0", "allow": ["any"]},
                {"interface": pair.port, "address": "7.2", "disk": "scratch",
                 "allow": [f"{READER}/ro"]}],
    }


@pytest.fixture
def daemon(pair, config):
    return Daemon(pair.lab, pair.storage, config)


def addresses(target):
    return sorted(export["address"] for export in target.json("status")["exports"])


def allowed(target, address):
    """The export's access list, as `acl list` shows it."""
    rows = json.loads(target.control("acl", "list", "--json").stdout)["acl"]
    return {row["mac"]: row["access"] for row in rows if row["address"] == address}


# ---- the file ------------------------------------------------------------------------------------


def test_serves_what_the_file_says(pair, daemon, config):
    assert pair.client().finds((7, 1))
    assert pair.client(mac=READER).finds((7, 1), (7, 2))
    assert pair.client().read(5, 2) == pattern(5, 2)
    assert daemon.diff() == []
    assert daemon.stop(signal.SIGTERM) == 0
    assert not pair.attached() and not pair.pinned()


def test_file_that_serves_nothing_says_so(pair):
    """As the package installs it: comments alone."""
    daemon = Daemon(pair.lab, pair.storage, "# disks:\n")
    assert "ready: nothing is served yet\n" in daemon.output()
    assert daemon.control("config", "show").returncode == 0 and addresses(daemon) == []


def test_show_and_save_is_the_identity(pair, daemon):
    shown = daemon.shown()
    daemon.configure(shown)
    assert daemon.diff() == []
    daemon.control("reload")
    assert daemon.shown() == shown
    daemon.stop(signal.SIGTERM)
    again = Daemon(pair.lab, pair.storage, shown)
    assert again.shown() == shown


def test_wrong_file_is_no_start(pair, config):
    config["aoe"][0]["disk"] = "nosuch"
    file = pair.lab.path / "wrong.yaml"
    file.write_text(json.dumps(config, indent=1))
    done = pair.lab.run([PROGRAM, "daemon", "--config", file, "--socket", pair.lab.path / "s",
                         "--state-dir", pair.lab.path / "state"], pair.storage, check=False)
    assert done.returncode == 2
    assert "wrong.yaml:" in done.stderr and "nosuch" in done.stderr
    assert not pair.attached()


@pytest.mark.parametrize("how", ["signal", "command"])
def test_reload_applies_the_difference(pair, daemon, config, how):
    del config["aoe"][1]
    config["disks"].append({"name": "more", "ram": "8MiB"})
    config["aoe"].append({"interface": pair.port, "address": "7.3", "disk": "more",
                          "allow": ["any"]})
    daemon.configure(config)
    assert len(daemon.diff()) == 3  # remove 7.2, add the disk, add 7.3
    with Load(pair.client()):
        if how == "signal":
            daemon.hup()
        else:
            daemon.control("reload")
        wait_until(lambda: addresses(daemon) == ["7.1", "7.3"], 5, "the new exports")
    assert pair.client(7, 3).size() == 16384
    assert daemon.diff() == []


BROKEN = {
    "yaml": lambda config: "disks: [",
    "empty file": lambda config: "",
    "unknown key": lambda config: {**config, "disk": []},
    "unknown disk": lambda config: {**config, "aoe": [{**config["aoe"][0], "disk": "x"}]},
    "missing file": lambda config: {**config, "disks": config["disks"] +
                                    [{"name": "gone", "file": "/nonexistent/disk.img"}]},
    "missing interface": lambda config: {**config, "interfaces": config["interfaces"] +
                                         [{"name": "nosuch0"}]},
    # Both go well together with exports that leave: those must stay.
    "missing file, exports removed": lambda config: {
        **config, "aoe": [], "disks": config["disks"] + [{"name": "gone", "file": "/nonexistent/d"}]},
}


@pytest.mark.parametrize("mistake", BROKEN)
def test_invalid_file_changes_nothing(pair, daemon, config, mistake):
    shown = daemon.shown()
    daemon.configure(BROKEN[mistake](copy.deepcopy(config)))
    with Load(pair.client()):
        done = daemon.control("reload", check=False)
        assert done.returncode == 1 and done.stderr.count("\n") == 1, done
    assert daemon.shown() == shown
    assert pair.client(mac=READER).finds((7, 1), (7, 2))


def test_many_reloads_under_load(pair, config):
    # How soon a file's data is durable is the business of whatever else is written on the machine.
    config["disks"][0] = {"name": "vol0", "ram": "8MiB"}
    daemon = Daemon(pair.lab, pair.storage, config, state=pair.lab.tmpfs("1m"))
    other = copy.deepcopy(config)
    other["disks"].append({"name": "more", "ram": "8MiB"})
    other["aoe"][1]["allow"] = ["any", f"{READER}/deny"]
    other["aoe"] += [{"interface": pair.port, "address": f"8.{slot}", "disk": "more",
                      "allow": ["any"]} for slot in range(20)]
    with Load(pair.client()) as load:
        for turn in range(40):
            daemon.configure(config if turn % 2 else other)
            daemon.control("reload")
        assert addresses(daemon) == ["7.1", "7.2"]
    assert load.slowest < patience(STALL)


def test_reloads_signals_and_edits_at_once(pair, config):
    """Whatever comes while a change is made comes after it; in the end the file is what runs."""
    daemon = Daemon(pair.lab, pair.storage, config, state=pair.lab.tmpfs("1m"))
    done = threading.Event()
    failures = []

    def rewrite():
        for turn in itertools.cycle(range(6)):
            other = copy.deepcopy(config)
            for slot in range(turn):
                other["disks"].append({"name": f"m{slot}", "ram": "1MiB"})
                other["aoe"].append({"interface": pair.port, "address": f"8.{slot}", "disk": f"m{slot}",
                                     "allow": ["any"]})
            if turn == 3:
                other["interfaces"].append({"name": "nosuch0"})
            draft = daemon.file.with_suffix(".draft")
            draft.write_text(json.dumps(other))
            draft.rename(daemon.file)
            daemon.hup()
            yield

    def edit(number):
        yield from itertools.cycle([
            lambda: daemon.ask(command="disk-add", name=f"x{number}", disk="ram:1M"),
            lambda: daemon.ask(command="export-add", address=f"9.{number}", disk=f"x{number}",
                               interfaces=[pair.port], allow="any"),
            lambda: daemon.ask(command="reload"),
            lambda: daemon.ask(command="export-remove", address=f"9.{number}"),
            lambda: daemon.ask(command="disk-remove", name=f"x{number}"),
        ])

    def repeat(steps):
        try:
            for step in steps:
                answer = step() if step else None
                # Refused or done, but answered with a line.
                assert not answer or "ok" in answer
                if done.is_set():
                    break
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=repeat, args=(steps,))
               for steps in (rewrite(), edit(1), edit(2))]
    with Load(pair.client()) as load:
        for thread in threads:
            thread.start()
        wait_until(lambda: daemon.output().count("export 8.4: add") >= 3 or failures, 30, "three rounds")
        done.set()
        for thread in threads:
            thread.join()
    assert not failures and load.rounds
    daemon.configure(config)
    daemon.control("reload")
    assert daemon.diff() == [] and addresses(daemon) == ["7.1", "7.2"]
    assert "cannot undo" not in daemon.output()


def test_kill_and_start_again(pair, daemon):
    pair.client().write(3, pattern(3, 2, 7))
    daemon.kill()
    daemon.start()
    assert pair.client().read(3, 2) == pattern(3, 2, 7)
    assert daemon.stop(signal.SIGTERM) == 0
    assert not pair.pinned()


def waited_for_a_cpu(pid):
    """Seconds that a process' first thread could have run, had others not been running."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[1]) / 1e9


def test_restart_pauses_for_less_than_a_second(pair, config):
    """An initiator that asks again every 20 ms, as one whose requests are lost does."""
    # How long the disk takes is the business of whoever else writes to it; how often it is waited for, see below.
    daemon = Daemon(pair.lab, pair.storage, config, state=pair.lab.tmpfs("1m"))
    client = pair.client()
    answered, waited, done = [], [], threading.Event()

    def ask():
        tag = 0
        while not done.is_set():
            tag += 1
            client.send(client.frame(ATA, ata_body(READ_EXT, 7, 2, 0, AFLAG_LBA48), tag=tag))
            reply = client.receive(0.02)
            if reply and reply.command == ATA:  # to this request or to one before it
                assert AtaReply.of(reply).data[:1024] == pattern(7, 2)
                answered.append(time.monotonic())

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        for _ in range(3):
            before = len(answered)
            wait_until(lambda: len(answered) > before + 10, 5, "answers")
            daemon.stop(signal.SIGTERM)
            daemon.start()
            waited.append(waited_for_a_cpu(daemon.pid))
        before = len(answered)
        wait_until(lambda: len(answered) > before + 10, 5, "answers")
    finally:
        done.set()
        asking.join()
    longest = max(b - a for a, b in zip(answered, answered[1:]))
    print(f"longest pause {longest:.3f} s, waited for a CPU {max(waited):.3f} s")
    # The process before it and the initiator had to wait as well.
    assert longest < patience(1) + 2 * max(waited)


def test_start_waits_for_the_disk_but_a_few_times(pair, config):
    """However many exports there are: each pauses for the whole of a restart."""
    config["aoe"] = [{"interface": pair.port, "address": f"{shelf}.1", "disk": "scratch", "allow": ["any"]}
                     for shelf in range(40)]
    daemon = Daemon(pair.lab, pair.storage, config)
    daemon.stop(signal.SIGTERM)
    trace = pair.lab.path / "trace"
    daemon.argv = ["strace", "-D", "-f", "-q", "-e", "trace=fsync,fdatasync,sync_file_range", "-o", trace, "--",
                   *daemon.argv]
    daemon.start()
    daemon.stop(signal.SIGTERM)
    wait_until(lambda: "+++ exited" in trace.read_text(), 10, "the trace's end")
    assert 0 < trace.read_text().count("sync") < 10


def fill(lab, folder):
    with pytest.raises(OSError):
        (folder / "filler").write_bytes(b"x" * (1 << 20))


def make_read_only(lab, folder):
    """Who has a file there open for writing keeps it from being remounted; so this covers it."""
    lab.run(["mount", "--bind", folder, folder])
    lab.undo.callback(lab.run, ["umount", "-l", folder])
    lab.run(["mount", "-o", "remount,bind,ro", folder])


@pytest.mark.parametrize("spoil, word", [(fill, "space"), (make_read_only, "Read-only")])
def test_nothing_changes_without_room_for_the_state(pair, config, spoil, word):
    state = pair.lab.tmpfs("64k")
    daemon = Daemon(pair.lab, pair.storage, config, state=state)
    shown = daemon.shown()
    spoil(pair.lab, state)

    done = daemon.control("export", "add", "8.1", "scratch", "--interface", pair.port, "--allow", "any",
                          check=False)
    assert done.returncode == 1 and word in done.stderr and done.stderr.count("\n") == 1, done
    config["aoe"].insert(0, {"interface": pair.port, "address": "8.1", "disk": "scratch", "allow": ["any"]})
    config["aoe"][1]["allow"] = [READER]
    daemon.configure(config)
    done = daemon.control("reload", check=False)
    assert done.returncode == 1 and word in done.stderr and str(state) in done.stderr, done
    assert daemon.shown() == shown
    assert pair.client().finds((7, 1))
    assert pair.client().read(0, 2) == pattern(0, 2)


@pytest.mark.parametrize("spoil, word", [(fill, "space"), (make_read_only, "Read-only")])
def test_no_start_without_room_for_the_state(pair, config, spoil, word):
    state = pair.lab.tmpfs("64k")
    spoil(pair.lab, state)
    file = pair.lab.path / "config.yaml"
    file.write_text(json.dumps(config))
    assert word in pair.refused("daemon", "--config", file, "--state-dir", state, "--socket",
                                pair.lab.path / "c")


def test_second_daemon_is_refused(pair, daemon):
    done = pair.lab.run([PROGRAM, "daemon", "--config", daemon.file, "--socket", daemon.socket,
                         "--state-dir", pair.lab.path / "other"], pair.storage, check=False)
    assert done.returncode == 1 and "another process answers" in done.stderr
    assert pair.client().read(0, 1) == pattern(0, 1)


# ---- live commands -------------------------------------------------------------------------------


def test_disks_and_exports_come_and_go(pair, daemon):
    with Load(pair.client()):
        daemon.control("disk", "add", "more", "ram:8M")
        daemon.control("export", "add", "9.1", "more", "--interface", pair.port, "--allow", "any")
        assert pair.client(9, 1).size() == 16384
        in_use = daemon.control("disk", "remove", "more", check=False)
        assert in_use.returncode == 1 and "exported" in in_use.stderr
        daemon.control("export", "remove", "9.1")
        daemon.control("disk", "remove", "more")
    assert addresses(daemon) == ["7.1", "7.2"]
    assert daemon.diff() == []


def test_disks_are_listed_by_the_names_that_commands_take(daemon, config):
    rows = [line.split() for line in daemon.control("disk", "list").stdout.splitlines()[1:]]
    names = {row[-1]: row[-2] for row in rows[1:]}
    assert names == {"file:" + config["disks"][0]["file"]: "vol0", "ram:4MiB": "scratch"}, rows
    daemon.control("disk", "resize", names["file:" + config["disks"][0]["file"]])


def test_disabled_export_is_silent(pair, daemon):
    client = pair.client()
    daemon.control("export", "disable", "7.1")
    assert client.finds()
    assert "enabled: false" in daemon.shown()
    daemon.control("export", "enable", "7.1")
    assert client.read(0, 2) == pattern(0, 2)


def test_disk_that_grew_is_not_shrunk_by_its_file(pair, daemon, config):
    """What was grown live stays, over reloads, changes that fail and a start; everything says so."""
    config["disks"][0]["size"] = "8MiB"
    daemon.configure(config)
    daemon.control("disk", "resize", "vol0", "16MiB")
    keeps = "disk vol0: keep its 16MiB, as files never shrink: size 8MiB is too small"
    assert daemon.diff() == [keeps]
    config["disks"].append({"name": "more", "ram": "1MiB"})
    daemon.configure(config)
    daemon.control("reload")
    assert keeps in daemon.output() and "size: 16MiB" in daemon.shown()
    config["disks"][0]["ro"] = True
    config["interfaces"].append({"name": "nosuch0"})
    daemon.configure(config)
    assert daemon.control("reload", check=False).returncode == 1
    assert "cannot undo" not in daemon.output()
    del config["interfaces"][1]
    daemon.configure(config)
    daemon.stop(signal.SIGTERM)
    daemon.start()
    assert "vol0" in daemon.output() and "16777216 bytes" in daemon.output()
    assert pair.client().size() == 32768


def test_disk_grows_while_served(pair, daemon):
    client = pair.client()
    with Load(pair.client()):
        client.drain()
        daemon.control("disk", "resize", "vol0", "16M")
        wait_until(lambda: client.receive().command == CONFIG, 5, "an announcement")
    assert client.size() == 32768
    client.write(32766, pattern(32766, 2, 1))
    smaller = daemon.control("disk", "resize", "vol0", "1M", check=False)
    assert smaller.returncode == 1 and "never shrunk" in smaller.stderr


@pytest.mark.parametrize("words,text", [
    (("disk", "add", "vol0", "ram:1M"), "exists"),
    (("disk", "add", "x", "ram:1"), "'1'"),
    (("disk", "remove", "x"), "no disk x"),
    (("disk", "resize", "scratch", "8M"), "only files grow"),
    (("export", "remove", "1.1"), "no export 1.1"),
    (("export", "enable", "1"), "not an AoE address"),
    (("acl", "allow", "7.9", "any"), "no export 7.9"),
    (("acl", "allow", "7.1", "me"), "'me'"),
    (("initiator", "evict", "me"), "'me'"),
    (("detach", "nosuch0"), "nosuch0"),
])
def test_refused_with_one_line(daemon, words, text):
    shown = daemon.shown()
    done = daemon.control(*words, check=False)
    assert done.returncode == 1 and text in done.stderr and done.stderr.count("\n") == 1, done
    assert daemon.shown() == shown


@pytest.mark.parametrize("words", [("disk",), ("disk", "mend"), ("disk", "add", "x"),
                                   ("export", "add", "1.1", "x"), ("acl", "list", "x"),
                                   ("reload", "x"), ("disk", "list", "--fast")])
def test_wrong_usage(daemon, words):
    done = daemon.control(*words, check=False)
    assert done.returncode == 2 and "--help" in done.stderr, done


@pytest.mark.parametrize("words,option", [
    (("acl", "allow", "7.1", "any", "--ro"), "--ro"),
    (("acl", "allow", "7.1", "any", "--interface", "eth0"), "--interface"),
    (("disk", "add", "x", "ram:1M", "--allow", "any"), "--allow"),
    (("disk", "remove", "scratch", "--json"), "--json"),
    (("export", "add", "1.1", "scratch", "--interface", "eth0", "--allow", "any", "--ro"), "--ro"),
    (("export", "remove", "7.1", "--portal", "127.0.0.1"), "--portal"),
    (("disk", "list", "--ro"), "--ro"),
])
def test_option_that_means_nothing_to_the_verb(daemon, words, option):
    shown = daemon.shown()
    done = daemon.control(*words, check=False)
    assert done.returncode == 2 and f"{words[1]} takes no {option} " in done.stderr, done
    assert daemon.shown() == shown


@pytest.mark.parametrize("words", [("status",), ("stats", "--json"), ("config", "show"),
                                   ("disk", "list"), ("acl", "list", "--json"), ("sessions",)])
def test_output_that_does_not_arrive(daemon, words):
    command = shlex.join([str(PROGRAM), *words, "--socket", str(daemon.socket)])
    done = daemon.lab.run(["sh", "-c", f"exec {command} >/dev/full"], check=False)
    assert done.returncode == 1 and done.stderr.count("\n") == 1, done


def test_attach_is_handed_to_the_daemon(pair, daemon):
    lab = pair.lab
    near, far = lab.veth(pair.storage, pair.initiator)
    disk = lab.disk(1 << 20, "attached.img")
    done = lab.run([PROGRAM, "attach", near, "--aoe", "5.1=attached.img", "--allow", "any", "--socket",
                    daemon.socket], pair.storage, cwd=disk.parent)
    assert "daemon" in done.stdout
    client = AoeClient(lab, pair.initiator, far, lab.mac(pair.storage, near), 5, 1)
    assert client.read(7, 1) == pattern(7, 1)
    assert str(disk) in daemon.shown()
    daemon.control("detach", near)
    assert addresses(daemon) == ["7.1", "7.2"]
    assert not (PINS / near).exists()


@pytest.mark.parametrize("option,value", [("--exporter", "127.0.0.1:9464"), ("--state-dir", "/tmp")])
def test_attach_says_what_a_daemon_does_not_take_over(pair, daemon, option, value):
    near, _ = pair.lab.veth(pair.storage, pair.initiator)
    done = daemon.control("attach", near, "--aoe", "5.1=ram:1M", "--allow", "any", option, value, check=False)
    assert done.returncode == 1 and f"leave out {option}" in done.stderr, done
    assert addresses(daemon) == ["7.1", "7.2"]


def test_daemon_without_interface_goes_on(pair, daemon):
    daemon.control("detach", pair.port)
    assert addresses(daemon) == [] and not pair.attached()
    daemon.control("reload")
    assert pair.client().read(0, 1) == pattern(0, 1)


def test_limits_are_configuration(pair, daemon, config):
    daemon.control("limit", "set", READER, "iops=500")
    assert "iops: 500" in daemon.shown()
    assert daemon.diff() == [f"limit {READER}: remove"]
    config["limits"] = [{"initiator": READER, "iops": 700, "bytes": "1MiB"}]
    daemon.configure(config)
    daemon.control("reload")
    assert [(limit["mac"], limit["iops"], limit["bytes_per_second"])
            for limit in daemon.json("status")["limits"]] == [(READER, 700, 1 << 20)]
    assert daemon.diff() == []
    # What was set by hand is shown as it would stand in the file.
    daemon.control("limit", "set", "any", "bytes=1G")
    assert "initiator: any, bytes: 1GiB" in daemon.shown()
    config["limits"].append({"initiator": "any", "bytes": "1GiB"})
    daemon.configure(config)
    assert daemon.diff() == []
    daemon.file.write_text(daemon.shown())
    assert daemon.diff() == []


def test_faults_are_not_configuration(pair, daemon, config):
    """They are for experiments: no restart, by whatever was shown, brings them back."""
    before = daemon.shown()
    daemon.control("fault", "add", "7.1", "delay=1ms", "op=read")
    assert daemon.shown() == before
    assert daemon.diff() == []
    config["limits"] = [{"initiator": READER, "iops": 700}]
    daemon.configure(config)
    daemon.control("reload")  # of something else
    assert [fault["export"] for fault in daemon.json("status")["faults"]] == ["7.1"]
    daemon.file.write_text(daemon.shown())
    assert daemon.stop(signal.SIGTERM) == 0
    daemon.start()
    assert daemon.json("status")["faults"] == []
    assert [limit["mac"] for limit in daemon.json("status")["limits"]] == [READER]


def test_most_limits_that_a_file_may_have(pair, daemon, config):
    config["limits"] = [{"initiator": f"02:00:00:01:{i >> 8:02x}:{i & 255:02x}", "iops": 1000000000,
                         "bytes": "1024T"} for i in range(4095)] + [{"initiator": "any", "iops": 1}]
    daemon.configure(config)
    daemon.control("reload")
    assert daemon.diff() == []
    assert len(daemon.json("status")["limits"]) == 4096
    done = daemon.control("limit", "set", READER, "iops=5", check=False)
    assert done.returncode == 1 and "4096" in done.stderr


def test_log_level(pair, daemon):
    daemon.control("log", "level", "error")
    daemon.control("disk", "add", "quiet", "ram:1M")
    daemon.control("log", "level", "info")
    daemon.control("disk", "add", "loud", "ram:1M")
    assert "disk loud: add" in daemon.output() and "disk quiet" not in daemon.output()
    assert daemon.control("log", "level", "shout", check=False).returncode == 1


# ---- access --------------------------------------------------------------------------------------


def test_access_changes_at_once(pair, daemon):
    client = pair.client(7, 2, mac=READER)
    refused = client.ata(WRITE_EXT, 0, 1, aflags=AFLAG_LBA48 | AFLAG_WRITE, data=bytes(512))
    assert not refused.ok
    daemon.control("acl", "allow", "7.2", READER)
    wait_until(lambda: client.ata(WRITE_EXT, 0, 1, aflags=AFLAG_LBA48 | AFLAG_WRITE, data=bytes(512)).ok, 5,
               "the right to write")
    daemon.control("acl", "deny", "7.2", READER)
    assert allowed(daemon, "7.2") == {READER: "deny"}
    tag = 77777
    client.send(client.frame(ATA, ata_body(READ_EXT, 0, 1, 0, AFLAG_LBA48), tag=tag))
    assert client.reply_to(tag, 0.3) is None


def acl_key(address, mac):
    shelf, slot = map(int, address.split("."))
    raw = struct.pack("=III", 1, 0, shelf << 8 | slot) + bytes.fromhex(mac.replace(":", "")) + bytes(2)
    return [f"0x{byte:02x}" for byte in raw]


def test_the_map_is_the_truth(pair, daemon):
    stranger = "02:00:00:00:00:77"
    client = pair.client(7, 2, mac=stranger)
    assert client.finds((7, 1))
    pair.lab.run(["bpftool", "map", "update", "pinned", PINS / pair.port / "acl", "key",
                  *acl_key("7.2", stranger), "value", "1", "0", "0", "0"])
    assert allowed(daemon, "7.2") == {READER: "ro", stranger: "ro"}
    assert stranger in daemon.shown()
    assert client.read(0, 1) == bytes(512)
    assert not client.ata(WRITE_EXT, 0, 1, aflags=AFLAG_LBA48 | AFLAG_WRITE, data=bytes(512)).ok
    dump = json.loads(pair.lab.run(["bpftool", "-j", "map", "dump", "pinned",
                                    PINS / pair.port / "acl"]).stdout)
    assert sorted((entry["formatted"]["key"]["address"], entry["formatted"]["key"]["mac"],
                   entry["formatted"]["value"]["access"]) for entry in dump) == [
        (0x701, [0xff] * 6, 2), (0x702, [2, 0, 0, 0, 0, 5], 1), (0x702, [2, 0, 0, 0, 0, 0x77], 1)]
    # The file does not know him: the next reload takes him out again.
    assert any("7.2" in line for line in daemon.diff())
    daemon.control("reload")
    assert allowed(daemon, "7.2") == {READER: "ro"}
    assert client.finds((7, 1))


def odd_key(address, mac, vlan=0, zero=0):
    raw = struct.pack("=III6sH", 1, vlan, address, bytes.fromhex(mac.replace(":", "")), zero)
    return [str(byte) for byte in raw]


def test_entries_that_no_frame_meets_are_no_access(pair, daemon):
    """What somebody wrote to the map by mistake lets nobody in, and nobody says that it does."""
    mac = "02:00:00:00:00:77"
    client = pair.client(7, 2, mac=mac)
    for key in (odd_key(0x702, mac, zero=1), odd_key(0x1000702, mac), odd_key(0x702, mac, vlan=7 << 24)):
        pair.lab.run(["bpftool", "map", "update", "pinned", PINS / pair.port / "acl", "key", *key,
                      "value", "2", "0", "0", "0"])
    assert client.finds((7, 1))
    assert allowed(daemon, "7.2") == {READER: "ro"}
    assert daemon.diff() == []
    # A word that is none of ours admits nobody either.
    pair.lab.run(["bpftool", "map", "update", "pinned", PINS / pair.port / "acl", "key",
                  *odd_key(0x702, mac), "value", "9", "9", "9", "9"])
    assert allowed(daemon, "7.2") == {READER: "ro", mac: "deny"}
    assert client.finds((7, 1))


def fill_map(pair, address, left):
    """With entries of this address, but for so many places."""
    update = f"map update pinned {PINS / pair.port / 'acl'} key"
    fill = pair.lab.path / "fill"
    fill.write_text("".join(f"{update} {' '.join(odd_key(address, f'02:01:{i:08x}'))} value 1 0 0 0\n"
                            for i in range(MAX_ACL - left)))
    pair.lab.run(["bpftool", "batch", "file", fill])


def test_map_without_room_says_so(pair, daemon):
    fill_map(pair, 0x909, 3)
    daemon.control("acl", "allow", "7.2", "02:00:00:00:01:01")
    done = daemon.control("acl", "allow", "7.2", "02:00:00:00:01:02", check=False)
    assert done.returncode == 1 and f"room for {MAX_ACL} entries" in done.stderr, done
    assert done.stderr.count("\n") == 1
    assert allowed(daemon, "7.2") == {READER: "ro", "02:00:00:00:01:01": "rw"}
    # Shutting out does what it can: 7.1 would need an entry more.
    done = daemon.control("initiator", "evict", READER, check=False)
    assert done.returncode == 1 and "7.1" in done.stderr, done
    assert pair.client(7, 2, mac=READER).finds((7, 1))


@pytest.mark.parametrize("how", ["command", "reload"])
def test_list_without_room_admits_nobody_who_is_on_it(pair, daemon, config, how):
    # A reload takes away what is written for an address that is not served.
    config["aoe"].append({**config["aoe"][0], "address": "7.3"})
    daemon.configure(config)
    daemon.control("reload")
    fill_map(pair, 0x703, 4)
    newcomers = ["02:00:00:00:01:01", "02:00:00:00:01:02"]
    if how == "command":
        done = daemon.control("acl", "allow", "7.2", ",".join([READER, *newcomers]), check=False)
    else:
        config["aoe"][1]["allow"] = [READER, *newcomers]
        daemon.configure(config)
        done = daemon.control("reload", check=False)
    assert done.returncode == 1 and f"room for {MAX_ACL} entries" in done.stderr, done
    assert allowed(daemon, "7.2") == {READER: "ro"}
    assert pair.client(7, 2, mac=newcomers[0]).finds((7, 1), (7, 3))
    daemon.control("acl", "allow", "7.2", newcomers[0])


def test_evicted_initiator_is_out_everywhere(pair, daemon):
    daemon.control("initiator", "evict", READER)
    assert pair.client(mac=READER).finds()
    assert allowed(daemon, "7.1") == {"any": "rw", READER: "deny"}
    assert allowed(daemon, "7.2") == {READER: "deny"}
    assert pair.client().finds((7, 1))


# ---- systemd's side ------------------------------------------------------------------------------


NO_JOURNAL = '[ ! -d /run/systemd ] || mount -t tmpfs tmpfs /run/systemd; exec "$@"'


def test_without_a_journal_lines_go_to_stderr(pair, config):
    config["log"] = {"to": "journal"}
    daemon = Daemon(pair.lab, pair.storage, config)
    daemon.stop(signal.SIGTERM)
    daemon.argv = ["unshare", "--mount", "sh", "-c", NO_JOURNAL, "sh", *daemon.argv]
    daemon.start()
    daemon.configure("disks: 7\n")
    daemon.hup()
    wait_until(lambda: "not reloaded" in daemon.output(), 10, "the message")


class Systemd(threading.Thread):
    """Takes what it is told at once, as systemd does: who tells it waits while the socket is full."""

    def __init__(self, notify):
        super().__init__(daemon=True)
        self.notify, self.heard = notify, queue.Queue()
        self.start()

    def run(self):
        while word := self.notify.recv(4096):
            self.heard.put(word)

    def next(self):
        return self.heard.get(timeout=patience(10))


def test_systemd_is_told(pair, config):
    path = pair.lab.path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.bind(str(path))
        systemd = Systemd(notify)
        os.environ["NOTIFY_SOCKET"] = str(path)
        os.environ["WATCHDOG_USEC"] = "400000"
        try:
            daemon = Daemon(pair.lab, pair.storage, config)
        finally:
            del os.environ["NOTIFY_SOCKET"], os.environ["WATCHDOG_USEC"]
        assert b"READY=1" in systemd.next()
        for _ in range(3):
            assert systemd.next() == b"WATCHDOG=1"
        daemon.hup()

        def told(word):
            return lambda: word in systemd.next()

        wait_until(told(b"RELOADING=1"), 5, "RELOADING")
        wait_until(told(b"READY=1"), 5, "READY after the reload")
        # What may take long does not count as hanging.
        daemon.control("disk", "add", "large", "ram:1M,prealloc")
        for usec in (b"600000000", b"400000"):
            wait_until(told(b"WATCHDOG_USEC=" + usec), 5, usec)
        daemon.child.send_signal(signal.SIGTERM)
        wait_until(told(b"STOPPING=1"), 5, "STOPPING")
        assert daemon.wait() == 0
        notify.shutdown(socket.SHUT_RD)
        systemd.join()
