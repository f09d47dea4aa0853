# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""An iSCSI initiator that sends exactly what it is told, and an iSCSI target in a lab."""

import os
import socket
import struct
import subprocess
import time

from lab import PROGRAM, inside, patience

IQN = "iqn.2026-11.example:abuse"
PORT = 3260

NOP_OUT, COMMAND, TMF, LOGIN, TEXT, DATA_OUT, LOGOUT = range(7)
(NOP_IN, RESPONSE, TMF_RESPONSE, LOGIN_RESPONSE, TEXT_RESPONSE, DATA_IN,
 LOGOUT_RESPONSE) = range(0x20, 0x27)
R2T, ASYNC, REJECT = 0x31, 0x32, 0x3f
IMMEDIATE, FINAL, READ, WRITE = 0x40, 0x80, 0x40, 0x20
UNTAGGED, SIMPLE, ORDERED, HEAD_OF_QUEUE = range(4)
ABORT_TASK, ABORT_TASK_SET, CLEAR_ACA, CLEAR_TASK_SET, LU_RESET, WARM_RESET, COLD_RESET = range(1, 8)
GOOD, CHECK_CONDITION, BUSY, CONFLICT, TASK_SET_FULL = 0, 2, 8, 0x18, 0x28
NO_TAG = 0xffffffff
STATUS = 0x01  # of a Data-In: it is the last, and has the status
SEGMENT = 8192  # bytes that a target takes in one PDU, whatever it declares


def read_10(lba, blocks):
    return struct.pack(">BBIBHB", 0x28, 0, lba, 0, blocks, 0)


def write_10(lba, blocks):
    return struct.pack(">BBIBHB", 0x2a, 0, lba, 0, blocks, 0)


def lun_field(lun):
    return lun << 48


class Pdu:
    def __init__(self, bhs, data):
        self.bhs, self.data = bhs, data
        self.opcode, self.flags = bhs[0] & 0x3f, bhs[1]
        self.itt, self.ttt = struct.unpack(">II", bhs[16:24])
        self.statsn, self.exp_cmdsn, self.max_cmdsn = struct.unpack(">III", bhs[24:36])
        self.status = bhs[3]

    @property
    def lun(self):
        return int.from_bytes(self.bhs[8:16], "big")

    @property
    def asked(self):
        """Of an R2T: the offset and the length of the data."""
        return struct.unpack(">II", self.bhs[40:48])

    @property
    def sense_key(self):
        """Of fixed sense data; None: there is none."""
        return self.data[4] & 15 if len(self.data) > 15 else None

    @property
    def asc(self):
        """ASC and ASCQ of fixed sense data; None: there is none."""
        return struct.unpack(">H", self.data[14:16])[0] if len(self.data) > 15 else None


class Initiator:
    """One connection of one session. Timeouts are errors: the test fails with what it waited for."""

    def __init__(self, sock, name="iqn.2026-11.example:host", isid=1, timeout=None):
        self.sock, self.name = sock, name
        self.sock.settimeout(timeout or patience(20))
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.isid = struct.pack(">BBHH", 0x80, 0, isid >> 16, isid & 0xffff)
        self.itt = self.cmdsn = 1
        self.exp_statsn = 0
        self.tsih, self.cid = 0, 0
        self.unread = b""

    def close(self):
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    # ---- PDUs ----

    @staticmethod
    def pdu(opcode, flags, lun, itt, rest, data=b"", middle=b"\0\0"):
        """Bytes of one: `rest` is what is behind the ITT, `middle` bytes 2 and 3."""
        head = bytes([opcode, flags]) + middle + b"\0" + len(data).to_bytes(3, "big")
        bhs = head + lun.to_bytes(8, "big") + struct.pack(">I", itt) + rest
        assert len(bhs) <= 48, len(bhs)
        return bhs.ljust(48, b"\0") + data + bytes(-len(data) % 4)

    def send(self, data):
        self.sock.sendall(data)

    def next_itt(self):
        self.itt += 1
        return self.itt

    def take_cmdsn(self, immediate=False):
        sn = self.cmdsn
        if not immediate:
            self.cmdsn = (self.cmdsn + 1) & 0xffffffff
        return sn

    def _exactly(self, size):
        while len(self.unread) < size:
            more = self.sock.recv(1 << 18)
            if not more:
                raise ConnectionError("the target closed the connection")
            self.unread += more
        got, self.unread = self.unread[:size], self.unread[size:]
        return got

    def receive(self):
        bhs = self._exactly(48)
        size = int.from_bytes(bhs[5:8], "big")
        data = self._exactly(size + -size % 4)[:size]
        pdu = Pdu(bhs, data)
        counted = pdu.opcode not in (R2T, DATA_IN, NOP_IN) or pdu.opcode == DATA_IN and bhs[1] & 1
        if counted or pdu.opcode == NOP_IN and pdu.itt != NO_TAG:
            self.exp_statsn = (pdu.statsn + 1) & 0xffffffff
        return pdu

    def expect(self, opcode, itt=None):
        """The next PDU but for pings, which are answered; `opcode` may be a tuple of them."""
        opcodes = opcode if isinstance(opcode, tuple) else (opcode,)
        until = time.monotonic() + 2 * self.sock.gettimeout()
        while True:
            pdu = self.receive()
            if pdu.opcode == NOP_IN and pdu.itt == NO_TAG and NOP_IN not in opcodes:
                assert time.monotonic() < until, (f"nothing but pings, no {opcodes}", itt)
                self.pong(pdu)
                continue
            assert pdu.opcode in opcodes, (hex(pdu.opcode), list(map(hex, opcodes)), pdu.bhs.hex())
            assert itt is None or pdu.itt == itt, (pdu.itt, itt)
            return pdu

    # ---- requests ----

    def login_bytes(self, keys="", target=IQN, kind="Normal", flags=0x87):
        text = f"InitiatorName={self.name}\nSessionType={kind}\n"
        text += f"TargetName={target}\n" if kind == "Normal" else ""
        data = (text + keys).replace("\n", "\0").encode()
        bhs = bytes([LOGIN | IMMEDIATE, flags, 0, 0, 0]) + len(data).to_bytes(3, "big")
        bhs += self.isid + struct.pack(">HIHHII", self.tsih, self.itt, self.cid, 0, self.cmdsn,
                                       self.exp_statsn)
        return bhs.ljust(48, b"\0") + data + bytes(-len(data) % 4)

    def login(self, keys="", **kwargs):
        """Straight to the full feature phase; returns the last response."""
        self.send(self.login_bytes(keys, **kwargs))
        while True:
            pdu = self.expect(LOGIN_RESPONSE)
            self.exp_statsn = (pdu.statsn + 1) & 0xffffffff
            status = struct.unpack(">H", pdu.bhs[36:38])[0]
            assert status == 0, hex(status)
            self.tsih = struct.unpack(">H", pdu.bhs[14:16])[0]
            if pdu.flags & 0x80:
                return pdu
            bhs = bytes([LOGIN | IMMEDIATE, 0x87, 0, 0, 0, 0, 0, 0]) + self.isid
            bhs += struct.pack(">HIHHII", 0, self.itt, self.cid, 0, self.cmdsn, self.exp_statsn)
            self.send(bhs.ljust(48, b"\0"))

    def command_bytes(self, cdb, expected=0, flags=0, lun=0, data=b"", attribute=SIMPLE,
                      immediate=False):
        itt, cmdsn = self.next_itt(), self.take_cmdsn(immediate)
        rest = struct.pack(">III", expected, cmdsn, self.exp_statsn) + cdb.ljust(16, b"\0")
        opcode = COMMAND | (IMMEDIATE if immediate else 0)
        return self.pdu(opcode, FINAL | flags | attribute, lun_field(lun), itt, rest, data)

    def command(self, cdb, **kwargs):
        """Sends one and returns its ITT."""
        self.send(self.command_bytes(cdb, **kwargs))
        return self.itt

    def read(self, lba, blocks, block=512, **kwargs):
        return self.command(read_10(lba, blocks), expected=blocks * block, flags=READ, **kwargs)

    def write(self, lba, blocks, block=512, **kwargs):
        return self.command(write_10(lba, blocks), expected=blocks * block, flags=WRITE, **kwargs)

    def data_out_bytes(self, r2t, data, sn=0, final=True, offset=0):
        at = r2t.asked[0] + offset
        rest = struct.pack(">IIIIII", r2t.ttt, 0, self.exp_statsn, 0, sn, at)
        return self.pdu(DATA_OUT, FINAL if final else 0, r2t.lun, r2t.itt, rest, data)

    def data_out(self, *args, **kwargs):
        self.send(self.data_out_bytes(*args, **kwargs))

    def answer(self, r2t, data):
        """Sends what an R2T asks for of the command's data."""
        at, length = r2t.asked
        for sn, start in enumerate(range(0, length, SEGMENT)):
            end = min(start + SEGMENT, length)
            self.data_out(r2t, data[at + start:at + end], sn, end == length, start)

    def execute(self, cdb, data=b"", expected=0, lun=0):
        """A command from its beginning to its end: the PDU with its status, and the data-in."""
        flags = WRITE if data else READ if expected else 0
        itt = self.command(cdb, expected=len(data) or expected, flags=flags, lun=lun)
        got = b""
        while True:
            pdu = self.expect((R2T, DATA_IN, RESPONSE), itt)
            if pdu.opcode == R2T:
                self.answer(pdu, data)
            elif pdu.opcode == DATA_IN:
                got += pdu.data
            if pdu.opcode == RESPONSE or pdu.opcode == DATA_IN and pdu.flags & STATUS:
                return pdu, got

    def nop_bytes(self, data=b"", immediate=True):
        rest = struct.pack(">III", NO_TAG, self.take_cmdsn(immediate), self.exp_statsn)
        return self.pdu(NOP_OUT | (IMMEDIATE if immediate else 0), FINAL, 0, self.next_itt(), rest,
                        data)

    def pong(self, ping):
        rest = struct.pack(">III", ping.ttt, self.cmdsn, self.exp_statsn)
        self.send(self.pdu(NOP_OUT | IMMEDIATE, FINAL, 0, NO_TAG, rest))

    def tmf_bytes(self, function, itt=NO_TAG, cmdsn=0, lun=0):
        rest = struct.pack(">IIII", itt, self.cmdsn, self.exp_statsn, cmdsn)
        return self.pdu(TMF | IMMEDIATE, FINAL | function, lun_field(lun), self.next_itt(), rest)

    def tmf(self, function, **kwargs):
        """Sends one and returns its ITT."""
        self.send(self.tmf_bytes(function, **kwargs))
        return self.itt

    def ready(self, lun=0):
        """Past the unit attention that a session begins with."""
        for _ in range(3):
            itt = self.command(bytes(6), lun=lun)
            if self.expect(RESPONSE, itt).status == GOOD:
                return self
        raise AssertionError("the unit does not become ready")

    def logout_bytes(self):
        rest = struct.pack(">III", 0, self.cmdsn, self.exp_statsn)
        return self.pdu(LOGOUT | IMMEDIATE, FINAL, 0, self.next_itt(), rest)

    def logout(self):
        self.send(self.logout_bytes())
        return self.expect(LOGOUT_RESPONSE)


class IscsiTarget:
    """`stgt-xdp serve` in a namespace of its own."""

    def __init__(self, lab, *words, luns=("ram:64M",), allow="any", environment=None):
        self.lab, self.netns = lab, lab.netns(f"iscsi{next(lab.names)}")
        self.home = lab.path / f"iscsi{next(lab.names)}"
        self.home.mkdir()
        argv = [PROGRAM, "serve", "--iscsi", IQN, "--portal", f"127.0.0.1:{PORT}"]
        for number, disk in enumerate(luns):
            argv += ["--lun", f"{number}={disk}"]
        argv += ["--allow", allow, "--state-dir", self.home / "state", "--socket",
                 self.home / "socket", *words]
        self.log = open(self.home / "log", "wb")
        self.child = lab.spawn(argv, self.netns, stdout=subprocess.PIPE, stderr=self.log,
                               env=environment)
        if not self.child.stdout.readline().startswith(b"ready"):
            raise AssertionError((self.home / "log").read_text())

    @property
    def pid(self):
        """Of the program itself."""
        return self.child.pid

    def socket(self, **options):
        with inside(self.netns):
            sock = socket.socket()
        if "receive" in options:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, options["receive"])
        sock.settimeout(patience(20))
        sock.connect(("127.0.0.1", PORT))
        return sock

    def initiator(self, number=1, keys="", login=True, timeout=None, **options):
        """A session of an initiator of its own, past its unit attentions."""
        host = Initiator(self.socket(**options), f"iqn.2026-11.example:host{number}",
                         timeout=timeout)
        if login:
            host.login(keys)
            host.ready()
        return host

    def resident(self):
        """Bytes of memory."""
        with open(f"/proc/{self.pid}/smaps_rollup") as f:
            return int(next(l for l in f if l.startswith("Rss")).split()[1]) << 10

    def sanitized(self):
        """It is a build that keeps freed memory back, to find who uses it."""
        with open(f"/proc/{self.pid}/maps") as f:
            return any("libasan" in line or "libtsan" in line for line in f)

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def cpu_seconds(self):
        with open(f"/proc/{self.pid}/stat") as f:
            fields = f.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def stop(self, seconds=20):
        self.child.terminate()
        return self.child.wait(patience(seconds))

    def lives(self):
        return self.child.poll() is None

