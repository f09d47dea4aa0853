# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Rate limits, and faults that are injected on purpose."""

import json
import struct
import time
from pathlib import Path

import pytest

from aoe import (AFLAG_LBA48, AFLAG_WRITE, ATA, READ_EXT, STATUS_DRDY, STATUS_ERR, WRITE_EXT,
                 AtaReply, ata_body, mac_bytes)
from conftest import Pair
from lab import PINS, PROGRAM, Lab, patience, pattern, wait_until
from test_load import activity_within

ERR_UNC = 0x40
LIMITED, OTHER = "02:00:00:00:01:01", "02:00:00:00:01:02"


def reasons(target):
    return target.json("stats")["interfaces"][0]["queues"][0]["aoe"]["reasons"]


def listed(target, what):
    return json.loads(target.control(what, "list", "--json").stdout)[f"{what}s"]


def read_frame(client, tag, mac):
    return client.frame(ATA, ata_body(READ_EXT, 8, 2, 0, AFLAG_LBA48), tag=tag, src=mac)


class Loop:
    """An initiator that keeps reads in flight, each sent once."""

    def __init__(self, client, mac, outstanding):
        self.client, self.mac = client, mac
        self.waiting = set()
        for _ in range(outstanding):
            self.send()

    def send(self):
        tag = next(self.client.tags)
        self.waiting.add(tag)
        self.client.send(read_frame(self.client, tag, self.mac))

    def run(self, seconds):
        """How many were answered in this time."""
        deadline = time.monotonic() + seconds
        answered = 0
        while time.monotonic() < deadline:
            answered += self.one(deadline - time.monotonic())
        return answered

    def one(self, seconds):
        """Whether one was answered, which the next follows."""
        reply = self.client.receive(seconds)
        if reply:
            assert reply.dst == self.mac and AtaReply.of(reply).ok
            self.waiting.remove(reply.tag)  # each once
            self.send()
        return bool(reply)

    def catch_up(self):
        """Takes the answers that came when it did not run; the time at which there were no more."""
        for _ in range(4 * len(self.waiting)):
            now = time.monotonic()
            if not self.one(0):
                break
        return now

    def finish(self):
        while self.waiting:
            reply = self.client.receive()
            assert reply, f"{len(self.waiting)} requests without an answer"
            self.waiting.remove(reply.tag)


def limited(loop, rate, seconds=1):
    """It has this many answers a second, and never more. An initiator that was held up itself, as it may be
    on a busy machine, has fewer, and saves up what comes in a twentieth of a second."""
    loop.run(0.2)  # the burst that it has saved up
    for _ in range(10):
        start = loop.catch_up()
        answered = loop.run(seconds)
        took = time.monotonic() - start
        assert answered <= rate * (took + 0.05) * 1.05 + 1
        if answered > rate * took * 0.9:
            return
    raise AssertionError(f"{answered} answers in {took:.2f} s at {rate} a second")


def unlimited(loop):
    """Its answers are not counted out: there are more than any limit here lets pass."""
    wait_until(lambda: loop.run(0.5) > 120, 10, "answers as fast as they can be had")


@pytest.mark.parametrize("limit,rate", [("iops=300", 300), ("bytes=150K", 150)])
def test_limited_rate(pair, limit, rate):
    target = pair.serve_disk(pair.lab.disk())
    client = pair.client()
    target.control("limit", "set", LIMITED, limit)
    loop = Loop(client, LIMITED, 32)
    limited(loop, rate, seconds=2)
    loop.finish()
    assert reasons(target)["ignored_share"] == 0
    entry, = target.json("status")["limits"]
    assert entry["mac"] == LIMITED and 0 < entry["delayed"] <= entry["requests"]


def test_limit_of_one_initiator_is_nobody_elses(pair):
    target = pair.serve_disk(pair.lab.disk())
    client = pair.client()
    target.control("limit", "set", LIMITED, "iops=1")
    tags = [next(client.tags) for _ in range(60)]
    for tag in tags:
        client.send(read_frame(client, tag, LIMITED))
    assert client.reply_to(tags[0])  # saved up
    for _ in range(100):
        tag = next(client.tags)
        client.send(read_frame(client, tag, OTHER))
        assert client.reply_to(tag).dst == OTHER
    # Discovery is free, also for the limited one.
    client.config(src=LIMITED)
    # Without the limit all that waits comes at once, not after a minute.
    target.control("limit", "clear", LIMITED)
    assert client.reply_to(tags[-1])
    assert listed(target, "limit") == []


def test_limit_changes_live(pair):
    target = pair.serve_disk(pair.lab.disk())
    client = pair.client()
    loop = Loop(client, LIMITED, 8)
    unlimited(loop)
    target.control("limit", "set", LIMITED, "iops=100")
    limited(loop, 100)
    target.control("limit", "set", LIMITED, "iops=1000", "bytes=200K")
    assert [(entry["iops"], entry["bytes_per_second"]) for entry in listed(target, "limit")] == \
        [(1000, 200 << 10)]
    limited(loop, 200)
    target.control("limit", "clear", LIMITED)
    unlimited(loop)
    loop.finish()


@pytest.mark.parametrize("by", ["evict", "bpftool"])
def test_no_late_answer_to_who_was_shut_out(pair, by):
    """Nor does what waits for him keep anybody's memory until a time that may be hours away."""
    target = pair.serve_disk(pair.lab.disk())
    client = pair.client()
    target.control("limit", "set", LIMITED, "bytes=1")
    target.control("limit", "set", OTHER, "bytes=1")
    tags = {mac: [next(client.tags) for _ in range(10)] for mac in (LIMITED, OTHER)}
    for mac in tags:
        for tag in tags[mac]:
            client.send(read_frame(client, tag, mac))
        assert client.reply_to(tags[mac][0])  # saved up
    if by == "evict":
        target.control("initiator", "evict", LIMITED)
        assert reasons(target)["ignored_access"] == 9
    else:
        key = struct.pack("=III6sH", 1, 0, 0x701, mac_bytes(LIMITED), 0)
        pair.lab.run(["bpftool", "map", "update", "pinned", PINS / pair.port / "acl", "key", *map(str, key),
                      "value", "0", "0", "0", "0"])
    for mac in tags:
        target.control("limit", "clear", mac)
    late = [client.receive() for _ in tags[OTHER][1:]]
    assert {(reply.dst, reply.tag) for reply in late} == {(OTHER, tag) for tag in tags[OTHER][1:]}
    assert client.receive(0.3) is None
    assert reasons(target)["ignored_access"] == 9


def test_limit_for_any_holds_each_by_itself(pair):
    target = pair.serve_disk(pair.lab.disk())
    client = pair.client()
    exempt = "02:00:00:00:01:03"
    target.control("limit", "set", "any", "iops=100")
    target.control("limit", "set", exempt, "iops=1000000")
    # The first one's answers still wait when the second comes, who has saved up what all have.
    first = Loop(client, LIMITED, 120)
    first.run(0.1)
    tags = {next(client.tags) for _ in range(100 // 20)}
    for tag in tags:
        client.send(read_frame(client, tag, OTHER))
    while tags:
        reply = client.receive()
        (tags if reply.dst == OTHER else first.waiting).remove(reply.tag)
    assert len(first.waiting) > 10
    first.finish()
    for mac in (LIMITED, OTHER):
        loop = Loop(client, mac, 8)
        limited(loop, 100)
        loop.finish()
    free = Loop(client, exempt, 8)
    unlimited(free)
    free.finish()
    assert sorted((entry["mac"], entry["iops"]) for entry in listed(target, "limit")) == \
        [(exempt, 1000000), ("any", 100)]
    assert "any" in target.control("limit", "list").stdout
    target.control("limit", "clear", "any")
    unlimited(Loop(client, LIMITED, 8))


def test_error_once(pair):
    target = pair.serve_disk(pair.lab.disk())
    client = pair.client()
    target.control("fault", "add", "7.1", "error", "op=read", "count=1")
    assert [(entry["export"], entry["rule"]) for entry in target.json("status")["faults"]] == \
        [("7.1", "error=unc,op=read,count=1")]
    client.write(8, pattern(8, 2))
    reply = client.ata(READ_EXT, 8, 2, aflags=AFLAG_LBA48)
    assert (reply.status, reply.error, reply.lba) == (STATUS_DRDY | STATUS_ERR, ERR_UNC, 8)
    assert client.read(8, 2) == pattern(8, 2)
    assert reasons(target)["fault_error"] == 1
    assert listed(target, "fault") == []


def test_drop_is_a_lost_frame(pair):
    disk = pair.lab.disk()
    target = pair.serve_disk(disk)
    client = pair.client()
    data = pattern(8, 2, salt=1)
    write = client.frame(ATA, ata_body(WRITE_EXT, 8, 2, 0, AFLAG_LBA48 | AFLAG_WRITE, data))
    target.control("fault", "add", "7.1", "drop,op=write,lba=8-9,count=1")
    assert client.replies(write) == []
    assert client.read(8, 2) == pattern(8, 2)
    # Sent again it is done.
    client.send(write)
    assert AtaReply.of(client.receive()).ok
    assert client.read(8, 2) == data
    assert reasons(target)["fault_drop"] == 1


def test_fault_of_one_initiator(pair):
    target = pair.serve_disk(pair.lab.disk())
    target.control("fault", "add", "7.1", "error", f"initiator={LIMITED}")
    assert listed(target, "fault")[0]["rule"] == f"error=unc,initiator={LIMITED}"
    assert not pair.client(mac=LIMITED).ata(READ_EXT, 8, 2, aflags=AFLAG_LBA48).ok
    assert pair.client(mac=OTHER).read(8, 2) == pattern(8, 2)


def test_delay(pair):
    target = pair.serve("--aoe", "7.1=ram:8M", "--allow", "any")
    client = pair.client()
    target.control("fault", "add", "7.1", "delay=2s", "op=read")
    for _ in range(2):
        start = time.monotonic()
        assert client.read(8, 2) == bytes(1024)
        assert 2 <= time.monotonic() - start < 2 + patience(1)
    start = time.monotonic()
    client.write(8, pattern(8, 2))
    assert time.monotonic() - start < 2
    assert reasons(target)["fault_delay"] == 2


def test_clear_ends_a_delay(pair):
    target = pair.serve_disk(pair.lab.disk())
    client = pair.client()
    target.control("fault", "add", "7.1", "delay=600s")
    tag = next(client.tags)
    client.send(read_frame(client, tag, LIMITED))
    assert client.receive(0.2) is None
    target.control("fault", "clear")
    assert client.receive().tag == tag
    assert client.read(8, 2) == pattern(8, 2)


def test_the_end_waits_for_no_delay(pair):
    """What waits is answered when the target stops, and that does not take long."""
    target = pair.serve_disk(pair.lab.disk())
    client = pair.client()
    target.control("fault", "add", "7.1", "delay=600s")
    tags = [next(client.tags) for _ in range(5)]
    for tag in tags:
        client.send(read_frame(client, tag, LIMITED))
    assert client.receive(0.2) is None
    assert target.stop() == 0
    assert [client.receive().tag for _ in tags] == tags


def test_limits_and_faults_cost_no_timer(pair):
    """A target that knows some, with nothing that waits, sleeps like any other."""
    target = pair.serve_disk(pair.lab.disk())
    client = pair.client()
    target.control("limit", "set", client.mac, "iops=200")
    target.control("fault", "add", "7.1", "delay=10ms")
    for lba in range(50):
        client.read(lba, 2)
    time.sleep(0.2)  # whatever follows the last request
    threads = len(list(Path(f"/proc/{target.pid}/task").iterdir()))
    seconds, spent, woken = activity_within(target, 2)
    assert spent < 0.005e9 * seconds
    assert woken <= (seconds + 1) * threads


def test_every_process_is_told(lab):
    """Without --socket a limit holds in every process, whichever the initiator comes to."""
    second = Lab()
    lab.undo.callback(second.close)
    targets = [Pair(each).serve_disk(each.disk()) for each in (lab, second)]
    sockets = lab.path / "sockets"
    sockets.mkdir()
    for number, target in enumerate(targets):
        (sockets / f"control-{number}.sock").symlink_to(target.socket)

    def everywhere(*words):
        # Seen by this command only, in the place of the machine's own.
        return lab.run(["unshare", "--mount", "sh", "-c",
                        'mkdir -p /run/stgt-xdp && mount --bind "$0" /run/stgt-xdp && exec "$@"',
                        sockets, PROGRAM, *words])

    everywhere("limit", "set", LIMITED, "iops=5")
    assert [entry["mac"] for target in targets for entry in listed(target, "limit")] == [LIMITED] * 2
    targets[0].control("limit", "clear", LIMITED)
    everywhere("limit", "clear", LIMITED)  # one of them has it
    assert [listed(target, "limit") for target in targets] == [[], []]
    everywhere("fault", "add", "7.1", "drop,lba=1")
    everywhere("fault", "clear")
    assert [listed(target, "fault") for target in targets] == [[], []]


@pytest.mark.parametrize("words,status,says", [
    (["fault", "add", "7.1", "dorp"], 2, "'dorp' is not known"),
    (["fault", "add", "7.1", "error", "drop"], 2, "one of delay=TIME, error and drop"),
    (["fault", "add", "7.1"], 2, "wants the rule"),
    (["fault", "add", "7", "drop"], 1, "7"),
    (["fault", "add", "7.2", "drop"], 1, "7.2"),
    (["fault", "clear", "7.2"], 1, "7.2"),
    (["fault", "spoil"], 2, "spoil"),
    (["limit", "set", LIMITED, "iops=0"], 2, "'iops=0'"),
    (["limit", "set", LIMITED], 2, "wants the limit"),
    (["limit", "set", "ff:ff:ff:ff:ff:ff", "iops=5"], 1, "one station"),
    (["limit", "set", "eth1", "iops=5"], 1, "'eth1'"),
    (["limit", "clear", "any"], 1, "any has no limit"),
    (["limit", "clear", LIMITED], 1, f"{LIMITED} has no limit"),
])
def test_refused(shared, words, status, says):
    done = shared.control(*words, check=False)
    assert done.returncode == status and says in done.stderr, done
    assert done.stderr.count("\n") == 1 and not done.stdout


@pytest.fixture(scope="module")
def shared():
    lab = Lab()
    try:
        pair = Pair(lab)
        yield pair.serve_disk(lab.disk())
    finally:
        lab.close()
