# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What is served: several exports and interfaces, sizes, what is remembered, locks."""

import os
import signal
import socket

import pytest

from aoe import (AFLAG_LBA48, AFLAG_WRITE, CONFIG, CONFIG_FORCE, CONFIG_PREFIX, CONFIG_READ,
                 CONFIG_SET, CONFIG_TEST, FLUSH, FLUSH_EXT, READ_EXT, RESPONSE, WRITE_EXT, AoeClient,
                 AtaReply, ConfigReply, config_body)
from conftest import Pair
from lab import PROGRAM, patience, pattern, wait_until

MASK_READ, MASK_EDIT = 0, 1
NOP, ADD, DELETE = 0, 1, 2
RESERVE_READ, RESERVE_SET, RESERVE_FORCE = range(3)
OTHER = "02:00:00:00:00:09"


def test_several_exports_on_an_interface(pair):
    lab = pair.lab
    disks = [lab.disk(1 << 20), lab.disk(2 << 20)]
    pair.serve("--aoe", f"7.1={disks[0]}", "--aoe", f"7.2={disks[1]}", "--aoe", "300.254=ram:4M",
               "--allow", "any")
    assert pair.client().finds((7, 1), (7, 2), (300, 254))
    assert pair.client().finds((7, 1), (7, 2), shelf=7)
    assert pair.client().finds((300, 254), slot=254)
    assert [pair.client(7, 1).size(), pair.client(7, 2).size(), pair.client(300, 254).size()] == \
        [2048, 4096, 8192]


def test_several_interfaces_in_one_process(lab):
    storage, initiator = lab.netns("storage"), lab.netns("initiator")
    links = [lab.veth(storage, initiator, mtu) for mtu in (1500, 9000, 1500)]
    shared, own = lab.disk(), lab.disk()
    # One group of two interfaces shares an export; the third has another of its own.
    target = lab.target(storage, links[0][0], links[1][0], "--aoe", f"7.1={shared}", "--allow", "any",
                        links[2][0], "--aoe", f"8.1={own}", "--allow", "any")
    clients = [AoeClient(lab, initiator, nic, lab.mac(storage, port), shelf, 1)
               for (port, nic), shelf in zip(links, (7, 7, 8))]
    assert clients[0].finds((7, 1)) and clients[1].finds((7, 1)) and clients[2].finds((8, 1))
    clients[0].write(10, pattern(10, 2, 1))
    assert clients[1].read(10, 2) == pattern(10, 2, 1)
    assert clients[2].read(10, 2) == pattern(10, 2)
    # One interface leaves, the others stay.
    target.control("detach", links[0][0])
    assert clients[1].read(10, 2) == pattern(10, 2, 1)
    assert "xdp" not in lab.link(storage, links[0][0])
    assert target.stop() == 0


@pytest.mark.parametrize("mtu,sectors", [(1500, 2), (4200, 8), (9000, 16)])
def test_mtu_decides_the_sectors(lab, mtu, sectors):
    pair = Pair(lab, mtu)
    target = pair.serve_disk(lab.disk())
    client = pair.client()
    config = client.config()
    one_frame = "sg" not in target.json("status")["interfaces"][0]["xdp_mode"]
    assert config.sectors == (min(sectors, 6) if one_frame else sectors)
    assert config.buffers >= 16
    count = config.sectors
    client.write(0, pattern(0, count, 2))
    assert client.read(0, count) == pattern(0, count, 2)
    too_much = client.ata(READ_EXT, 0, count + 1, aflags=AFLAG_LBA48)
    assert too_much.status & 1 and too_much.error & 4


def test_mtu_change_is_announced(jumbo):
    jumbo.serve_disk(jumbo.lab.disk())
    client = jumbo.client()
    assert client.config().sectors > 2
    client.drain()
    jumbo.lab.ip(jumbo.storage, f"link set {jumbo.port} mtu 1500")
    wait_until(lambda: client.config().sectors == 2, 5, "2 sectors advertised")


def announcement(client):
    """The next unasked configuration response."""
    while reply := client.receive():
        if reply.command == CONFIG and reply.dst == "ff:ff:ff:ff:ff:ff":
            return reply
    return None


def test_announced_at_start(pair):
    client = pair.client()
    pair.serve_disk(pair.lab.disk())
    reply = announcement(client)
    assert reply and reply.ver_flags & RESPONSE and (reply.shelf, reply.slot) == (7, 1)
    assert len(reply.raw) >= 60
    assert ConfigReply.of(reply).sectors == 2


@pytest.mark.parametrize("size", [16 << 20, 4 << 20], ids=["grown", "shrunk"])
def test_resize_is_seen_on_hup(pair, size):
    disk = pair.lab.disk(8 << 20)
    target = pair.serve_disk(disk)
    client = pair.client()
    assert client.size() == 16384
    client.drain()
    os.truncate(disk, size)
    target.hup()
    assert announcement(client)
    wait_until(lambda: client.size() == size // 512, 10, "the new size in IDENTIFY")
    last = client.ata(READ_EXT, size // 512 - 1, 1, aflags=AFLAG_LBA48)
    over = client.ata(READ_EXT, size // 512, 1, aflags=AFLAG_LBA48)
    assert last.ok and over.error & 0x10


def test_config_string(pair):
    pair.serve_disk(pair.lab.disk())
    client = pair.client()
    assert client.config().string == b""
    assert client.config(CONFIG_SET, b"first").string == b"first"
    assert client.config(CONFIG_SET, b"first").string == b"first"
    assert client.config(CONFIG_SET, b"second").error == 4
    assert client.config(CONFIG_TEST, b"first").string == b"first"
    assert client.replies(client.frame(CONFIG, config_body(CONFIG_TEST, b"firs"))) == []
    assert client.config(CONFIG_PREFIX, b"fir").string == b"first"
    assert client.replies(client.frame(CONFIG, config_body(CONFIG_PREFIX, b"x"))) == []
    assert client.config(CONFIG_FORCE, b"third").string == b"third"
    assert client.config(5, b"").error == 2
    # On a read, length and data mean nothing (aoeping sends 1024 bytes of rubbish).
    assert client.config(CONFIG_READ, b"\xed" * 1024).string == b"third"
    assert client.config(CONFIG_FORCE, bytes(range(256)) * 4).string == bytes(range(256)) * 4


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_settings_outlive_the_process(pair, how):
    target = pair.serve_disk(pair.lab.disk())
    client = pair.client()
    client.config(CONFIG_FORCE, b"remember \x00\xff me")
    assert client.mask(MASK_EDIT, (ADD, client.mac), (ADD, OTHER)) == (0, [client.mac, OTHER])
    assert client.reserve(RESERVE_SET, client.mac) == [client.mac]
    target.stop(how)
    target.start()
    assert client.config().string == b"remember \x00\xff me"
    assert client.mask(MASK_READ) == (0, [client.mac, OTHER])
    assert client.reserve(RESERVE_READ) == [client.mac]
    export = target.json("status")["exports"][0]
    assert export["masked_macs"] == 2 and export["reserved_macs"] == 1


def test_state_that_is_not_ours_is_refused_and_kept(pair):
    target = pair.serve_disk(pair.lab.disk())
    pair.client().config(CONFIG_FORCE, b"x")
    target.stop()
    files = list(target.state.glob("*.json"))
    assert len(files) == 1
    files[0].write_text("{ not json")
    line = pair.refused("attach", pair.port, "--aoe", "7.1=ram:1M", "--allow", "any", "--state-dir",
                        target.state, "--socket", pair.lab.path / "c")
    assert files[0].name in line
    assert files[0].read_text() == "{ not json"


def test_settings_cannot_be_saved(pair):
    """No space: the initiator is told, the old value stays, serving goes on."""
    home = pair.lab.tmpfs("64k")
    pair.serve_disk(pair.lab.disk(), state=home / "state")
    client = pair.client()
    assert client.config(CONFIG_FORCE, b"kept").string == b"kept"
    with pytest.raises(OSError):
        (home / "filler").write_bytes(b"x" * (1 << 20))
    # Bigger than what is left in the file's own last page.
    assert client.config(CONFIG_FORCE, b"y" * 1024).error == 3
    assert client.config().string == b"kept"
    (home / "filler").unlink()
    assert client.config(CONFIG_FORCE, b"y" * 1024).string == b"y" * 1024


def test_mask_list(pair):
    pair.serve_disk(pair.lab.disk())
    client, other = pair.client(), pair.client(mac=OTHER)
    assert client.mask(MASK_READ) == (0, [])
    assert client.mask(MASK_EDIT, (ADD, client.mac)) == (0, [client.mac])
    assert client.replies(client.frame(CONFIG, config_body(CONFIG_READ), src=OTHER)) == []
    assert client.mask(MASK_EDIT, (NOP, OTHER), (ADD, OTHER), (DELETE, client.mac),
                       (ADD, client.mac))[0] == 0
    assert other.config().sectors
    assert client.mask(MASK_EDIT, (DELETE, OTHER), (DELETE, client.mac)) == (0, [])


def test_reserve(pair):
    pair.serve_disk(pair.lab.disk())
    client, other = pair.client(), pair.client(mac=OTHER)
    assert client.reserve(RESERVE_SET, client.mac) == [client.mac]
    assert other.reserve(RESERVE_SET, OTHER).error == 6
    assert other.ata(READ_EXT, 0, 1, aflags=AFLAG_LBA48).error == 6
    assert other.identify()
    assert client.read(0, 1) == pattern(0, 1)
    assert other.reserve(RESERVE_FORCE, OTHER) == [OTHER]
    assert client.ata(READ_EXT, 0, 1, aflags=AFLAG_LBA48).error == 6
    assert other.reserve(RESERVE_SET) == []
    assert client.read(0, 1) == pattern(0, 1)


def test_second_writer_of_a_file_is_refused(lab):
    disk = lab.disk()
    first = Pair(lab)
    storage = first.storage
    first.serve_disk(disk)
    port, _ = lab.veth(storage, first.initiator)
    words = [PROGRAM, "attach", port, "--aoe", f"7.2={disk}", "--allow", "any", "--state-dir",
             lab.path / "second", "--socket", lab.path / "second.sock"]
    done = lab.run(words, storage, check=False)
    assert done.returncode == 1 and str(disk) in done.stderr and done.stderr.count("\n") == 1
    assert "xdp" not in lab.link(storage, port)


def test_created_sparse(pair):
    path = pair.lab.path / "new.img"
    pair.serve("--aoe", f"7.1={path},size=1GiB", "--allow", "any")
    client = pair.client()
    assert client.size() == 2 << 20
    assert path.stat().st_size == 1 << 30 and path.stat().st_blocks < 1000
    client.write(2097150, pattern(2097150, 2))
    assert client.read(2097150, 2) == pattern(2097150, 2)


def test_thin_disk_without_space_reports_an_error(pair):
    home = pair.lab.tmpfs("1m")
    target = pair.serve("--aoe", f"7.1={home / 'thin.img'},size=64M", "--allow", "any")
    client = pair.client()
    results = [client.ata(WRITE_EXT, lba, 2, aflags=AFLAG_WRITE | AFLAG_LBA48, data=pattern(lba, 2))
               for lba in range(0, 4096, 2)]
    assert all(isinstance(result, AtaReply) for result in results)
    assert results[0].ok and not results[-1].ok
    assert client.read(0, 2) == pattern(0, 2)
    assert target.json("stats")["interfaces"][0]["queues"][0]["exports"][0]["ata_errors"] > 0


@pytest.mark.parametrize("options", ["", ",direct=on", ",cache=writeback", ",cache=writethrough",
                                     ",block_size=4096", ",cache=writeback,direct=on"])
def test_file_options_read_what_was_written(jumbo, options):
    disk = jumbo.lab.disk()
    target = jumbo.serve("--aoe", f"7.1={disk}{options}", "--allow", "any")
    client = jumbo.client()
    # Aligned and not, whole frames and less.
    most = client.config().sectors
    for lba, count in ((0, 8), (8, 1), (9, 3), (17, 5), (1024, 4), (16376, 8)):
        count = min(count, most)
        client.write(lba, pattern(lba, count, 5))
        assert client.read(lba, count) == pattern(lba, count, 5)
    for command in (FLUSH, FLUSH_EXT):
        assert client.ata(command).ok
    assert target.stop() == 0
    assert disk.read_bytes()[17 * 512:22 * 512] == pattern(17, 5, 5)
    assert disk.read_bytes()[16 * 512:17 * 512] == pattern(16, 1)


def test_loop_device(pair):
    disk = pair.lab.disk()
    try:
        loop = pair.lab.run(["losetup", "--find", "--show", disk]).stdout.strip()
    except AssertionError as error:
        pytest.skip(f"no loop devices here: {error}")
    pair.lab.undo.callback(pair.lab.run, ["losetup", "-d", loop])
    target = pair.serve("--aoe", f"7.1=block:{loop}", "--allow", "any")
    client = pair.client()
    assert client.size() == 16384
    client.write(64, pattern(64, 2, 6))
    assert client.read(64, 2) == pattern(64, 2, 6)
    assert client.ata(FLUSH_EXT).ok
    target.stop()
    pair.lab.run(["blockdev", "--flushbufs", loop])
    assert disk.read_bytes()[64 * 512:66 * 512] == pattern(64, 2, 6)


def test_ram_and_null(pair):
    pair.serve("--aoe", "7.1=ram:1M", "--aoe", "7.2=null:4TiB", "--allow", "any")
    ram, null = pair.client(7, 1), pair.client(7, 2)
    assert ram.read(0, 2) == bytes(1024)
    ram.write(2046, pattern(2046, 2))
    assert ram.read(2046, 2) == pattern(2046, 2)
    assert null.size() == 8 << 30
    null.write((8 << 30) - 2, pattern(0, 2))
    assert null.read((8 << 30) - 2, 2) == bytes(1024)


def test_identity_is_stable_and_can_be_chosen(pair):
    disk = pair.lab.disk()
    target = pair.serve_disk(disk)
    client = pair.client()
    before = client.identify()
    target.stop()
    target.start()
    assert client.identify()[10:20] == before[10:20] and client.identify()[108:112] == before[108:112]
    target.stop()
    pair.serve("--aoe", f"7.1={disk},serial=SHELF-A-1", "--allow", "any")
    words = client.identify()
    assert b"".join(word.to_bytes(2, "big") for word in words[10:20]).strip() == b"SHELF-A-1"


def test_frames_for_a_kernel_initiator_pass(pair):
    """Responses and other targets' frames on our port are left to the kernel."""
    pair.serve_disk(pair.lab.disk())
    from lab import inside
    with inside(pair.storage):
        sniffer = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x88A2))
    sniffer.bind((pair.port, 0x88A2))
    sniffer.settimeout(patience(3))
    pair.lab.undo.callback(sniffer.close)
    client = pair.client()
    client.send(client.frame(CONFIG, config_body(CONFIG_READ), ver_flags=0x18))
    assert sniffer.recv(2000)[14] == 0x18
    client.send(client.frame(CONFIG, config_body(CONFIG_READ), shelf=9))
    assert sniffer.recv(2000)[16:18] == b"\x00\x09"
