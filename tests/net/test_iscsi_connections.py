# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Sessions of several connections, which come, leave, are replaced and cut while commands are under way or aborted."""

import contextlib
import os
import random
import select
import struct
import threading
import time

import pytest

import iscsi_wire as wire
from iscsi_wire import IscsiTarget
from lab import patience, wait_until

SECONDS = float(os.environ.get("STGT_CHAOS_SECONDS", 6))
HOSTS, CONNECTIONS = 3, 4
FUNCTIONS = (wire.ABORT_TASK, wire.ABORT_TASK_SET, wire.CLEAR_TASK_SET, wire.LU_RESET)
PLACES, BLOCKS = 16, 8  # of each initiator; a command is for a whole place
SIZE = BLOCKS * 512
KEYS = f"MaxConnections={CONNECTIONS}\n" "ImmediateData=Yes\nMaxBurstLength={}\nFirstBurstLength=1024\n"


class Place:
    """What may be read there: what was written last, and what ended unanswered since."""

    def __init__(self):
        self.values, self.busy = {bytes(SIZE)}, False

    def verify(self, data):
        assert data in self.values, "what was acknowledged is lost, or what never was written is there"
        self.values = {data}


class Command:
    def __init__(self, conn, pdu, place, data):
        self.conn, self.pdu, self.place, self.data = conn, pdu, place, data
        self.number = conn.numbers[-1]
        self.got = b""
        place.busy = True

    def end(self, status=None):
        """None: it ended with its connection, or was aborted. After a reset the next one is not begun."""
        self.place.busy = False
        if status == wire.CHECK_CONDITION:
            return
        if status is None and self.data:
            self.place.values.add(self.data)
        elif self.data and status == wire.GOOD:
            self.place.values = {self.data}
        elif status is not None:
            assert status == wire.GOOD, status
            self.place.verify(self.got)


class Function:
    """A task management function, for these commands: they end with it at the latest."""

    def __init__(self, conn, code, commands):
        self.conn, self.code, self.commands = conn, code, commands


class Connection(wire.Initiator):
    """Its numbers are the session's; StatSN is its own and leaves nothing out."""

    def __init__(self, session, sock, cid):
        self.session = session
        super().__init__(sock, session.host.name, session.host.number, timeout=patience(30))
        self.cid, self.numbers, self.unsent = cid, [], []

    cmdsn = property(lambda self: self.session.cmdsn, lambda self, value: None)

    def next_itt(self):
        self.session.itt += 1
        self.itt = self.session.itt
        return self.itt

    def send_in_order(self):
        """Numbers only rise on a connection; an immediate request names the next one."""
        while self.unsent:
            self.send(self.unsent.pop(0))

    def pong(self, ping):
        self.send_in_order()
        super().pong(ping)

    def take_cmdsn(self, immediate=False):
        if immediate:
            return self.session.cmdsn
        self.numbers.append(self.session.cmdsn)
        self.session.cmdsn = (self.session.cmdsn + 1) & 0xffffffff
        return self.numbers[-1]

    def next_pdu(self):
        due = self.exp_statsn
        pdu = self.receive()
        assert self.exp_statsn in (due, (due + 1) & 0xffffffff)
        assert pdu.itt == wire.NO_TAG or self.exp_statsn == due or pdu.statsn == due
        self.session.acknowledge(pdu)
        return pdu


class Session:
    def __init__(self, host):
        self.host, self.random = host, host.random
        self.cmdsn = self.random.choice((1, 0xfffffff0))
        self.itt, self.waiting, self.functions, self.ended = 0, {}, {}, set()
        self.conns = {}
        first = Connection(self, host.target.socket(), 0)
        self.conns[0] = first
        first.login(KEYS.format(self.random.choice((1024, 262144))))
        self.tsih, self.exp_cmdsn, self.max_cmdsn = first.tsih, self.cmdsn, self.cmdsn
        first.ready(host.number)

    def acknowledge(self, pdu):
        if not (pdu.exp_cmdsn - self.exp_cmdsn) & 1 << 31:
            self.exp_cmdsn, self.max_cmdsn = pdu.exp_cmdsn, pdu.max_cmdsn

    def close(self):
        for conn in self.conns.values():
            conn.close()
        for command in self.waiting.values():
            command.end()

    def any(self, but=None):
        return self.random.choice([conn for conn in self.conns.values() if conn is not but])

    # ---- connections ----

    def join(self, cid):
        """One more, or another in the place of an old one."""
        conn = Connection(self, self.host.target.socket(), cid)
        conn.tsih = self.tsih
        conn.send(conn.login_bytes())
        answer = conn.expect(wire.LOGIN_RESPONSE)
        assert answer.bhs[36:38] == b"\0\0", answer.bhs.hex()
        conn.exp_statsn = (answer.statsn + 1) & 0xffffffff
        self.acknowledge(answer)
        old, self.conns[cid] = self.conns.get(cid), conn
        if old:
            self.gone(old)

    def log_out(self, conn, via):
        via.send_in_order()
        rest = struct.pack(">HHII", conn.cid, 0, self.cmdsn, via.exp_statsn)
        via.send(via.pdu(wire.LOGOUT | wire.IMMEDIATE, wire.FINAL | 1, 0, via.next_itt(), rest))
        while True:
            pdu = via.next_pdu()
            if pdu.opcode == wire.LOGOUT_RESPONSE:
                break
            self.handle(via, pdu)
        assert pdu.bhs[2] == 0
        del self.conns[conn.cid]
        self.gone(conn)

    def gone(self, conn):
        """
        Its commands have ended, but for those that have not come (RFC 7143 7.2.1): they are sent once more, or
        their numbers are filled; at once, or when something else is answered.
        """
        conn.close()
        lost = {number for number in conn.numbers if not (number - self.exp_cmdsn) & 1 << 31}
        again, aborted = {}, set()
        for function in self.functions.values():
            if function.conn is conn and function.code == wire.ABORT_TASK:
                aborted |= function.commands
        for itt, command in list(self.waiting.items()):
            if command.conn is conn and command.number in lost and itt not in aborted and \
                    self.random.random() < 0.5:
                again[command.number] = command
            elif command.conn is conn:
                self.end(itt)
        via = self.any()
        for itt, function in list(self.functions.items()):
            if function.conn is conn:
                self.functions.pop(itt)
                if function.code != wire.ABORT_TASK:
                    self.manage(via, function.code)
        if self.functions and self.random.random() < 0.5:
            self.finish_functions()
        for number in sorted(lost):
            self.fill(via, number, again.get(number))

    def finish_functions(self):
        """None of them waits for a number that was lost with a connection."""
        for conn in self.conns.values():
            conn.send_in_order()
        self.receive_until(lambda: not self.functions)

    def fill(self, via, number, command):
        """With the command that had the number, if that was not aborted since."""
        via.numbers.append(number)
        if command and command in self.waiting.values():
            command.conn = via
            via.send(command.pdu)
            return
        rest = struct.pack(">III", wire.NO_TAG, number, via.exp_statsn)
        via.send(via.pdu(wire.NOP_OUT, wire.FINAL, 0, via.next_itt(), rest))

    def end(self, itt):
        self.waiting.pop(itt).end()
        self.ended.add(itt)

    def manage(self, conn, code):
        """Behind all that the connection has to send, as it is about what was numbered before it."""
        if code == wire.ABORT_TASK:
            tags = [itt for itt, command in self.waiting.items() if command.conn is conn]
            if not tags:
                return
            tag = self.random.choice(tags)
            pdu = conn.tmf_bytes(code, itt=tag, cmdsn=self.waiting[tag].number, lun=self.host.number)
            self.functions[self.itt] = Function(conn, code, {tag})
        else:
            pdu = conn.tmf_bytes(code, lun=self.host.number)
            self.functions[self.itt] = Function(conn, code, set(self.waiting))
        conn.unsent.append(pdu)

    def managed(self, conn, pdu):
        function = self.functions.pop(pdu.itt)
        assert function.conn is conn
        left = function.commands & set(self.waiting)
        if function.code == wire.ABORT_TASK and pdu.bhs[2] == 1:
            left -= set().union(*(other.commands for other in self.functions.values()))
            assert not left, "there is no such task, and neither its answer nor what ended it came"
        else:
            assert pdu.bhs[2] == 0, pdu.bhs.hex()
        for itt in left:
            self.end(itt)
        self.host.functions += 1

    def cut(self, conn):
        """In the middle of a PDU, if there is one to send."""
        if conn.unsent:
            data = conn.unsent[0]
            conn.send(data[:self.random.randrange(1, len(data))])
        raise ConnectionError

    # ---- commands ----

    def make(self):
        free = [at for at, place in enumerate(self.host.places) if not place.busy]
        if not free or self.max_cmdsn - self.cmdsn & 1 << 31:
            return
        conn, at = self.any(), self.random.choice(free)
        lba = at * BLOCKS
        data = os.urandom(16) * (SIZE // 16) if self.random.random() < 0.6 else b""
        if data:
            pdu = conn.command_bytes(wire.write_10(lba, BLOCKS), expected=SIZE, flags=wire.WRITE,
                                     lun=self.host.number, data=data[:self.random.choice((0, 512, 1024))])
        else:
            pdu = conn.command_bytes(wire.read_10(lba, BLOCKS), expected=SIZE, flags=wire.READ,
                                     lun=self.host.number)
        conn.unsent.append(pdu)
        self.waiting[self.itt] = Command(conn, pdu, self.host.places[at], data)

    def send_some(self, leave=0):
        """Each connection keeps its order; which is heard first is chance."""
        while sum(len(conn.unsent) for conn in self.conns.values()) > leave:
            conn = self.random.choice([conn for conn in self.conns.values() if conn.unsent])
            conn.send(conn.unsent.pop(0))

    def handle(self, conn, pdu):
        if pdu.opcode == wire.NOP_IN:
            if pdu.itt == wire.NO_TAG:
                conn.pong(pdu)
            return
        if pdu.opcode == wire.TMF_RESPONSE:
            self.managed(conn, pdu)
            return
        if pdu.itt in self.ended:
            return
        command = self.waiting[pdu.itt]
        assert command.conn is conn
        if pdu.opcode == wire.R2T:
            if self.random.random() < 0.01:
                conn.send(conn.data_out_bytes(pdu, command.data[:1024])[:500])
                raise ConnectionError
            conn.answer(pdu, command.data)
            return
        assert pdu.opcode in (wire.DATA_IN, wire.RESPONSE), pdu.bhs.hex()
        command.got += pdu.data
        if pdu.opcode == wire.RESPONSE or pdu.flags & wire.STATUS:
            self.waiting.pop(pdu.itt).end(pdu.status)
            self.host.commands += 1

    def receive_some(self, seconds=0):
        ready = [conn for conn in self.conns.values() if conn.unread]
        if not ready:
            by_sock = {conn.sock: conn for conn in self.conns.values()}
            ready = [by_sock[sock] for sock in select.select(list(by_sock), [], [], seconds)[0]]
        for conn in ready:
            self.handle(conn, conn.next_pdu())
        return ready

    def step(self):
        for _ in range(self.random.randrange(1, 12)):
            self.make()
        event = self.random.random()
        if event < 0.06 and len(self.conns) < CONNECTIONS:
            self.join(min(set(range(CONNECTIONS)) - set(self.conns)))
        elif event < 0.09 and len(self.conns) > 1:
            self.send_some(self.random.randrange(3))
            conn = self.any()
            self.log_out(conn, self.any(but=conn))
        elif event < 0.12 and len(self.conns) > 1:
            self.send_some(self.random.randrange(3))
            self.join(self.any().cid)
        elif event < 0.13:
            self.cut(self.any())
        elif event < 0.25:
            self.manage(self.any(), self.random.choice(FUNCTIONS))
        self.send_some(self.random.randrange(4))
        while self.receive_some() and self.random.random() < 0.9:
            pass

    def settle(self):
        """Whatever has happened: all that was sent on connections that are there is answered."""
        self.send_some()
        self.receive_until(lambda: not self.waiting and not self.functions)

    def receive_until(self, done):
        began = time.monotonic()
        while not done():
            assert self.receive_some(1) or time.monotonic() < began + patience(20), \
                ([hex(command.number) for command in self.waiting.values()],
                 [function.code for function in self.functions.values()])


class Host(threading.Thread):
    def __init__(self, target, number, over):
        super().__init__()
        self.target, self.number, self.over = target, number, over
        self.name = f"iqn.2026-11.example:host{number}"
        self.random = random.Random(f"{os.environ.get('STGT_SEED', '1')}.{number}")
        self.places = [Place() for _ in range(PLACES)]
        self.commands, self.functions, self.settled, self.trouble = 0, 0, 0, None
        self.start()

    def run(self):
        try:
            while not self.over.is_set():
                with contextlib.suppress(ConnectionError):
                    self.session()
        except Exception as trouble:  # pylint: disable=broad-except
            self.trouble = trouble

    def session(self):
        with contextlib.closing(Session(self)) as session:
            for _ in range(self.random.randrange(10, 200)):
                session.step()
                if self.over.is_set():
                    break
            session.settle()
            self.settled += 1


@pytest.mark.parametrize("disk", ("ram:1M", "file"))
def test_connections_come_and_go(lab, disk):
    """A file's commands take a while, so that connections go while they are with the disk."""
    disks = [disk if disk.startswith("ram") else
             f"{lab.path / f'store{number}.img'},size=1M,cache=writethrough" for number in range(HOSTS)]
    target, over = IscsiTarget(lab, luns=disks), threading.Event()
    target.initiator().logout()
    descriptors = target.descriptors()
    hosts = [Host(target, number, over) for number in range(HOSTS)]
    began = time.monotonic()
    try:
        wait_until(lambda: any(host.trouble for host in hosts) or time.monotonic() - began > SECONDS
                   and all(host.settled for host in hosts), 20 * SECONDS, "sessions that settle")
    finally:
        over.set()
        for host in hosts:
            host.join(patience(60))
    for host in hosts:
        if host.trouble:
            raise host.trouble
        assert not host.is_alive() and host.commands and host.functions
    wait_until(lambda: target.descriptors() <= descriptors, 10, "descriptors to come back")
    assert target.stop() == 0
