# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""make install and uninstall, and what they install: unit, completions."""

import re

import pytest

from packages import EXTRAS, ROOT, files, make, run

CONFIG = "etc/stgt-xdp/stgt-xdp.yaml"


def test_uninstall_takes_away_what_install_put(tmp_path):
    make("install", f"DESTDIR={tmp_path}")
    installed = files(tmp_path)
    assert {"usr/local/sbin/stgt-xdp", "usr/local/share/man/man8/stgt-xdp.8", CONFIG,
            "usr/local/lib/systemd/system/stgt-xdp.service"} <= installed
    unit = (tmp_path / "usr/local/lib/systemd/system/stgt-xdp.service").read_text()
    assert "ExecStart=/usr/local/sbin/stgt-xdp " in unit and str(tmp_path) not in unit
    make("uninstall", f"DESTDIR={tmp_path}")
    assert files(tmp_path) == set()
    assert [path for path in tmp_path.rglob("*stgt-xdp*")] == []


def test_places_can_be_said_one_by_one(tmp_path):
    places = {name: tmp_path / name.lower() for name in (
        "SBINDIR", "SYSCONFDIR", "DATADIR", "DOCDIR", "MANDIR", "UNITDIR", "SYSUSERSDIR", "TMPFILESDIR",
        "BASHDIR", "ZSHDIR")}
    words = ["PREFIX=/nowhere", *(f"{name}={path}" for name, path in places.items())]
    make("install", *words)
    assert {path.name for path in tmp_path.iterdir()} == {path.name for path in places.values()}
    unit = (places["UNITDIR"] / "stgt-xdp.service").read_text()
    assert f"ExecStart={places['SBINDIR']}/stgt-xdp daemon --config {places['SYSCONFDIR']}/stgt-xdp/" in unit
    assert f"ExecReload={places['SBINDIR']}/stgt-xdp " in unit
    make("uninstall", *words)
    assert files(tmp_path) == set()


@pytest.mark.parametrize("source", EXTRAS)
def test_dashboard_rules_and_example_are_installed(prefix, source):
    assert (prefix / EXTRAS[source]).read_bytes() == (ROOT / source).read_bytes()


def test_every_manual_page_is_installed(tmp_path):
    make("install", f"DESTDIR={tmp_path}", "PREFIX=/usr")
    pages = {path.stem for path in (ROOT / "docs").glob("*.scd")}
    assert {path.name for path in tmp_path.glob("usr/share/man/man?/*")} == pages


def test_the_administrators_configuration_stays(tmp_path):
    make("install", f"DESTDIR={tmp_path}")
    (tmp_path / CONFIG).write_text("interfaces: []\n")
    make("install", f"DESTDIR={tmp_path}")
    make("uninstall", f"DESTDIR={tmp_path}")
    assert files(tmp_path) == {CONFIG}
    assert (tmp_path / CONFIG).read_text() == "interfaces: []\n"


def test_installed_configuration_is_valid(prefix):
    run([prefix / "sbin/stgt-xdp", "config", "check", prefix / CONFIG])


def test_example_in_the_configuration_is_valid(prefix, tmp_path):
    text = (prefix / CONFIG).read_text()
    lines = text[text.index("# disks:"):].splitlines()
    example = "\n".join(line.removeprefix("# ") for line in lines)
    (tmp_path / "example.yaml").write_text(example)
    assert "2 disks" in run([prefix / "sbin/stgt-xdp", "config", "check", tmp_path / "example.yaml"])


def test_unit_is_understood(prefix):
    assert run(["systemd-analyze", "verify", "--man=no",
                prefix / "lib/systemd/system/stgt-xdp.service"]) == ""


def test_unit_is_hardened(prefix):
    said = run(["systemd-analyze", "security", "--offline=yes", "--no-pager",
                prefix / "lib/systemd/system/stgt-xdp.service"])
    assert float(re.search(r"Overall exposure level for \S+: ([\d.]+)", said)[1]) <= 3.0


def test_user_and_directories_are_understood(prefix, tmp_path):
    (tmp_path / "etc").mkdir()
    run(["systemd-sysusers", f"--root={tmp_path}", prefix / "lib/sysusers.d/stgt-xdp.conf"])
    assert re.search(r"^stgt-xdp:x:", (tmp_path / "etc/passwd").read_text(), re.M)
    run(["systemd-tmpfiles", "--create", f"--root={tmp_path}",
         prefix / "lib/tmpfiles.d/stgt-xdp.conf"])
    assert (tmp_path / "var/lib/stgt-xdp").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "run/stgt-xdp").is_dir() and (tmp_path / "sys/fs/bpf/stgt-xdp").is_dir()


BASH = """
source $1/share/bash-completion/completions/stgt-xdp
PATH=$1/sbin:$PATH; shift
COMP_WORDS=(stgt-xdp "$@"); COMP_CWORD=$#
_stgt_xdp; printf '%s\\n' "${COMPREPLY[@]}"
"""
ZSH = """
compadd() { print -l -- $@ }; _files() { print FILES }
PATH=$1/sbin:$PATH; file=$1/share/zsh/site-functions/_stgt-xdp; shift
words=(stgt-xdp "$@"); CURRENT=$#words
complete() { source $file }; complete
"""


@pytest.fixture(params=["bash", "zsh"])
def completed(request, prefix):
    """What the shell offers after these words."""
    script = {"bash": BASH, "zsh": ZSH}[request.param]
    bare = {"bash": "--norc", "zsh": "-f"}[request.param]
    return lambda *words: set(run([request.param, bare, "-c", script, "sh", prefix, *words]).split())


def test_completion_of_commands_and_options(completed):
    assert {"attach"} <= completed("att")
    assert {"--aoe", "--allow", "--xdp", "--state-dir"} <= completed("attach", "--")
    assert {"--json"} <= completed("status", "--")
    assert {"generic"} <= completed("attach", "--xdp", "g")
    assert {"lo"} <= completed("attach", "")
    assert completed("disk", "re") >= {"remove", "resize"}
    assert {"check", "diff", "show"} <= completed("config", "")
    assert {"on", "off"} <= completed("trace", "")
    assert "lo" in completed("capture", "")
    assert "lo" not in completed("capture", "lo", "")
    assert "lo" in completed("export", "add", "7.1", "disk", "--interface", "")
    assert "level" in completed("log", "")


HELP = {
    "attach --xdp": r"--xdp MODE +(.*)",
    "top --view": r"--view VIEW +(.*)",
    "top --sort": r"--sort ORDER +(.*)",
    "log level": r"how much is logged: (.*)",
    "alua set 1": r"a target port group is ((?:.|\n)*?);",
}


@pytest.mark.parametrize("words", HELP)
def test_completion_knows_the_words_that_help_tells(completed, prefix, words):
    told = run([prefix / "sbin/stgt-xdp", words.split()[0], "--help"])
    listed = re.sub(r"\(.*?\)", "", re.search(HELP[words], told)[1])
    assert completed(*words.split(), "") == set(re.findall(r"[a-z/]+", listed)) - {"or"}
