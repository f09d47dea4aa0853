# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What developers see: frames in a capture file, and the steps of single requests."""

import fcntl
import os
import re
import signal
import struct
import subprocess
import termios
import time

import pytest
from scapy.utils import RawPcapNgReader

from aoe import (AFLAG_LBA48, AFLAG_WRITE, ATA, AoeClient, CONFIG, CONFIG_READ, READ_EXT, WRITE_EXT,
                 ata_body, config_body)
from conftest import Pair
from lab import PROGRAM, patience, pattern, wait_until

OTHER = "02:00:00:00:00:09"
STEPS = ["received", "parsed", "submitted", "completed", "sent", "released"]


class Witness(AoeClient):
    """A client that remembers every AoE frame it sends and receives."""

    def __init__(self, pair, **kwargs):
        super().__init__(pair.lab, pair.initiator, pair.nic, pair.mac, **kwargs)
        self.sent, self.received = [], []

    def send(self, frame):
        self.sent.append(frame)
        super().send(frame)

    def receive(self, *args):
        reply = super().receive(*args)
        if reply:
            self.received.append(reply.raw)
        return reply


class Watcher:
    """A running `capture` or `trace on`; it watches when this is made."""

    def __init__(self, target, *words):
        lab = target.lab
        self.target, self.lab = target, lab
        self.out, self.err = lab.path / f"out{next(lab.names)}", lab.path / f"err{next(lab.names)}"
        before = len(self.kinds())
        with open(self.out, "wb") as out, open(self.err, "wb") as err:
            self.child = lab.spawn([PROGRAM, *words, "--socket", target.socket], target.netns,
                                   stdout=out, stderr=err)
        wait_until(lambda: len(self.kinds()) > before or self.child.poll() is not None, 10,
                   "one more watches")
        assert self.child.poll() is None, self.err.read_text()

    def kinds(self):
        return [tap["kind"] for tap in self.target.json("status")["taps"]]

    def end(self, how=signal.SIGINT):
        """Its exit status and what it said."""
        if how:
            self.child.send_signal(how)
        return self.child.wait(patience(10)), self.err.read_text()

    def lines(self):
        return self.out.read_text().splitlines()


def tshark(path, *args):
    done = subprocess.run(["tshark", "-n", "-r", str(path), *args], capture_output=True, text=True)
    assert done.returncode == 0, done
    return done.stdout.splitlines()


def by_direction(path):
    """(frames received, frames sent) by the target, as bytes, in the file's order."""
    assert tshark(path, "-Y", "_ws.malformed || _ws.expert.severity==error") == []
    directions = [int(line, 16) for line in tshark(path, "-T", "fields", "-e",
                                                   "frame.packet_flags_direction")]
    assert len(tshark(path, "-Y", "aoe")) == len(directions)
    with open(path, "rb") as file:
        frames = [data for data, _ in RawPcapNgReader(file)]
    assert len(frames) == len(directions)
    return tuple([frame for frame, way in zip(frames, directions) if way == which]
                 for which in (1, 2))


def losses(path):
    """(seen, lost) in the statistics block, which is the file's last."""
    end = path.read_bytes()[-28:]
    return struct.unpack("Q", end[:8])[0], struct.unpack("Q", end[12:20])[0]


def work(client, sectors):
    """Reads, writes and queries; what was written is read back."""
    for i in range(20):
        lba = i * sectors
        assert client.read(lba, sectors) == pattern(lba, sectors)
        client.write(lba, pattern(lba, sectors, 1))
        assert client.read(lba, 1) == pattern(lba, 1, 1)
        assert client.config().string == b""
    client.identify()


@pytest.mark.parametrize("mtu,sectors", [(1500, 2), (9000, 16)])
def test_capture_has_every_frame_once(lab, mtu, sectors):
    pair = Pair(lab, mtu)
    target = pair.serve_disk(lab.disk())
    client = Witness(pair)
    if client.config().sectors < sectors:
        sectors = client.config().sectors  # a kernel without frames over a page
    client.drain()
    client.sent, client.received = [], []
    path = lab.path / "all.pcapng"
    watcher = Watcher(target, "capture", pair.port, path)
    work(client, sectors)
    status, said = watcher.end()
    assert status == 0, said
    assert path.stat().st_mode & 0o777 == 0o600  # it is made once the server has agreed
    received, sent = by_direction(path)
    assert received == client.sent
    assert sent == client.received
    assert f"{len(received) + len(sent)} frames captured, 0 lost" in said
    assert losses(path) == (len(received) + len(sent), 0)
    assert {line for line in tshark(path, "-T", "fields", "-e", "frame.interface_name")} == {pair.port}
    times = [float(line) for line in tshark(path, "-T", "fields", "-e", "frame.time_epoch")]
    assert times == sorted(times)
    # Nobody watches any more, and the next one may.
    wait_until(lambda: not watcher.kinds(), 5, "the tap is gone")
    Watcher(target, "capture", pair.port, path).end()


def test_capture_by_count_and_snaplen_to_a_pipe(pair):
    target = pair.serve_disk(pair.lab.disk())
    client = pair.client()
    watcher = Watcher(target, "capture", pair.port, "-", "--count", "5", "--snaplen", "36")
    for lba in range(4):
        client.read(lba, 2)
    status, said = watcher.end(None)
    assert (status, said) == (0, "5 frames captured, 0 lost for lack of room\n")
    lengths = tshark(watcher.out, "-T", "fields", "-e", "frame.cap_len", "-e", "frame.len")
    assert lengths == ["36\t36", "36\t1060", "36\t36", "36\t1060", "36\t36"]


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("what", ["capture", "trace"])
def test_end_although_nobody_reads(pair, what, how):
    """A full pipe, as behind a pager, does not keep it from ending; nor does it keep the server."""
    target = pair.serve_disk(pair.lab.disk())
    client = pair.client()
    words = ["capture", pair.port, "-"] if what == "capture" else ["trace", "on"]
    reader, writer = os.pipe()
    pair.lab.undo.callback(os.close, reader)
    room = fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    child = pair.lab.spawn([PROGRAM, *words, "--socket", target.socket], target.netns, stdout=writer,
                           stderr=subprocess.PIPE, text=True)
    os.close(writer)
    wait_until(lambda: target.json("status")["taps"], 5, "it watches")
    for lba in range(100):
        assert client.read(lba, 2) == pattern(lba, 2)
    wait_until(lambda: waiting(reader), 5, "there is something to read")
    child.send_signal(how)
    assert child.wait(patience(5)) == 1
    assert child.stderr.read() == f"stgt-xdp {what}: ended before all was read: the rest is lost\n"
    assert 0 < waiting(reader) <= room
    wait_until(lambda: not target.json("status")["taps"], 5, "the tap is gone")


def waiting(pipe):
    """Bytes in the pipe."""
    return struct.unpack("i", fcntl.ioctl(pipe, termios.FIONREAD, bytes(4)))[0]


def test_capture_to_a_fifo_waits_for_its_reader(pair):
    target = pair.serve_disk(pair.lab.disk())
    client = pair.client()
    fifo, path = pair.lab.path / "fifo", pair.lab.path / "read"
    os.mkfifo(fifo)
    waits = Watcher(target, "capture", pair.port, fifo)
    assert waits.end() == (1, f"stgt-xdp capture: cannot write {fifo}: Interrupted system call\n")
    wait_until(lambda: not waits.kinds(), 5, "the tap is gone")
    watcher = Watcher(target, "capture", pair.port, fifo, "--count", "20")
    for lba in range(10):
        client.read(lba, 2)
    with open(path, "wb") as file:
        reader = pair.lab.spawn(["cat", fifo], stdout=file)
    assert watcher.end(None) == (0, "20 frames captured, 0 lost for lack of room\n")
    assert reader.wait(patience(5)) == 0
    assert [len(frames) for frames in by_direction(path)] == [10, 10]


def test_capture_to_a_full_disk_says_so(pair):
    """What was written before can be read."""
    target = pair.serve_disk(pair.lab.disk())
    client = pair.client()
    path = pair.lab.tmpfs("64k") / "full.pcapng"
    watcher = Watcher(target, "capture", pair.port, path)
    for lba in range(100):
        client.read(lba, 2)
    status, said = watcher.end(None)
    assert status == 1 and "No space left" in said and said.count("\n") == 1
    shown = subprocess.run(["tshark", "-n", "-r", path, "-Y", "aoe && !_ws.malformed"],
                           stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert 80 < len(shown.stdout.splitlines()) < 120
    assert client.read(5, 2) == pattern(5, 2)


def test_capture_ends_after_its_time(pair):
    target = pair.serve_disk(pair.lab.disk())
    began = time.monotonic()
    done = target.control("capture", pair.port, pair.lab.path / "none", "--seconds", "1")
    assert done.stderr == "0 frames captured, 0 lost for lack of room\n"
    assert time.monotonic() - began >= 1
    assert tshark(pair.lab.path / "none") == []


def test_server_does_not_mind_a_watcher_that_is_killed(pair):
    target = pair.serve_disk(pair.lab.disk())
    client = pair.client()
    for words in (("capture", pair.port, pair.lab.path / "killed"), ("trace", "on")):
        watcher = Watcher(target, *words)
        client.read(0, 2)
        watcher.child.kill()
        wait_until(lambda: not watcher.kinds(), 5, "the tap is gone")
        client.write(5, pattern(5, 2, 1))
        assert client.read(5, 2) == pattern(5, 2, 1)
    assert target.stop() == 0


def test_watcher_that_sleeps_loses_frames_and_stalls_nobody(jumbo):
    lab = jumbo.lab
    target = jumbo.serve_disk(lab.disk())
    client = jumbo.client()
    sectors = client.config().sectors
    path = lab.path / "slow.pcapng"
    watcher = Watcher(target, "capture", jumbo.port, path)
    watcher.child.send_signal(signal.SIGSTOP)
    reads = 20 * 2**20 // (sectors * 512)  # more than there is memory for
    for i in range(reads):
        assert client.read(i % 100, sectors) == pattern(i % 100, sectors)
    watcher.child.send_signal(signal.SIGCONT)
    wait_until(lambda: path.stat().st_size > 2**20, 10, "the file grows again")
    # The sleeper has room again.
    status, said = watcher.end()
    assert status == 0
    captured, lost = map(int, re.search(r"(\d+) frames captured, (\d+) lost", said).groups())
    assert lost > 0
    assert losses(path) == (captured + lost, lost)
    received, sent = by_direction(path)
    assert len(received) + len(sent) == captured
    assert client.read(7, 1) == pattern(7, 1)


def test_capture_ends_with_its_interface(lab):
    storage, initiator = lab.netns("storage"), lab.netns("initiator")
    links = [lab.veth(storage, initiator) for _ in range(2)]
    target = lab.target(storage, links[0][0], links[1][0], "--aoe", f"7.1={lab.disk()}", "--allow",
                        "any")
    paths = [lab.path / f"{port}.pcapng" for port, _ in links]
    watchers = [Watcher(target, "capture", port, path) for (port, _), path in zip(links, paths)]
    trace = Watcher(target, "trace", "on")
    clients = [AoeClient(lab, initiator, nic, lab.mac(storage, port)) for port, nic in links]
    for client in clients:
        client.read(0, 1)
    target.control("detach", links[0][0])
    status, said = watchers[0].end(None)
    assert status == 0
    assert f"{links[0][0]} is not served any more" in said
    assert [len(frames) for frames in by_direction(paths[0])] == [1, 1]
    # The other one, and the trace of both, go on.
    clients[1].read(0, 1)
    target.control("detach", links[1][0])
    assert watchers[1].end(None)[0] == 0
    assert [len(frames) for frames in by_direction(paths[1])] == [2, 2]
    assert trace.end(None) == (0, "the trace was ended by the server\n")
    assert [line.split()[2] for line in trace.lines()].count("completed") == 3
    assert target.wait() == 0


def test_server_that_dies_leaves_a_whole_file(pair):
    target = pair.serve_disk(pair.lab.disk())
    path = pair.lab.path / "last.pcapng"
    watcher = Watcher(target, "capture", pair.port, path)
    client = pair.client()
    for lba in range(10):
        client.read(lba, 1)
    target.kill()
    status, said = watcher.end(None)
    assert status == 1 and "the server has died" in said
    assert [len(frames) for frames in by_direction(path)] == [10, 10]


def test_refusals(pair):
    target = pair.serve_disk(pair.lab.disk())
    path = pair.lab.path / "first"
    assert "/nowhere/x" in target.control("capture", pair.port, "/nowhere/x", check=False).stderr
    full = target.control("capture", pair.port, "/dev/full", "--seconds", "1", check=False)
    assert full.returncode == 1 and "No space left" in full.stderr
    wait_until(lambda: not target.json("status")["taps"], 5, "nobody watches")
    Watcher(target, "capture", pair.port, path)

    def refused(*words, status=1):
        done = target.control(*words, check=False)
        assert done.returncode == status, done
        assert done.stderr.count("\n") == 1, done
        return done.stderr

    second = pair.lab.path / "second"
    assert "captured already" in refused("capture", pair.port, second)
    assert "not served" in refused("capture", "lo", second)
    assert not second.exists()
    assert "no export 7.9" in refused("trace", "on", "--export", "7.9")
    for words in (("capture", pair.port), ("capture", pair.port, path, "--count", "0"),
                  ("capture", pair.port, path, "--snaplen", "300000"), ("trace",), ("trace", "maybe"),
                  ("trace", "on", "--lba", "9-8"), ("trace", "on", "--lba", "-1"),
                  ("trace", "on", "--initiator", "x"), ("trace", "off", "--count", "1"),
                  ("trace", "on", "--export", "7")):
        assert "--help" in refused(*words, status=2), words


# ---- trace -----------------------------------------------------------------------------------


def steps(watcher):
    """(seconds, ns since reception, step, MAC, export, tag, the rest) of every line."""
    found = []
    for line in watcher.lines():
        when, since, step, mac, export, tag, rest = line.split(maxsplit=6)
        found.append((float(when), int(since), step, mac, export, int(tag[4:], 16), rest))
    return found


def by_request(watcher):
    """The steps of each request, which may be between another's."""
    requests = {}
    for step in steps(watcher):
        requests.setdefault(step[5], []).append(step)
    return list(requests.values())


def test_trace_shows_the_steps_of_matching_requests_only(pair):
    target = pair.serve("--aoe", f"7.1={pair.lab.disk()}", "--aoe", "7.2=ram:1M", "--allow", "any")
    client, stranger = pair.client(), pair.client(mac=OTHER)
    other_export = pair.client(7, 2)
    watcher = Watcher(target, "trace", "on", "--initiator", client.mac, "--lba", "100-109",
                      "--export", "7.1")
    for lba, count in ((98, 2), (110, 1), (0, 1)):
        client.read(lba, count)
    client.config()
    client.identify()
    other_export.read(100, 1)
    stranger.send(stranger.frame(0, b"\x40\0\1\x24" + (100).to_bytes(6, "little") + b"\0\0"))
    client.read(99, 2)
    client.write(109, pattern(109, 1))
    # That a reply has left is seen when there is something else to do.
    wait_until(lambda: client.read(0, 1) and len(watcher.lines()) >= 12, 5, "the last step")
    status, said = watcher.end()
    assert (status, said) == (0, "")
    read, write = by_request(watcher)
    for one, rest in ((read, "ata-read command=0x24 lba=99 count=2"),
                      (write, "ata-write command=0x34 lba=109 count=1")):
        assert [step[2] for step in one] == STEPS
        assert {step[3:5] for step in one} == {(client.mac, "7.1")}
        assert one[0][1] == 0
        assert [step[1] for step in one] == sorted(step[1] for step in one)
        assert [step[0] for step in one] == sorted(step[0] for step in one)
        assert [step[6] for step in one] == [rest] * 3 + [rest + " ok"] * 3


def test_trace_shows_errors_and_other_commands(pair):
    target = pair.serve("--aoe", f"7.1={pair.lab.disk()},ro", "--allow", "any")
    client = pair.client()
    watcher = Watcher(target, "trace", "on")
    client.ata(WRITE_EXT, 5, 1, aflags=0x41, data=bytes(512))
    client.config()
    client.request(0x55, b"")
    wait_until(lambda: sum(" sent " in line for line in watcher.lines()) == 3, 5, "three replies")
    assert watcher.end() == (0, "")
    write, config, unknown = by_request(watcher)
    assert [step[2] for step in write][:5] == STEPS[:5]
    assert write[2][6] == "ata-write command=0x34 lba=5 count=1"
    assert write[3][6] == "ata-write command=0x34 lba=5 count=1 status=0x41 error=0x04"
    for one, rest in (config, "config ok"), (unknown, "aoe command=0x55 aoe-error=1"):
        assert [step[2] for step in one][:3] == ["received", "parsed", "sent"]
        assert one[2][6] == rest


def test_trace_that_sleeps_loses_lines_and_says_how_many(pair):
    target = pair.serve_disk(pair.lab.disk())
    client = pair.client()
    watcher = Watcher(target, "trace", "on")
    watcher.child.send_signal(signal.SIGSTOP)
    memory = rss(target)
    reads = 9000  # more steps than there is memory for
    for i in range(reads):
        assert client.read(i % 100, 1) == pattern(i % 100, 1)
    assert rss(target) - memory < 8 << 10
    watcher.child.send_signal(signal.SIGCONT)
    wait_until(lambda: len(watcher.lines()) > reads, 10, "what there was room for")
    status, said = watcher.end()
    assert status == 0
    lost = int(re.fullmatch(r"(\d+) lines lost for lack of room\n", said)[1])
    # That the last reply has left was perhaps not seen yet.
    assert len(STEPS) * reads - 1 <= len(watcher.lines()) + lost <= len(STEPS) * reads


def rss(target):
    """KiB of memory in use."""
    return int(re.search(r"VmRSS:\s*(\d+)", open(f"/proc/{target.pid}/status").read())[1])


def test_trace_off_ends_the_trace_of_another(pair):
    target = pair.serve_disk(pair.lab.disk())
    watcher = Watcher(target, "trace", "on")
    second = target.control("trace", "on", check=False)
    assert second.returncode == 1 and "trace off" in second.stderr
    pair.client().read(3, 1)
    wait_until(lambda: len(watcher.lines()) >= 5, 5, "the reply's step")
    target.control("trace", "off")
    assert watcher.end(None) == (0, "the trace was ended by the server\n")
    assert [step[2] for step in steps(watcher)][:5] == STEPS[:5]
    wait_until(lambda: not watcher.kinds(), 5, "the tap is gone")
    pair.client().read(3, 1)


def test_trace_of_an_answer_that_never_comes(pair):
    target = pair.serve_disk(pair.lab.disk())
    client = pair.client()
    watcher = Watcher(target, "trace", "on", "--count", "3")
    # A configuration test that fails is met with silence.
    client.send(client.frame(CONFIG, config_body(CONFIG_READ + 1, b"nothing like it")))
    assert watcher.end(None) == (0, "")
    assert [step[2] for step in steps(watcher)] == ["received", "parsed", "dropped"]
    assert [step[6] for step in steps(watcher)] == \
        ["config", "config", "config reason=ignored_config_test"]


def test_trace_says_what_a_fault_did(pair):
    target = pair.serve_disk(pair.lab.disk())
    client = pair.client()
    target.control("fault", "add", "7.1", "drop", "lba=5")
    target.control("fault", "add", "7.1", "error", "lba=6")
    target.control("fault", "add", "7.1", "delay=50ms", "lba=7")
    watcher = Watcher(target, "trace", "on")
    client.send(client.frame(ATA, ata_body(WRITE_EXT, 5, 1, aflags=AFLAG_LBA48 | AFLAG_WRITE,
                                           data=bytes(512))))
    client.ata(READ_EXT, 6, 1, aflags=AFLAG_LBA48)
    assert client.read(7, 1) == pattern(7, 1)
    wait_until(lambda: sum(" sent " in line for line in watcher.lines()) == 2, 5, "two replies")
    assert watcher.end() == (0, "")
    dropped, failed, late = by_request(watcher)
    assert [step[2] for step in dropped] == ["received", "parsed", "dropped"]
    assert dropped[2][6] == "ata-write command=0x34 lba=5 count=1 reason=fault_drop"
    assert [step[2] for step in failed][:3] == ["received", "parsed", "sent"]
    assert failed[2][6] == "ata-read command=0x24 lba=6 count=1 status=0x41 error=0x40"
    assert [step[2] for step in late][:5] == STEPS[:5]
    assert late[3][1] < late[4][1] and late[4][1] >= 50e6


def test_two_watchers_and_vlans(pair):
    """A capture has the tags that were on the wire, and a trace beside it goes its own way."""
    lab = pair.lab
    target = pair.serve("--aoe", f"5:7.1={lab.disk()}", "--aoe", f"7.5:7.2={lab.disk()}", "--allow",
                        "any")
    path = lab.path / "vlans.pcapng"
    capture, trace = Watcher(target, "capture", pair.port, path), \
        Watcher(target, "trace", "on", "--export", "5:7.1")
    for slot, vlans in (1, (5,)), (2, (7, 5)):
        client = Witness(pair, slot=slot, vlans=vlans)
        client.read(0, 2)
    assert capture.end() == (0, "4 frames captured, 0 lost for lack of room\n")
    assert trace.end() == (0, "")
    for frames in by_direction(path):
        assert [frame[12:20] for frame in frames] == \
            [b"\x81\0\0\5\x88\xa2" + frames[0][18:20], b"\x81\0\0\7\x81\0\0\5"]
    assert {step[4] for step in steps(trace)} == {"5:7.1"}
