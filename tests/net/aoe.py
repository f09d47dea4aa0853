# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""An AoE initiator for tests: says exactly what it is told, and shows everything that comes back."""

import itertools
import socket
import struct
import time
from dataclasses import dataclass

from lab import SLOW, inside

ETH_P_ALL = 0x0003
ETH_P_AOE = 0x88A2
ETH_P_8021Q = 0x8100
SOL_PACKET = 263
PACKET_AUXDATA = 8
PACKET_IGNORE_OUTGOING = 23
TP_STATUS_VLAN_VALID = 0x10
BROADCAST = "ff:ff:ff:ff:ff:ff"

RESPONSE, ERROR = 0x08, 0x04
ATA, CONFIG, MASK, RESERVE = range(4)
CONFIG_READ, CONFIG_TEST, CONFIG_PREFIX, CONFIG_SET, CONFIG_FORCE = range(5)
AFLAG_WRITE, AFLAG_LBA48 = 0x01, 0x40
READ, READ_EXT, WRITE, WRITE_EXT = 0x20, 0x24, 0x30, 0x34
FLUSH, FLUSH_EXT, IDENTIFY = 0xE7, 0xEA, 0xEC
STATUS_ERR, STATUS_DRDY = 0x01, 0x40
ERR_ABRT, ERR_IDNF = 0x04, 0x10

_tags = itertools.count(0x01020304)  # shared: clients on one interface see each other's replies

LIMIT = 20.0 * SLOW  # for a reply; what is to be durable may wait for the writes of everybody else
SILENCE = 0.15 * SLOW  # what a reply that must not come is waited for, after a later one has come


def mac_bytes(text):
    return bytes.fromhex(text.replace(":", ""))


def mac_text(raw):
    return raw.hex(":")


@dataclass
class Reply:
    """A received AoE frame. `body` is what follows the 10 bytes of AoE header."""

    raw: bytes
    vlans: tuple
    dst: str
    src: str
    ver_flags: int
    error: int
    shelf: int
    slot: int
    command: int
    tag: int
    body: bytes

    @property
    def is_error(self):
        return bool(self.ver_flags & ERROR)


@dataclass
class ConfigReply:
    buffers: int
    firmware: int
    sectors: int
    version: int
    command: int
    string: bytes

    @classmethod
    def of(cls, reply):
        buffers, firmware, sectors, version, length = struct.unpack(">HHBBH", reply.body[:8])
        return cls(buffers, firmware, sectors, version >> 4, version & 15, reply.body[8:8 + length])


@dataclass
class AtaReply:
    aflags: int
    error: int
    count: int
    status: int
    lba: int
    data: bytes

    @classmethod
    def of(cls, reply):
        aflags, error, count, status = reply.body[:4]
        return cls(aflags, error, count, status, int.from_bytes(reply.body[4:10], "little"),
                   reply.body[12:])

    @property
    def ok(self):
        return not self.status & 0xA9


def parse(raw, stripped):
    """The Reply in a received frame, or None. `stripped`: tag that the kernel took out, or None."""
    if len(raw) < 24:
        return None
    vlans = [] if stripped is None else [stripped & 0xFFF]
    at = 12
    while raw[at:at + 2] == b"\x81\x00" and len(raw) >= at + 4:
        vlans.append(int.from_bytes(raw[at + 2:at + 4], "big") & 0xFFF)
        at += 4
    if raw[at:at + 2] != b"\x88\xa2" or len(raw) < at + 12:
        return None
    fields = struct.unpack(">BBHBBI", raw[at + 2:at + 12])
    return Reply(raw, tuple(vlans), mac_text(raw[:6]), mac_text(raw[6:12]), *fields, raw[at + 12:])


def header(shelf, slot, command, tag, ver_flags=0x10, error=0):
    return struct.pack(">BBHBBI", ver_flags, error, shelf, slot, command, tag)


def ata_body(command, lba=0, count=0, feature=0, aflags=0, data=b""):
    return struct.pack("<BBBB6sH", aflags, feature, count, command, lba.to_bytes(6, "little"),
                       0) + data


def config_body(command, string=b"", length=None, filler=b""):
    length = len(string) if length is None else length
    return struct.pack(">HHBBH", 0, 0, 0, 0x10 | command, length) + string + filler


def mask_body(command, *directives, count=None):
    """Directives are (command, MAC)."""
    count = len(directives) if count is None else count
    return struct.pack("BBBB", 0, command, 0, count) + b"".join(
        struct.pack("BB6s", 0, which, mac_bytes(mac)) for which, mac in directives)


def reserve_body(command, *macs, count=None):
    count = len(macs) if count is None else count
    return struct.pack("BB", command, count) + b"".join(map(mac_bytes, macs))


class AoeClient:
    """One initiator on an interface; `vlans` are put on every frame it sends."""

    def __init__(self, lab, netns, device, target, shelf=7, slot=1, vlans=(), mac=None):
        self.target = target
        self.shelf, self.slot, self.vlans = shelf, slot, vlans
        self.mac = mac or lab.mac(netns, device)
        self.tags = _tags
        with inside(netns):
            self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        self.socket.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
        self.socket.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
        self.socket.setsockopt(socket.SOL_SOCKET, 33, 32 << 20)  # SO_RCVBUFFORCE
        self.socket.bind((device, ETH_P_ALL))
        lab.undo.callback(self.socket.close)

    # ---- frames ------------------------------------------------------------------------------

    def frame(self, command, body, tag=None, shelf=None, slot=None, dst=None, src=None, ver_flags=0x10,
              vlans=None):
        tags = b"".join(struct.pack(">HH", ETH_P_8021Q, vid)
                        for vid in (self.vlans if vlans is None else vlans))
        return b"".join((
            mac_bytes(dst or self.target), mac_bytes(src or self.mac), tags,
            struct.pack(">H", ETH_P_AOE),
            header(self.shelf if shelf is None else shelf, self.slot if slot is None else slot, command,
                   next(self.tags) if tag is None else tag, ver_flags), body))

    def send(self, frame):
        self.socket.send(frame)

    def receive(self, seconds=LIMIT):
        """The next AoE frame, whoever it is for, or None."""
        deadline = time.monotonic() + seconds
        while True:
            self.socket.settimeout(max(deadline - time.monotonic(), 0.0001))
            try:
                raw, control, _, _ = self.socket.recvmsg(65536, 256)
            except (TimeoutError, BlockingIOError):
                return None
            stripped = None
            for level, kind, data in control:
                if level == SOL_PACKET and kind == PACKET_AUXDATA:
                    status, tci = struct.unpack("I12xH", data[:18])
                    stripped = tci if status & TP_STATUS_VLAN_VALID else None
            reply = parse(raw, stripped)
            if reply:
                return reply

    def drain(self):
        while self.receive(0):
            pass

    def reply_to(self, tag, seconds=LIMIT):
        """The response with this tag; others are thrown away. None if there is none in time."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            reply = self.receive(deadline - time.monotonic())
            if reply and reply.tag == tag and reply.ver_flags & RESPONSE:
                return reply
        return None

    def request(self, command, body, seconds=LIMIT, **kwargs):
        """Sends once, never again: nothing may be lost here."""
        tag = next(self.tags)
        self.send(self.frame(command, body, tag=tag, **kwargs))
        reply = self.reply_to(tag, seconds)
        assert reply is not None, f"no reply to AoE command {command}"
        return reply

    def replies(self, frame):
        """Everything that comes back for a frame, known to be complete by a later query's reply."""
        self.drain()
        self.send(frame)
        marker = next(self.tags)
        self.send(self.frame(CONFIG, config_body(CONFIG_READ), tag=marker))
        got = []
        marked = False
        while True:
            reply = self.receive(SILENCE if marked else LIMIT)
            if reply is None:
                assert marked, "target does not answer any more"
                return got
            if reply.tag == marker:
                marked = True
            else:
                got.append(reply)

    # ---- commands ------------------------------------------------------------------------------

    def config(self, command=CONFIG_READ, string=b"", **kwargs):
        """A Query Config exchange; the reply is a Reply when it is an error."""
        reply = self.request(CONFIG, config_body(command, string), **kwargs)
        return reply if reply.is_error else ConfigReply.of(reply)

    def discover(self, *expected, shelf=0xFFFF, slot=0xFF):
        """Broadcasts a query; the sorted addresses of whoever answers. Those expected may take as long as
        any reply; others have a moment."""
        self.drain()
        tag = next(self.tags)
        self.send(self.frame(CONFIG, config_body(CONFIG_READ), tag=tag, shelf=shelf, slot=slot,
                             dst=BROADCAST))
        found = []
        began = time.monotonic()
        end, limit = began + 2 * SILENCE, began + LIMIT
        while (left := (end if {*expected} <= {*found} else limit) - time.monotonic()) > 0:
            reply = self.receive(left)
            if reply and reply.tag == tag and reply.ver_flags & RESPONSE:
                found.append((reply.shelf, reply.slot))
                end = max(end, time.monotonic() + SILENCE)
        return sorted(found)

    def finds(self, *expected, **query):
        """These, once each, and nobody else answer a broadcast query."""
        found = self.discover(*expected, **query)
        assert found == sorted(expected), found
        return True

    def ata(self, command, lba=0, count=0, feature=0, aflags=0, data=b"", **kwargs):
        reply = self.request(ATA, ata_body(command, lba, count, feature, aflags, data), **kwargs)
        return reply if reply.is_error else AtaReply.of(reply)

    def identify(self):
        reply = self.ata(IDENTIFY, count=1)
        assert reply.ok and len(reply.data) >= 512
        return struct.unpack("<256H", reply.data[:512])

    def size(self):
        """Sectors, as IDENTIFY says."""
        words = self.identify()
        return sum(words[100 + i] << 16 * i for i in range(4))

    def read(self, lba, count):
        reply = self.ata(READ_EXT, lba, count, aflags=AFLAG_LBA48)
        assert isinstance(reply, AtaReply) and reply.ok, reply
        return reply.data[:count * 512]

    def write(self, lba, data):
        reply = self.ata(WRITE_EXT, lba, len(data) // 512, aflags=AFLAG_LBA48 | AFLAG_WRITE,
                         data=data)
        assert isinstance(reply, AtaReply) and reply.ok, reply

    def mask(self, command, *directives):
        """(error, list of MACs)"""
        reply = self.request(MASK, mask_body(command, *directives))
        count = reply.body[3]
        macs = [mac_text(reply.body[4 + 8 * i + 2:12 + 8 * i]) for i in range(count)]
        return reply.body[2], macs

    def reserve(self, command, *macs):
        """The list of MACs, or the Reply when it is an error."""
        reply = self.request(RESERVE, reserve_body(command, *macs))
        if reply.is_error:
            return reply
        return [mac_text(reply.body[2 + 6 * i:8 + 6 * i]) for i in range(reply.body[1])]
