# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Attach, detach, death and takeover; the interface goes on working for everybody else."""

import os
import shutil
import signal

import pytest

from aoe import CONFIG, CONFIG_READ, config_body
from lab import LOCKS, PINS, PROGRAM, patience, pattern, wait_until

FOREIGN_PROGRAM = """
__attribute__((section("xdp"), used)) int foreign(void *ctx) { return 2; }
__attribute__((section("license"), used)) char terms[] = "GPL";
"""


def attach_foreign(pair):
    source = pair.lab.path / "foreign.c"
    source.write_text(FOREIGN_PROGRAM)
    program = pair.lab.path / "foreign.o"
    pair.lab.run(["clang", "-target", "bpf", "-O2", "-g", "-c", source, "-o", program])
    pair.lab.run(["ip", "link", "set", "dev", pair.port, "xdpdrv", "obj", program, "sec", "xdp"],
                 pair.storage)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_signal_ends_it_cleanly(pair, conversation, how):
    assert conversation.goes_on()
    target = pair.serve_disk(pair.lab.disk())
    assert pair.attached() and pair.pinned()
    assert pair.client().read(3, 2) == pattern(3, 2)
    assert conversation.goes_on()
    assert target.stop(how) == 0
    assert not pair.attached() and not pair.pinned()
    assert not target.socket.exists()
    assert conversation.goes_on()


def test_detach_ends_it_cleanly(pair, conversation):
    target = pair.serve_disk(pair.lab.disk())
    target.control("detach", pair.port)
    assert target.wait() == 0
    assert not pair.attached() and not pair.pinned()
    assert conversation.goes_on()


def test_killed_then_taken_over(pair, conversation):
    target = pair.serve_disk(pair.lab.disk())
    client = pair.client()
    client.write(8, pattern(8, 2, 1))
    target.kill()
    assert conversation.goes_on()
    # Frames of ours go to the kernel now, which has nobody for them.
    client.send(client.frame(CONFIG, config_body(CONFIG_READ)))
    assert client.receive(0.3) is None
    target.start()
    assert client.read(8, 2) == pattern(8, 2, 1)
    assert conversation.goes_on()
    assert target.stop() == 0
    assert not pair.attached() and not pair.pinned()


def test_restarted_many_times(pair):
    target = pair.serve_disk(pair.lab.disk())
    client = pair.client()
    for how in (signal.SIGKILL, signal.SIGINT, signal.SIGKILL, signal.SIGKILL, signal.SIGTERM):
        target.stop(how)
        target.start()
        assert client.read(1, 1) == pattern(1, 1)


def test_detach_cleans_up_after_a_killed_process(pair, conversation):
    target = pair.serve_disk(pair.lab.disk())
    target.kill()
    assert pair.pinned()
    target.control("detach", pair.port)
    assert not pair.attached() and not pair.pinned()
    assert conversation.goes_on()
    assert target.control("detach", pair.port, check=False).returncode == 1


def test_foreign_program_is_refused_and_kept(pair):
    attach_foreign(pair)
    before = pair.lab.link(pair.storage, pair.port)["xdp"]
    line = pair.refused_attach(pair.port, "--aoe", f"7.1={pair.lab.disk()}", "--allow", "any")
    assert pair.port in line
    assert pair.lab.link(pair.storage, pair.port)["xdp"] == before


def test_second_process_on_the_interface_is_refused(pair):
    target = pair.serve_disk(pair.lab.disk())
    line = pair.refused_attach(pair.port, "--aoe", "7.2=ram:1M", "--allow", "any")
    assert pair.port in line and str(target.pid) in line
    assert pair.client().read(0, 1) == pattern(0, 1)


def test_deleted_lock_file_opens_no_door(pair):
    """Root has cleared /run/stgt-xdp while the interface is served."""
    target = pair.serve_disk(pair.lab.disk())
    lock = LOCKS / f"{pair.port}.lock"
    lock.unlink()
    for line in (pair.refused_attach(pair.port, "--aoe", "7.2=ram:1M", "--allow", "any"),
                 pair.refused("detach", pair.port)):
        assert "served by another stgt-xdp process" in line
    assert pair.client().read(5, 2) == pattern(5, 2)
    target.kill()
    target.start()
    assert "took over" in target.output()
    assert target.stop() == 0
    assert not pair.pinned() and not lock.exists()


def test_same_name_in_another_namespace_is_refused(pair):
    pair.serve_disk(pair.lab.disk())
    elsewhere = pair.lab.netns("elsewhere")
    other, _ = pair.lab.veth(elsewhere, pair.initiator)
    pair.lab.ip(elsewhere, f"link set {other} down")
    pair.lab.ip(elsewhere, f"link set {other} name {pair.port} up")
    done = pair.lab.run([PROGRAM, "attach", pair.port, "--aoe", "7.2=ram:1M", "--allow", "any",
                         "--state-dir", pair.lab.path / "s", "--socket", pair.lab.path / "c"],
                        elsewhere, check=False)
    assert done.returncode == 1 and "namespace" in done.stderr
    assert pair.client().read(0, 1) == pattern(0, 1)


def test_pins_of_a_vanished_interface_are_replaced(pair):
    target = pair.serve_disk(pair.lab.disk())
    target.kill()
    # The same name comes back as another interface.
    pair.lab.ip(pair.storage, f"link del {pair.port}")
    pair.lab.ip(pair.storage, f"link add {pair.port} type veth peer name {pair.nic} "
                              f"netns {pair.initiator}")
    pair.lab.ip(pair.storage, f"link set {pair.port} up")
    pair.lab.ip(pair.initiator, f"link set {pair.nic} up")
    pair.lab.carrier(pair.storage, pair.port)
    pair.mac = pair.lab.mac(pair.storage, pair.port)
    target.start()
    assert pair.client().read(5, 1) == pattern(5, 1)


def test_interface_that_is_down_is_served_once_it_is_up(pair):
    pair.lab.ip(pair.storage, f"link set {pair.port} down")
    pair.serve_disk(pair.lab.disk())
    pair.lab.ip(pair.storage, f"link set {pair.port} up")
    pair.lab.carrier(pair.storage, pair.port)
    pair.lab.carrier(pair.initiator, pair.nic)
    assert pair.client().read(2, 1) == pattern(2, 1)


@pytest.mark.parametrize("mode", ["native", "generic"])
def test_xdp_modes(pair, mode):
    target = pair.serve_disk(pair.lab.disk(), "--xdp", mode)
    interface = target.json("status")["interfaces"][0]
    assert ("generic" in interface["xdp_mode"]) == (mode == "generic")
    assert pair.lab.link(pair.storage, pair.port)["xdp"]["mode"] == (2 if mode == "generic" else 1)
    client = pair.client()
    client.write(16, pattern(16, 2, 3))
    assert client.read(16, 2) == pattern(16, 2, 3)


def test_zerocopy_is_refused_where_there_is_none(pair):
    line = pair.refused_attach(pair.port, "--aoe", "7.1=ram:1M", "--allow", "any", "--xdp",
                               "zerocopy")
    assert "zero" in line


def test_busy_poll(pair):
    target = pair.serve_disk(pair.lab.disk(), "--busy-poll")
    client = pair.client()
    for lba in range(0, 200, 2):
        assert client.read(lba, 2) == pattern(lba, 2)
    assert target.stop() == 0


@pytest.mark.parametrize("words", [
    ["attach"],
    ["attach", "IFACE"],
    ["attach", "IFACE", "--aoe", "7.1=DISK"],
    ["attach", "IFACE", "--allow", "any"],
    ["attach", "--aoe", "7.1=DISK", "--allow", "any"],
    ["attach", "IFACE", "--aoe", "7.1=DISK", "--allow", "nobody"],
    ["attach", "IFACE", "--aoe", "7.1=DISK", "--allow", "any", "--aoe", "7.2=DISK"],
    ["attach", "IFACE", "--aoe", "7.1", "--allow", "any"],
    ["attach", "IFACE", "--aoe", "7.1=", "--allow", "any"],
    ["attach", "IFACE", "--aoe", "7=DISK", "--allow", "any"],
    ["attach", "IFACE", "--aoe", "7.255=DISK", "--allow", "any"],
    ["attach", "IFACE", "--aoe", "65535.1=DISK", "--allow", "any"],
    ["attach", "IFACE", "--aoe", "4095.1=DISK", "--allow", "any"],
    ["attach", "IFACE", "--aoe", "-7.1=DISK", "--allow", "any"],
    ["attach", "IFACE", "--aoe", "4095:7.1=DISK", "--allow", "any"],
    ["attach", "IFACE", "--aoe", "0:7.1=DISK", "--allow", "any"],
    ["attach", "IFACE", "--aoe", "7.1=DISK", "--allow", "any", "--xdp", "fast"],
    ["attach", "IFACE", "--aoe", "7.1=DISK", "--allow", "any", "--busy-poll=often"],
    ["attach", "IFACE", "--aoe", "7.1=DISK", "--allow", "any", "--nonsense"],
    ["attach", "IFACE", "--aoe", "7.1=DISK", "--allow"],
    ["detach"],
    ["detach", "IFACE", "IFACE"],
    ["status", "IFACE"],
    ["status", "--nonsense"],
    ["stats", "--json", "extra"],
    ["serve-me"],
    [],
], ids=lambda words: " ".join(words) or "nothing")
def test_wrong_usage(pair, words):
    disk = pair.lab.disk(1 << 20)
    pair.refused(*(word.replace("IFACE", pair.port).replace("DISK", str(disk)) for word in words),
                 status=2)


@pytest.mark.parametrize("disk", ["ram:", "ram:x", "ram:1M,size=2X", "DISK,colour=red",
                                  "DISK,cache=maybe", "DISK,direct=perhaps", "DISK,block_size=1000",
                                  "ram:0", "ram:100"])
def test_wrong_disk_words(pair, disk):
    words = disk.replace("DISK", str(pair.lab.disk(1 << 20)))
    done = pair.lab.run([PROGRAM, "attach", pair.port, "--aoe", f"7.1={words}", "--allow", "any",
                         "--state-dir", pair.lab.path / "s", "--socket", pair.lab.path / "c"],
                        pair.storage, check=False)
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert not pair.attached() and not pair.pinned()


def test_address_served_twice_is_refused(pair):
    pair.refused_attach(pair.port, "--aoe", "7.1=ram:1M", "--aoe", "7.1=ram:2M", "--allow", "any",
                        status=2)


@pytest.mark.parametrize("disk", ["/nonexistent/disk.img", "/", "/dev/null", "block:/etc/passwd"])
def test_store_that_cannot_be_opened(pair, disk):
    line = pair.refused_attach(pair.port, "--aoe", f"7.1={disk}", "--allow", "any")
    assert disk.removeprefix("block:") in line


def test_missing_interface(pair):
    line = pair.refused_attach("nosuchif0", "--aoe", f"7.1={pair.lab.disk()}", "--allow", "any")
    assert "nosuchif0" in line


def test_no_privilege(pair):
    # Where everybody can run it, whatever the permissions on the way to the build folder.
    binary = shutil.copy(PROGRAM, pair.lab.path / "stgt-xdp")
    home = pair.lab.path / "nobody"
    home.mkdir()
    shutil.chown(home, 65534, 65534)
    line = pair.refused_attach(pair.port, "--aoe", "7.1=ram:1M", "--allow", "any", home=home,
                               prefix=["setpriv", "--reuid=65534", "--regid=65534",
                                       "--clear-groups"], binary=binary)
    assert "root" in line or "CAP_" in line


@pytest.mark.parametrize("words,option", [((), "--state-dir"), (("--state-dir", "own"), "--socket")])
def test_no_privilege_for_the_default_places(pair, words, option):
    """Who forgot sudo: the first place that is root's is named, and what to do about it."""
    lab = pair.lab
    binary = shutil.copy(PROGRAM, lab.path / "stgt-xdp")
    own = lab.path / "own"
    own.mkdir()
    shutil.chown(own, 65534, 65534)
    fresh = " && ".join(f"mount -t tmpfs tmpfs {place} && mkdir -m 700 {place}/stgt-xdp" for place in ("/var/lib", "/run"))
    script = (f"{fresh} && exec setpriv --reuid=65534 --regid=65534 --clear-groups {binary} serve --iscsi "
              f"iqn.2026-11.org.example:x --lun 0=ram:1M --allow any --portal 127.0.0.1:3999 {' '.join(words)}")
    done = lab.run(["unshare", "--mount", "sh", "-c", script], pair.storage, check=False, cwd=lab.path)
    assert done.returncode == 1 and done.stderr.count("\n") == 1, done
    assert "Permission denied: be root" in done.stderr and option in done.stderr, done


def test_no_space_for_the_state(pair):
    home = pair.lab.tmpfs("64k")
    (home / "state").mkdir()
    with pytest.raises(OSError):
        (home / "filler").write_bytes(b"x" * (1 << 20))
    line = pair.refused("attach", pair.port, "--aoe", "7.1=ram:1M", "--allow", "any", "--state-dir",
                        home / "state", "--socket", pair.lab.path / "c")
    assert "space" in line


def test_control_socket_in_use_is_refused(pair):
    target = pair.serve_disk(pair.lab.disk())
    other, _ = pair.lab.veth(pair.storage, pair.initiator)
    done = pair.lab.run([PROGRAM, "attach", other, "--aoe", "7.2=ram:1M", "--allow", "any",
                         "--state-dir", pair.lab.path / "s", "--socket", target.socket],
                        pair.storage, check=False)
    assert done.returncode == 1 and str(target.socket) in done.stderr
    assert "xdp" not in pair.lab.link(pair.storage, other)
    assert target.json("status")["interfaces"][0]["name"] == pair.port


def test_status_of_nobody(pair):
    line = pair.refused("status", "--socket", pair.lab.path / "nobody.sock")
    assert "nobody.sock" in line or "attach" in line


@pytest.mark.parametrize("closed", ["0<&- 1>&- 2>&-", "1>&- 2>&-", "2>&-"])
def test_started_with_nowhere_to_print(pair, until, closed):
    """What is printed goes into no file that was opened in the place of standard error."""
    home, disk = pair.lab.path, pair.lab.disk()
    words = ["attach", pair.port, "--aoe", f"7.1={disk}", "--allow", "any", "--state-dir", home / "state",
             "--socket", home / "socket"]
    child = pair.lab.spawn(["sh", "-c", f'exec "$@" {closed}', "sh", PROGRAM, *words], pair.storage)
    until((home / "socket").exists, 15, "the target serves")
    assert pair.client().read(3, 2) == pattern(3, 2)
    for number in [word[0] for word in closed.split()]:
        assert os.readlink(f"/proc/{child.pid}/fd/{number}") == "/dev/null"
    child.terminate()
    assert child.wait(patience(10)) == 0
    assert disk.read_bytes() == pattern(0, disk.stat().st_size // 512)


def test_nothing_is_left_in_the_pin_folder(pair):
    target = pair.serve_disk(pair.lab.disk())
    names = {path.name for path in (PINS / pair.port).iterdir()}
    assert {"exports", "acl", "counters", "initiators", "link"} <= names
    target.stop()
    wait_until(lambda: not (PINS / pair.port).exists(), 1, "pins gone")


def test_systemd_is_told(pair):
    """NOTIFY_SOCKET gets READY=1, as Type=notify wants it."""
    import os
    import socket

    path = pair.lab.path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.bind(str(path))
        notify.settimeout(patience(15))
        os.environ["NOTIFY_SOCKET"] = str(path)
        try:
            target = pair.serve_disk(pair.lab.disk())
        finally:
            del os.environ["NOTIFY_SOCKET"]
        assert b"READY=1" in notify.recv(4096)
        target.stop()
        assert b"STOPPING=1" in notify.recv(4096)


def test_reload_is_the_daemons(pair):
    """`stgt-xdp reload` tries one server after the other: this one must not say that it is done."""
    target = pair.serve_disk(pair.lab.disk())
    done = target.control("reload", check=False)
    assert done.returncode == 1 and "configuration file" in done.stderr
    assert pair.client().read(0, 1) == pattern(0, 1)
