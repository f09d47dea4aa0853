# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""`stgt-xdp serve` as iSCSI initiators meet it: libiscsi's tools and its library."""

import os
import re
import signal
import socket
import threading
import time

import pytest

from iscsi import HOST, IQN, Initiator, Serve, Tools, url
from lab import PROGRAM, ROOT, inside, patience, pattern, wait_until
from test_metrics import LISTEN, asked_for, promtool_takes, scrape

OTHER = "iqn.2026-11.org.example:other"
PORTAL = "127.0.0.1:3260"


@pytest.fixture
def netns(lab):
    return lab.netns("iscsi")


@pytest.fixture
def tools(lab, netns):
    return Tools(lab, netns)


@pytest.fixture
def serve(lab, netns):
    def start(*words, **kwargs):
        return Serve(lab, netns, words, **kwargs)

    return start


def one(disk="ram:8M", *words, allow="any", portal=PORTAL):
    return ["--iscsi", IQN, "--portal", portal, "--lun", f"0={disk}", "--allow", allow, *words]


def refusals(target):
    return [line for line in target.output().splitlines() if "may not log in" in line]


# ---- who may ---------------------------------------------------------------------------------


def test_who_is_not_on_the_list_is_refused_and_named(serve, tools):
    target = serve(*one(allow=f"{HOST},iqn.2026-11.org.example:group*"))
    for name in (HOST, "iqn.2026-11.org.example:group7", "iqn.2026-11.org.example:group"):
        assert tools.inquiry(url(), name=name) is None
    for name in (OTHER, HOST + "x", HOST[:-1], "iqn.2026-11.org.example:grou"):
        assert "Authorization failure" in tools.inquiry(url(), name=name)
        assert refusals(target)[-1].endswith(f"({name}) may not log in to {IQN}: "
                                             "it is not on the access list")
    assert len(refusals(target)) == 4
    # Nor does discovery tell of what it may not use.
    assert tools.ls(name=HOST) == [f"Target:{IQN} Portal:{PORTAL},1"]
    assert tools.ls(name=OTHER) == []


def test_names_of_digits_in_either_case(serve, tools):
    """As RFC 7143 writes them: eui.02004567A425678D."""
    name, host = "naa.52004567BA64678D", "eui.02004567A425678D"
    serve("--iscsi", name, "--portal", PORTAL, "--lun", "0=ram:1M", "--allow", host)
    for target in (name, name.lower()):
        for initiator in (host, host.lower()):
            assert tools.inquiry(url(target=target), name=initiator) is None
    assert tools.ls(name=host) == [f"Target:{name} Portal:{PORTAL},1"]


def test_read_only_is_read_only(serve, tools, lab):
    disk = lab.disk()
    serve(*one(disk, allow=f"{HOST}/ro,{OTHER}"))
    reader = Initiator(tools.netns)
    with pytest.raises(AssertionError, match="(?i)protect"):
        reader.write(0, b"\1" * 512)
    reader.close()
    assert disk.read_bytes()[:512] == pattern(0, 1)
    writer = Initiator(tools.netns, name=OTHER)
    writer.write(0, b"\1" * 512)
    writer.close()
    assert disk.read_bytes()[:1024] == b"\1" * 512 + pattern(1, 1)


def test_some_units_for_some(serve, tools):
    serve(*one("ram:1M", "--lun", "1=ram:2M", "--lun", "255=ram:3M", allow=f"{HOST},any/lun=1-7"))
    assert [tools.capacity(url(lun)) >> 20 for lun in (0, 1, 255)] == [1, 2, 3]
    assert tools.inquiry(url(1), name=OTHER) is None
    for lun in (0, 255):
        assert tools.inquiry(url(lun), name=OTHER) is not None

    def listed(name):
        return [int(n) for line in tools.ls(name=name, luns=True)
                for n in re.findall(r"Lun:(\d+)", line)]

    assert listed(HOST) == [0, 1, 255]
    assert listed(OTHER) == [1]


def test_chap(serve, tools, lab):
    secrets = lab.path / "chap"
    secrets.write_text("joe secretsecret1\ndisks othersecret12\n")
    secrets.chmod(0o600)
    target = serve(*one("ram:8M", "--chap", secrets))
    joe, mutual = "joe%secretsecret1@", "?target_user=disks&target_password="
    assert tools.inquiry(url(account=joe)) is None
    assert tools.inquiry(url(account=joe, words=mutual + "othersecret12")) is None
    assert "CHAP_R" in tools.inquiry(url(account=joe, words=mutual + "wrongsecret12"))
    assert refusals(target) == []
    for account, why in (("", "it did not prove who it is, by CHAP, as is asked here"),
                         ("joe%secretsecret2@", "its CHAP secret is wrong"),
                         ("jim%secretsecret1@", "its CHAP name is wrong"),
                         ("joe%secretsecret11@", "its CHAP secret is wrong"),
                         ("jim%secretsecret2@", "its CHAP name and secret are wrong")):
        assert "Authentication failure" in tools.inquiry(url(account=account))
        assert refusals(target)[-1].endswith(f"may not log in to {IQN}: {why}")
    assert len(refusals(target)) == 5
    assert "secretsecret" not in target.output()


def test_mutual_chap_that_is_not_set_up(serve, tools, lab):
    secrets = lab.path / "chap"
    secrets.write_text("joe secretsecret1\n")
    secrets.chmod(0o600)
    target = serve(*one("ram:8M", "--chap", secrets))
    refused = tools.inquiry(url(account="joe%secretsecret1@",
                                words="?target_user=disks&target_password=othersecret12"))
    assert "Authentication failure" in refused
    assert refusals(target)[-1].endswith("it wants proof of who we are (mutual CHAP), for which there "
                                         "is no account here")


def test_names_that_are_none_are_told(serve, tools):
    target = serve(*one())
    assert tools.inquiry(url(), name="mailhost") is not None
    assert refusals(target)[-1].endswith(": its InitiatorName is no iSCSI name (iqn., eui. or naa.)")
    assert tools.inquiry(url(target="disks")) is not None
    assert refusals(target)[-1].endswith(": the TargetName that it asks for is no iSCSI name "
                                         "(iqn., eui. or naa.)")


def test_chap_file_that_is_careless(serve, lab):
    secrets = lab.path / "chap"
    secrets.write_text("joe secretsecret1\ndisks short\n")
    secrets.chmod(0o644)
    output = serve(*one("ram:8M", "--chap", secrets)).output()
    assert f"{secrets}: everybody can read the secrets in it: chmod o= it" in output
    assert f"{secrets}:2: a secret of fewer than 12 characters" in output
    assert f"{secrets}:1:" not in output


def test_disk_of_the_command_line_grows(serve, tools, lab):
    disk = lab.disk(8 << 20)
    target = serve(*one(f"{disk},cache=writethrough"))
    target.control("disk", "resize", f"{disk},cache=writethrough", "16M")
    assert tools.capacity(url()) == disk.stat().st_size == 16 << 20
    refused = target.control("disk", "resize", disk, "32M", check=False)
    assert refused.returncode == 1 and "`stgt-xdp disk list` names those" in refused.stderr, refused


# ---- where -----------------------------------------------------------------------------------


def test_two_targets_on_two_portals(serve, tools):
    serve(*one("ram:1M", "--portal", "127.0.0.2:3261"),
          "--iscsi", OTHER, "--portal", "127.0.0.2:3261", "--lun", "0=ram:2M", "--allow", "any")
    both = [f"Target:{IQN} Portal:{PORTAL},1", f"Target:{IQN} Portal:127.0.0.2:3261,1",
            f"Target:{OTHER} Portal:127.0.0.2:3261,1"]
    assert sorted(tools.ls()) == sorted(both)
    assert sorted(tools.ls("127.0.0.2:3261")) == sorted(both)
    assert tools.capacity(url()) == tools.capacity(url(portal="127.0.0.2:3261")) == 1 << 20
    assert tools.capacity(url(target=OTHER, portal="127.0.0.2:3261")) == 2 << 20


def test_ipv6(serve, tools, lab, netns):
    lab.run(["sysctl", "-qw", "net.ipv6.conf.lo.disable_ipv6=0"], netns)
    serve(*one("ram:1M", portal="[::1]"))
    assert tools.ls("[::1]:3260") == [f"Target:{IQN} Portal:[::1]:3260,1"]
    assert tools.capacity(url(portal="[::1]:3260")) == 1 << 20


def test_wildcard_portals_are_told_of_in_their_family(serve, tools, lab, netns):
    """An address of the other family with this one's port would be nobody's."""
    lab.run(["sysctl", "-qw", "net.ipv6.conf.lo.disable_ipv6=0"], netns)
    serve(*one("ram:1M", "--portal", "[::]:3261", portal="0.0.0.0:3260"),
          "--iscsi", OTHER, "--portal", "[::]:3261", "--lun", "0=ram:2M", "--allow", "any")
    assert tools.ls() == [f"Target:{IQN} Portal:{PORTAL},1"]
    assert sorted(tools.ls("[::1]:3261")) == [f"Target:{IQN} Portal:[::1]:3261,1",
                                              f"Target:{OTHER} Portal:[::1]:3261,1"]
    assert tools.capacity(url(portal="[::1]:3261", target=OTHER)) == 2 << 20


def test_login_after_a_long_silence(serve, tools):
    """Longer than a login may take: that time is the initiator's, not that of before it came."""
    target = serve(*one())
    time.sleep(16)
    for _ in range(os.cpu_count()):  # one comes to each worker
        assert tools.inquiry(url()) is None
    assert "took too long" not in target.output()


def test_port_that_is_taken(lab, netns):
    with inside(netns), socket.create_server(("127.0.0.1", 3260)):
        done = lab.run([PROGRAM, "serve", *one(lab.path / "made.img,size=1M"), "--state-dir",
                        lab.path / "state", "--socket", lab.path / "sock"], netns, check=False)
    assert done.returncode == 1
    assert done.stdout == "" and done.stderr.count("\n") == 1, done
    assert PORTAL in done.stderr and "in use: `ss -ltnp` shows who" in done.stderr
    assert not (lab.path / "made.img").exists()


def test_address_that_is_not_ours(lab, netns):
    done = lab.run([PROGRAM, "serve", *one(portal="192.0.2.99"), "--state-dir", lab.path / "state",
                    "--socket", lab.path / "sock"], netns, check=False)
    assert done.returncode == 1 and done.stderr.count("\n") == 1, done
    assert "192.0.2.99:3260" in done.stderr and "`ip address` lists" in done.stderr


def test_disks_that_hosts_would_take_for_one(lab, netns):
    twin = "ram:1M,wwn=5000c50000000001"
    done = lab.run([PROGRAM, "serve", *one(twin), "--lun", f"1={twin},serial=B", "--state-dir",
                    lab.path / "state", "--socket", lab.path / "sock"], netns, check=False)
    assert done.returncode == 1 and done.stderr.count("\n") == 1, done
    assert f"LUN 1: disk '{twin},serial=B' has the WWN of disk '{twin}'" in done.stderr


def test_wrong_usage(lab):
    done = lab.run([PROGRAM, "serve", "--iscsi", "disks"], check=False)
    assert done.returncode == 2 and "disks" in done.stderr and done.stdout == ""


def test_sessions_of_nobody(lab):
    done = lab.run([PROGRAM, "sessions", "--socket", lab.path / "none"], check=False)
    assert done.returncode == 1 and done.stderr.startswith("stgt-xdp sessions: cannot reach"), done


# ---- what it says ----------------------------------------------------------------------------


def sessions(target):
    return target.json("status")["sessions"]


def test_status_shows_targets_and_sessions(serve, tools, netns):
    target = serve(*one("ram:8M", "--lun", "3=ram:1M", allow=f"{HOST}/lun=0-3,any/ro"))
    text = target.control("status").stdout
    assert f"{HOST}/lun=0-3,any/ro" in text and "0=ram:8M,3=ram:1M" in text and PORTAL in text
    assert "sessions" not in text
    shown, = target.json("status")["iscsi"]
    assert shown["acl"] == [{"initiator": HOST, "luns": [[0, 3]], "read_only": []},
                            {"initiator": "*", "luns": [[0, 255]], "read_only": [[0, 255]]}]
    assert [(unit["lun"], unit["read_only"]) for unit in shown["luns"]] == [(0, False), (3, False)]
    initiator = Initiator(netns)
    initiator.write(8, bytes(4096))
    (session,) = sessions(target)
    assert session["initiator"] == HOST and session["target"] == IQN
    assert session["peer"].startswith("127.0.0.1:") and session["connections"] == 1
    assert session["writes"] == 1 and session["write_bytes"] == 4096
    assert re.search(rf"^ +{session['tsih']} +{HOST} +{IQN} ", target.control("status").stdout, re.M)
    initiator.close()
    wait_until(lambda: not sessions(target), 5, "the session to be gone")


def test_metrics(serve, tools, netns):
    target = serve(*one("ram:8M", "--lun", "3=ram:1M", allow=f"{HOST},{OTHER}/ro"),
                   options=["--exporter", LISTEN])
    assert "Authorization" in tools.inquiry(url(), name="iqn.2026-11.org.example:nobody")
    reader, writer = Initiator(netns, name=OTHER), Initiator(netns)
    for lba in range(3):
        writer.write(lba, bytes(512))
    with pytest.raises(AssertionError):
        reader.write(0, bytes(512))
    text = scrape(netns).text
    promtool_takes(text)
    seen = scrape(netns)
    for name, commands in ((HOST, 3), (OTHER, 1)):
        (session,) = [s for s in sessions(target) if s["initiator"] == name]
        labels = {"target": IQN, "initiator": name, "tsih": str(session["tsih"])}
        assert seen.value("stgt_iscsi_session_commands_total", **labels) >= commands
        assert seen.value("stgt_iscsi_session_write_bytes_total", **labels) == (512 * 3 if name == HOST else 0)
        assert seen.value("stgt_iscsi_session_inflight", **labels) == 0
    assert seen.value("stgt_iscsi_session_errors_total", initiator=OTHER) >= 1
    assert seen.value("stgt_iscsi_sessions", target=IQN) == 2
    assert seen.value("stgt_iscsi_lun_info", target=IQN, lun="3", disk="ram:1M") == 1
    assert seen.value("stgt_iscsi_logins_denied_total") == 1
    assert seen.value("stgt_iscsi_logins_total") == 2
    assert seen.value("stgt_iscsi_bytes_total", direction="write") == 512 * 3
    assert seen.value("stgt_iscsi_commands_total", status="check_condition") >= 1
    assert seen.value("stgt_iscsi_commands_total", status="good") > 3
    assert seen.value("stgt_iscsi_task_management_total") == 0
    unit = {"target": IQN, "lun": "0"}
    assert seen.value("stgt_iscsi_request_duration_seconds_count", operation="write", **unit) == 4
    assert seen.value("stgt_iscsi_request_bytes_total", operation="write", **unit) == 3 * 512
    assert seen.value("stgt_iscsi_request_errors_total", operation="write", **unit) == 1
    assert seen.value("stgt_iscsi_unit_attentions_total", **unit) == 2
    assert seen.value("stgt_iscsi_reservation_conflicts_total", **unit) == 0
    assert 5 < len(asked_for(iscsi=True)) and asked_for(iscsi=True) <= seen.names()
    top = target.control("top", "--once", "--view", "pairs").stdout
    assert re.search(rf"{IQN}/0 +{HOST} +iscsi", top) and re.search(rf"{IQN}/0 +{OTHER}", top), top
    manual = (ROOT / "docs/stgt-xdp.8.scd").read_text()
    named = set(re.findall(r"\*(stgt_iscsi_\w+)\*", manual))
    assert named == {name for name in seen.names() if name.startswith("stgt_iscsi_")}
    assert re.search(r"^iscsi.write_bytes +1536$", target.control("stats").stdout, re.M)
    before = seen.value("stgt_iscsi_commands_total")
    writer.close()
    reader.close()
    wait_until(lambda: scrape(netns).value("stgt_iscsi_sessions") == 0, 5, "the end of the sessions")
    seen = scrape(netns)
    assert seen.value("stgt_iscsi_commands_total") >= before
    # What sessions did that are gone is not forgotten.
    assert seen.value("stgt_iscsi_request_duration_seconds_count", operation="write", **unit) == 4
    assert seen.value("stgt_iscsi_unit_attentions_total", **unit) == 2


# ---- how it ends -----------------------------------------------------------------------------


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_at_once_under_load(serve, tools, how):
    target = serve(*one("ram:64M"))
    tools.load(url())
    wait_until(lambda: any(s["reads"] > 100 for s in sessions(target)), 10, "reads")
    assert target.stop(how, seconds=5) == 0
    # And lets its port go.
    target.start()
    assert tools.inquiry(url()) is None


def test_what_was_acknowledged_outlives_a_kill(serve, lab, netns):
    disk = lab.disk(fill=False)
    target = serve(*one(disk))
    initiator = Initiator(netns)
    blocks = 16384  # the whole disk: more than are written before somebody looks
    acknowledged = []

    def write():
        with inside(netns):
            for lba in range(blocks):
                initiator.write(lba, pattern(lba, 1))
                acknowledged.append(lba)

    writer = threading.Thread(target=write, daemon=True)
    writer.start()
    wait_until(lambda: len(acknowledged) > 100, 20, "writes")
    target.kill()
    before = len(acknowledged)
    assert before < blocks
    assert disk.read_bytes()[:before * 512] == pattern(0, before)
    target.start()
    writer.join(patience(60))
    assert len(acknowledged) == blocks
    assert [s["initiator"] for s in sessions(target)] == [HOST]
    initiator.close()
    assert disk.read_bytes()[:blocks * 512] == pattern(0, blocks)


# ---- the disks -------------------------------------------------------------------------------


def test_disk_options(serve, tools):
    serve(*one("ram:8M,removable", "--lun", "1=ram:8M,logical_block_size=4096",
               "--lun", "2=ram:8M,thin=off"))
    assert "Removable:1" in tools.run("iscsi-inq", url(0)).stdout
    assert "Removable:0" in tools.run("iscsi-inq", url(1)).stdout

    def capacity(lun):
        return tools.run("iscsi-readcapacity16", url(lun)).stdout

    assert "LENGTH IN BYTES:4096" in capacity(1) and "LBPME:1" in capacity(1)
    assert "LENGTH IN BYTES:512" in capacity(2) and "LBPME:0" in capacity(2)


@pytest.mark.parametrize("family", ["Inquiry", "ReadCapacity16", "Read10", "Write10", "iSCSIcmdsn"])
def test_suite(serve, tools, family):
    serve(*one("ram:64M"))
    done = tools.lab.run(["timeout", "100", "iscsi-test-cu", "-d", "-t", f"ALL.{family}", url()],
                         tools.netns, check=False, timeout=110)
    summary = re.search(r"^ +tests +(\d+) +(\d+) +(\d+) +(\d+)", done.stdout, re.M)
    assert summary and int(summary[2]) > 0 and int(summary[4]) == 0, done.stdout
