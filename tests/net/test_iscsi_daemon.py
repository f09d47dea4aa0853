# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""iSCSI targets of a daemon: what its file says, and changes while initiators are at work."""

import json
import re
import socket

import pytest

from daemon import Daemon
from iscsi import HOST, IQN, Initiator, Tools, url
from lab import inside, pattern, wait_until
from scsi import Scsi

OTHER = "iqn.2026-11.org.example:other"
SECOND = "127.0.0.1:3261"
MODE_PARAMETERS_CHANGED = bytes([0x2a, 0x01])


@pytest.fixture
def netns(lab):
    return lab.netns("iscsi")


@pytest.fixture
def tools(lab, netns):
    return Tools(lab, netns)


@pytest.fixture
def config(lab):
    return {"disks": [{"name": "vol0", "file": str(lab.disk())}, {"name": "vol1", "ram": "2MiB"}],
            "iscsi": [{"name": IQN, "allow": ["any"], "luns": [{"lun": 0, "disk": "vol0"}]}]}


@pytest.fixture
def daemon(lab, netns, config):
    return Daemon(lab, netns, config)


def reload(daemon, config):
    daemon.configure(config)
    return daemon.control("reload")


def reload_fails(daemon, config):
    daemon.configure(config)
    done = daemon.control("reload", check=False)
    assert done.returncode == 1, done
    return done.stderr


def sessions(daemon):
    return {s["tsih"]: s["initiator"] for s in daemon.json("status")["sessions"]}


@pytest.fixture
def initiator(daemon, netns):
    initiator = Initiator(netns)
    yield initiator
    initiator.close()


def test_what_is_shown_is_what_runs(daemon, config, tools):
    assert tools.capacity(url()) == 8 << 20
    daemon.configure(daemon.shown())
    assert daemon.diff() == []
    config["iscsi"][0].update(alias="disks", portals=[SECOND], allow=[f"{HOST}/lun=0-1", "any/ro"])
    config["iscsi"][0]["luns"].append({"lun": 1, "disk": "vol1", "ro": True})
    config["iscsi"][0]["chap"] = {"user": "joe", "secret": "secretsecret1"}
    config["discovery_chap"] = {"user": "jim", "secret": "secretsecret2"}
    reload(daemon, config)
    daemon.configure(daemon.shown())
    assert daemon.diff() == []
    assert tools.capacity(url(1, portal=SECOND, account="joe%secretsecret1@")) == 2 << 20
    assert "secretsecret" not in daemon.output()


def test_another_soft_threshold_disturbs_nobody(daemon, config, initiator, netns):
    with inside(netns):
        host = Scsi(socket.create_connection(("127.0.0.1", 3260)))
    host.login(target=IQN)

    def told():
        """The additional sense code that TEST UNIT READY ends with, or nothing."""
        host.run(bytes(6))
        return host.sense[12:14]

    def threshold():
        return next(disk["space"]["threshold_bytes"] for disk in daemon.json("status")["disks"]
                    if "space" in disk)

    wait_until(lambda: not told(), 10, "the unit attentions of a new session")
    there, usual = sessions(daemon), threshold()
    config["disks"][0]["soft_threshold"] = "1%"
    daemon.configure(config)
    assert daemon.diff() == ["disk vol0: soft_threshold 1%"]
    daemon.control("reload")
    assert sessions(daemon) == there and threshold() > 9 * usual
    assert "soft_threshold: 1%" in daemon.shown()
    assert told() == MODE_PARAMETERS_CHANGED
    config["disks"][0]["soft_threshold"] = "off"
    reload(daemon, config)
    assert sessions(daemon) == there and threshold() == 0
    initiator.write(0, bytes(512))
    host.close()


def test_units_come_and_go_under_a_session(daemon, config, initiator, tools):
    before = sessions(daemon)
    config["iscsi"][0]["luns"].append({"lun": 7, "disk": "vol1"})
    reload(daemon, config)
    assert tools.capacity(url(7)) == 2 << 20
    config["iscsi"][0]["luns"][1]["ro"] = True
    daemon.configure(config)
    assert daemon.diff() == [f"target {IQN}: remove LUN 7", f"target {IQN}: add LUN 7 vol1 ro"]
    daemon.control("reload")
    del config["iscsi"][0]["luns"][1]
    reload(daemon, config)
    assert tools.inquiry(url(7)) is not None
    initiator.write(0, pattern(0, 1, salt=1))
    assert sessions(daemon) == before
    # The disk is free again.
    del config["disks"][1]
    reload(daemon, config)


def test_sessions_that_may_something_else_end(daemon, config, netns, initiator):
    other = Initiator(netns, name=OTHER)
    before = sessions(daemon)
    assert sorted(before.values()) == [HOST, OTHER]
    config["iscsi"][0]["allow"] = [HOST, "any"]
    reload(daemon, config)
    assert sessions(daemon) == before
    config["iscsi"][0]["allow"] = [HOST]
    reload(daemon, config)
    wait_until(lambda: list(sessions(daemon).values()) == [HOST], 5, "one session")
    assert set(sessions(daemon)) < set(before)
    other.close()


def test_portals_come_and_go(daemon, config, tools, initiator):
    before = sessions(daemon)
    config["iscsi"][0]["portals"] = ["127.0.0.1", SECOND]
    reload(daemon, config)
    assert tools.capacity(url(portal=SECOND)) == 8 << 20
    assert len(tools.ls()) == 2
    config["iscsi"][0]["portals"] = [SECOND]
    reload(daemon, config)
    assert tools.inquiry(url()) is not None
    assert tools.ls(SECOND) == [f"Target:{IQN} Portal:{SECOND},1"]
    assert sessions(daemon) == before


THIRD = "127.0.0.1:3262"


@pytest.mark.parametrize("before, after", [
    (([SECOND, f"{THIRD},2"], [SECOND, f"{THIRD},2"]), ([f"{SECOND},2", THIRD], [f"{SECOND},2", THIRD])),
    (([f"{THIRD},2"], [SECOND, "127.0.0.1:3260"]),
     ([f"{THIRD},2", f"{SECOND},2"], ["127.0.0.1:3260"])),
    (([SECOND, THIRD], None), ([THIRD], ["0.0.0.0:3261"])),
], ids=["groups of all", "to a target before it", "to a new target"])
def test_portal_that_one_target_gives_up_and_another_gets(daemon, config, tools, before, after):
    def give(*portals):
        config["iscsi"] = [{"name": name, "allow": ["any"], "portals": listed,
                            "luns": [{"lun": 0, "disk": "vol0"}]}
                           for name, listed in zip((IQN, OTHER), portals) if listed]
        reload(daemon, config)
        assert daemon.diff() == []

    give(*before)
    give(*after)
    for name, portals in zip((IQN, OTHER), after):
        for portal in portals:
            address, _, group = portal.replace("0.0.0.0", "127.0.0.1").partition(",")
            assert f"Target:{name} Portal:{address},{group or 1}" in tools.ls(address)


LATE = ("192.0.2.78", "2001:db8::78")


def test_portal_whose_address_comes_late(lab, netns, config, tools):
    """At a boot interfaces get their addresses when they do; a change may not name one that is nobody's."""
    lab.run(["sysctl", "-qw", "net.ipv6.conf.lo.disable_ipv6=0"], netns)
    config["iscsi"][0]["portals"] = [LATE[0], f"[{LATE[1]}]", "127.0.0.1"]
    daemon = Daemon(lab, netns, config)
    assert tools.capacity(url()) == 8 << 20
    for portal in (f"{LATE[0]}:3260", f"[{LATE[1]}]:3260"):
        assert f"{portal}: no interface has this address yet" in daemon.output()
        assert tools.inquiry(url(portal=portal)) is not None
    lab.ip(netns, f"addr add {LATE[0]}/32 dev lo")
    lab.ip(netns, f"addr add {LATE[1]}/128 dev lo nodad")
    assert tools.capacity(url(portal=f"{LATE[0]}:3260")) == 8 << 20
    assert tools.capacity(url(portal=f"[{LATE[1]}]:3260")) == 8 << 20
    lab.ip(netns, f"addr del {LATE[0]}/32 dev lo")
    shown = daemon.shown()
    config["iscsi"][0]["portals"] = ["127.0.0.1", "192.0.2.77"]
    assert "192.0.2.77" in reload_fails(daemon, config)
    assert daemon.shown() == shown
    lab.ip(netns, f"addr add {LATE[0]}/32 dev lo")
    assert tools.capacity(url(portal=f"{LATE[0]}:3260")) == 8 << 20


def test_change_that_fails_is_undone(daemon, config, tools, initiator, lab):
    before, shown = sessions(daemon), daemon.shown()
    target = config["iscsi"][0]
    target["luns"].append({"lun": 1, "disk": "vol1"})
    target["allow"] = [f"{HOST}/ro"]
    target["portals"] = ["192.0.2.77"]  # of nobody here
    config["iscsi"].append({"name": OTHER, "allow": ["any"], "luns": [{"lun": 0, "disk": "vol1"}]})
    assert "192.0.2.77" in reload_fails(daemon, config)
    assert daemon.shown() == shown
    assert sessions(daemon) == before
    initiator.write(0, pattern(0, 1, salt=2))
    assert tools.inquiry(url()) is None and tools.inquiry(url(1)) is not None
    assert tools.inquiry(url(target=OTHER)) is not None


def test_discovery_wants_a_secret(daemon, config, tools):
    config["discovery_chap"] = {"user": "jim", "secret": "secretsecret2"}
    reload(daemon, config)
    refused = tools.run("iscsi-ls", "iscsi://127.0.0.1:3260", check=False)
    assert "Authentication failure" in refused.stderr
    assert IQN in tools.run("iscsi-ls", "iscsi://jim%secretsecret2@127.0.0.1:3260").stdout
    assert tools.inquiry(url()) is None
    del config["discovery_chap"]
    reload(daemon, config)
    assert tools.ls()


def test_secret_in_a_file(daemon, config, tools, lab):
    secret = lab.path / "secret"
    secret.write_text("secretsecret1\n")
    secret.chmod(0o600)
    config["iscsi"][0]["chap"] = {"user": "joe", "secret_file": str(secret)}
    reload(daemon, config)
    assert tools.inquiry(url(account="joe%secretsecret1@")) is None
    assert "chmod" not in daemon.output()
    assert daemon.diff() == [] and "secretsecret" not in daemon.shown()
    # Another one in the file is a change; one that everybody can read is warned of.
    secret.write_text("secretsecret2\n")
    secret.chmod(0o644)
    daemon.control("reload")
    assert f"{secret}: everybody can read the secret" in daemon.output()
    assert tools.inquiry(url(account="joe%secretsecret1@")) is not None
    assert tools.inquiry(url(account="joe%secretsecret2@")) is None
    secret.unlink()
    assert re.search(rf":1: iscsi\[0\].chap.secret_file: {secret}: No such file",
                     reload_fails(daemon, config))
    assert tools.inquiry(url(account="joe%secretsecret2@")) is None


def test_file_with_a_secret_that_everybody_can_read(daemon, config):
    config["iscsi"][0]["chap"] = {"user": "joe", "secret": "secretsecret1"}
    daemon.configure(config)
    daemon.file.chmod(0o640)
    daemon.control("reload")
    assert "chmod" not in daemon.output()
    daemon.file.chmod(0o644)
    daemon.control("reload")
    assert f"{daemon.file}: everybody can read the secrets in it" in daemon.output()


def test_secret_that_is_too_short(daemon, config, lab):
    """Taken, and warned of with its line, wherever it stands."""
    short = "fewer than 12 characters"
    config["iscsi"][0]["chap"] = {"user": "joe", "secret": "elevenchars"}
    reload(daemon, config)
    assert re.search(rf":1: iscsi\[0\].chap.secret: .*{short}", daemon.output())
    assert "elevenchars" not in daemon.output()
    secret = lab.path / "secret"
    secret.write_text("short\n")
    secret.chmod(0o600)
    config["discovery_chap"] = {"user": "jim", "secret_file": str(secret)}
    config["iscsi"][0]["chap"] = {"user": "joe", "secret": "twelve chars"}
    daemon.configure(config)
    before = len(daemon.output())
    daemon.control("reload")
    assert daemon.output()[before:].count(short) == 1
    assert f":1: discovery_chap.secret_file: a secret of {short}" in daemon.output()


def test_secrets_that_are_the_same_in_two_files(daemon, config, lab):
    """As where they stand in the configuration itself (RFC 7143 9.2.1)."""
    files = [lab.path / "theirs", lab.path / "ours"]
    for file in files:
        file.write_text("secretsecret1\n")
        file.chmod(0o600)
    config["iscsi"][0]["chap"] = {"user": "joe", "secret_file": str(files[0]),
                                  "mutual": {"user": "disks", "secret_file": str(files[1])}}
    daemon.configure(config)
    assert "iscsi[0].chap.mutual.secret_file: it must be another than" in refused(daemon, "reload")
    files[1].write_text("othersecret12\n")
    daemon.control("reload")


def test_secret_that_changes_is_for_new_logins(daemon, config, netns, initiator, tools):
    before = sessions(daemon)
    config["iscsi"][0]["chap"] = {"user": "joe", "secret": "secretsecret1"}
    reload(daemon, config)
    initiator.write(0, pattern(0, 1, salt=3))
    assert sessions(daemon) == before
    assert tools.inquiry(url()) is not None
    assert tools.inquiry(url(account="joe%secretsecret1@")) is None


def test_target_with_another_alias_is_another(daemon, config, initiator, netns):
    (before,) = sessions(daemon)
    config["iscsi"][0]["alias"] = "disks"
    reload(daemon, config)
    with inside(netns):  # it is asked to log out, and comes back
        wait_until(lambda: before not in sessions(daemon), 10, "the old session's end")
        initiator.write(0, pattern(0, 1, salt=4))
    assert before not in sessions(daemon)


# ---- by hand -----------------------------------------------------------------------------------


def refused(daemon, *words, status=1):
    done = daemon.control(*words, check=False)
    assert done.returncode == status and done.stdout == "" and done.stderr.count("\n") == 1, done
    return done.stderr


def told(initiator, words):
    """The next write is answered with a unit attention instead of being done; the one after is done."""
    assert not initiator.try_write(0, pattern(0, 1)) and "UNIT_ATTENTION" in initiator.error()
    assert words in initiator.error(), initiator.error()
    return initiator.try_write(0, pattern(0, 1))


def test_targets_are_listed_with_the_exports(daemon):
    table = daemon.control("export", "list").stdout
    assert re.search(rf"^iscsi\n  TARGET .*\n  {IQN} .* 0=", table, re.M), table
    listed = json.loads(daemon.control("export", "list", "--json").stdout)
    assert [target["name"] for target in listed["iscsi"]] == [IQN]


def test_access_changes_at_once(daemon, initiator, netns):
    """For who is named, whoever else is let in; and for those with a session, too."""
    def acl():
        return daemon.json("status")["iscsi"][0]["allow"]

    initiator.write(0, pattern(0, 1, salt=1))
    daemon.control("acl", "allow", IQN, f"{HOST}/ro,iqn.2026-11.org.example:*/lun=1,{OTHER}")
    assert acl() == [f"{HOST}/ro", OTHER, "iqn.2026-11.org.example:*/lun=1", "any"]
    assert f"{HOST}/ro" in daemon.control("acl", "list").stdout
    with inside(netns):  # it connects again
        wait_until(lambda: not initiator.try_write(0, pattern(0, 1)) and "PROTECT" in initiator.error(), 10,
                   "a read-only unit")
    assert "by iqn.2026-11.org.example:*" in refused(daemon, "acl", "deny", IQN, f"{OTHER},{HOST}")
    assert len(acl()) == 4
    daemon.control("acl", "allow", IQN, HOST)
    with inside(netns):
        wait_until(lambda: initiator.try_write(0, pattern(0, 1, salt=2)), 10, "a unit that can be written")
    daemon.control("acl", "deny", IQN, "any,iqn.2026-11.org.example:*")
    assert acl() == [OTHER, HOST]
    daemon.control("acl", "deny", IQN, HOST)
    wait_until(lambda: not sessions(daemon), 10, "no session")
    with pytest.raises(AssertionError, match="(?i)auth|login"):
        Initiator(netns)
    assert "nobody would be left" in refused(daemon, "acl", "deny", IQN, OTHER)
    assert "no target iqn.2026-11.org.example:none" in refused(
        daemon, "acl", "deny", "iqn.2026-11.org.example:none", "any")
    daemon.configure(daemon.shown())
    assert daemon.diff() == [] and acl() == [OTHER]


@pytest.mark.parametrize("words", [("export", "disable", IQN), ("fault", "add", IQN, "drop"),
                                   ("fault", "clear", IQN)])
def test_what_is_for_aoe_alone_says_so(daemon, words):
    assert f"{IQN} is an iSCSI target" in refused(daemon, *words)


def test_unit_added_resized_and_removed(daemon, initiator, tools, lab):
    before = sessions(daemon)
    daemon.control("export", "iscsi", IQN, "3", "vol1", "--ro")
    assert tools.capacity(url(3)) == 2 << 20
    assert "LUN 3" in refused(daemon, "export", "iscsi", IQN, "3", "vol0")
    assert "nodisk" in refused(daemon, "export", "iscsi", IQN, "4", "nodisk")
    assert "'lun'" in refused(daemon, "export", "iscsi", IQN, "256", "vol1")
    assert "LUN 0 of" in refused(daemon, "disk", "remove", "vol0")
    assert "LUN 3 of" in refused(daemon, "disk", "remove", "vol1")
    assert told(initiator, "0x3f0e")  # REPORTED LUNS DATA HAS CHANGED
    daemon.control("disk", "resize", "vol0", "16M")
    assert told(initiator, "0x2a09")  # CAPACITY DATA HAS CHANGED
    assert tools.capacity(url(0)) == 16 << 20
    daemon.control("export", "remove", IQN, "3")
    assert tools.inquiry(url(3)) is not None
    assert "no LUNs" in refused(daemon, "export", "remove", "7.1", "3")
    assert "no LUN 3" in refused(daemon, "export", "remove", IQN, "3")
    daemon.control("disk", "remove", "vol1")
    assert sessions(daemon) == before
    # What was done by hand goes with the next reload.
    daemon.control("disk", "add", "vol1", "ram:2M")
    daemon.control("export", "iscsi", IQN, "5", "vol1")
    assert daemon.diff() == [f"target {IQN}: remove LUN 5"]


def test_target_made_and_removed(daemon, tools):
    assert "'allow'" in refused(daemon, "export", "iscsi", OTHER, "0", "vol1")
    assert "disks" in refused(daemon, "export", "iscsi", "disks", "0", "vol1", "--allow", "any")
    daemon.control("export", "iscsi", OTHER, "0", "vol1", "--allow", f"{HOST}/ro", "--portal", SECOND)
    assert tools.capacity(url(target=OTHER, portal=SECOND)) == 2 << 20
    assert tools.inquiry(url(target=OTHER, portal=SECOND), name=OTHER) is not None
    daemon.control("export", "remove", OTHER)
    assert tools.inquiry(url(target=OTHER, portal=SECOND)) is not None
    assert "no target" in refused(daemon, "export", "remove", OTHER)
    assert daemon.diff() == []


def test_session_is_closed_and_comes_back(daemon, initiator, netns):
    (tsih,) = sessions(daemon)
    assert daemon.control("sessions").stdout.splitlines()[2].split()[:3] == [str(tsih), HOST, IQN]
    assert daemon.json("sessions")["sessions"][0]["tsih"] == tsih
    daemon.control("session", "close", str(tsih))
    wait_until(lambda: not sessions(daemon), 5, "no session")
    assert f"session {tsih}: ended by an administrator" in daemon.output()
    assert f"no session {tsih}" in refused(daemon, "session", "close", str(tsih))
    with inside(netns):  # it connects again
        initiator.write(0, pattern(0, 1, salt=1))
    (again,) = sessions(daemon)
    assert again != tsih
