# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Encrypted disks: what their store holds, through both transports, and CRYPTO ERASE."""

import os
import random
import signal
import socket
import stat
import time

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from daemon import Daemon
from iscsi import IQN, Serve
from iscsi_wire import READ
from lab import PROGRAM, inside, pattern, wait_until
from scsi import Scsi

SIZE = 8 << 20
TEST_UNIT_READY = bytes(6)
SANITIZE_CRYPTO = bytes([0x48, 0x03]) + bytes(8)
SUPPORTED_CRYPTO = bytes([0xa3, 0x0c, 2, 0x48, 0, 3]) + (64).to_bytes(4, "big") + bytes(2)
ERASES = 12  # that somebody kills


def decrypted(path, key, lba, count):
    """Sectors of the store as dm-crypt's aes-xts-plain64 reads them."""
    raw, plain = path.read_bytes(), b""
    for sector in range(lba, lba + count):
        tweak = modes.XTS(sector.to_bytes(16, "little"))
        plain += Cipher(algorithms.AES(key), tweak).decryptor().update(
            raw[sector * 512:sector * 512 + 512])
    return plain


def connected(netns, portal=("127.0.0.1", 3260)):
    with inside(netns):
        initiator = Scsi(socket.create_connection(portal, timeout=20))
    initiator.login(target=IQN)
    # Past unit attentions, and a SANITIZE that goes on after a restart.
    wait_until(lambda: initiator.run(TEST_UNIT_READY)[0] == 0, 20, "the unit to be ready")
    return initiator


@pytest.fixture
def disk(jumbo):
    """A daemon that serves one over AoE and iSCSI; `store` and `key` are its files."""
    lab = jumbo.lab
    store, key = lab.path / "vol0.img", lab.path / "vol0.key"
    config = {"disks": [{"name": "vol0", "file": str(store), "size": SIZE, "key_file": str(key)}],
              "interfaces": [{"name": jumbo.port}],
              "aoe": [{"interface": jumbo.port, "address": "7.1", "disk": "vol0", "allow": ["any"]}],
              "iscsi": [{"name": IQN, "portals": ["127.0.0.1:3260"], "allow": ["any"],
                         "luns": [{"lun": 0, "disk": "vol0"}]}]}
    daemon = Daemon(lab, jumbo.storage, config)
    daemon.store, daemon.key = store, key
    return daemon


def test_the_store_holds_what_dm_crypt_reads(jumbo, disk):
    ata, key = jumbo.client(), disk.key.read_bytes()
    assert len(key) == 64 and stat.S_IMODE(disk.key.stat().st_mode) == 0o600
    with connected(jumbo.storage) as scsi:
        ata.write(0, pattern(0, 16))  # one frame, which arrives in pieces
        for lba in range(100, 500, 16):
            scsi.write_blocks(lba, pattern(lba, 16))
        assert scsi.read_blocks(100, 400) == pattern(100, 400)
        assert scsi.read_blocks(0, 16) == pattern(0, 16)
        assert ata.read(99, 3) == bytes(512) + pattern(100, 2)
    assert decrypted(disk.store, key, 0, 16) == pattern(0, 16)
    assert decrypted(disk.store, key, 100, 400) == pattern(100, 400)
    raw = disk.store.read_bytes()
    assert not any(pattern(lba, 1)[32:64] in raw for lba in range(1, 250))
    assert raw[16 * 512:100 * 512] == bytes(84 * 512)


def test_a_restart_keeps_the_data(jumbo, disk):
    ata, key = jumbo.client(), disk.key.read_bytes()
    ata.write(7, pattern(7, 3))
    assert disk.stop(signal.SIGTERM) == 0
    disk.start()
    assert disk.key.read_bytes() == key
    assert ata.read(7, 3) == pattern(7, 3)


def test_erased_for_everybody(jumbo, disk):
    ata, key = jumbo.client(), disk.key.read_bytes()
    ata.write(0, pattern(0, 16))
    with connected(jumbo.storage) as scsi:
        assert scsi.run(SANITIZE_CRYPTO)[0] == 0
        noise = scsi.read_blocks(0, 16)
        assert noise != pattern(0, 16) and bytes(64) not in noise
        assert ata.read(0, 16) == noise
        assert ata.read(16, 1) == bytes(512)
        scsi.write_blocks(2, pattern(2, 4))
        assert ata.read(2, 4) == pattern(2, 4)
    assert disk.key.read_bytes() != key
    assert disk.stop(signal.SIGTERM) == 0
    disk.start()
    assert ata.read(2, 4) == pattern(2, 4)
    assert ata.read(0, 2) == noise[:1024]
    assert [path.name for path in disk.key.parent.glob("*key*")] == ["vol0.key"]


def test_killed_while_it_is_erased(lab):
    """The old key with the data, or a new one without."""
    store, key = lab.path / "vol0.img", lab.path / "vol0.key"
    netns = lab.netns("storage")
    serve = Serve(lab, netns, ["--iscsi", IQN, "--portal", "127.0.0.1:3260", "--lun",
                               f"0={store},size=1M,key_file={key}", "--allow", "any"])
    kept = 0
    for attempt in range(ERASES):
        with connected(netns) as scsi:
            scsi.write_blocks(0, pattern(attempt, 8))
            assert scsi.run(bytes([0x35]) + bytes(9))[0] == 0
            before = key.read_bytes()
            scsi.command(SANITIZE_CRYPTO)
            if attempt % 4:  # every fourth may end
                time.sleep(random.random() * 0.01)
            else:
                scsi.receive()
        serve.kill()
        serve.start()
        with connected(netns) as scsi:
            there = scsi.read_blocks(0, 8) == pattern(attempt, 8)
        assert there == (key.read_bytes() == before)
        assert [path.name for path in lab.path.glob("*key*")] == ["vol0.key"]
        kept += there
    assert kept < ERASES


def test_blocks_of_4_kib(lab):
    store, key = lab.path / "vol0.img", lab.path / "vol0.key"
    netns = lab.netns("storage")
    serve = Serve(lab, netns, [
        "--iscsi", IQN, "--portal", "127.0.0.1:3260", "--lun",
        f"0={store},size=1M,logical_block_size=4096,key_file={key}", "--allow", "any"])
    with connected(netns) as scsi:
        scsi.write_blocks(3, pattern(24, 16), 4096)
        assert scsi.read_blocks(2, 3, 4096) == bytes(4096) + pattern(24, 16)
        # COMPARE AND WRITE compares what was written, and WRITE SAME with zeroes makes a hole.
        compare = bytes([0x89]) + bytes(8) + b"\x03" + bytes(3) + b"\x01" + bytes(2)
        assert scsi.run(compare, pattern(24, 8) + pattern(800, 8))[0] == 0
        assert scsi.read_blocks(3, 1, 4096) == pattern(800, 8)
        same = bytes([0x93]) + bytes(8) + b"\x04" + bytes(3) + b"\x01" + bytes(2)
        assert scsi.run(same, bytes(4096))[0] == 0
        assert scsi.read_blocks(4, 1, 4096) == bytes(4096)
    assert serve.stop(signal.SIGTERM) == 0
    assert decrypted(store, key.read_bytes(), 24, 8) == pattern(800, 8)
    assert store.read_bytes()[4 * 4096:5 * 4096] == bytes(4096)


def test_a_key_that_cannot_be_replaced(lab):
    """Its directory is not the service's to write: there is no CRYPTO ERASE."""
    store, keys = lab.path / "vol0.img", lab.path / "keys"
    keys.mkdir()
    (keys / "vol0").write_bytes(os.urandom(64))
    (keys / "vol0").chmod(0o600)
    keys.chmod(0o555)
    program = lab.path / "stgt-xdp"  # root's, without the right to write everywhere
    program.write_text(f'#!/bin/sh\nexec setpriv --bounding-set=-dac_override {PROGRAM} "$@"\n')
    program.chmod(0o755)
    netns = lab.netns("storage")
    Serve(lab, netns, ["--iscsi", IQN, "--portal", "127.0.0.1:3260", "--lun",
                       f"0={store},size=1M,key_file={keys / 'vol0'}", "--allow", "any"],
          program=program)
    with connected(netns) as scsi:
        scsi.write_blocks(0, pattern(0, 8))
        status, told = scsi.run(SUPPORTED_CRYPTO, expected=64, flags=READ)
        assert status == 0 and told[1] & 7 == 1  # not supported
        assert scsi.run(SANITIZE_CRYPTO)[0] == 2
        assert scsi.read_blocks(0, 8) == pattern(0, 8)


def test_added_live(jumbo, disk):
    lab = jumbo.lab
    store, key = lab.path / "vol1.img", lab.path / "vol1.key"
    disk.control("disk", "add", "vol1", f"{store},size=1M,key_file={key}")
    assert f"key_file: {key}" in disk.shown()
    assert all(each["encrypted"] for each in disk.json("status")["disks"])
    disk.control("disk", "remove", "vol1")
    secret = key.read_bytes()
    told = disk.output() + disk.control("status", "--json").stdout
    assert secret.hex()[:16] not in told and secret[:8] not in told.encode("utf-8", "replace")
    # The key of a disk that is served is nobody else's.
    again = disk.control("disk", "add", "vol2", f"{store},key_file={disk.key}", check=False)
    assert again.returncode == 1 and "the key of disk vol0" in again.stderr
