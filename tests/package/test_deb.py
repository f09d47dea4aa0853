# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The Debian package: built, judged, installed in a clean root, started, purged."""

import re
import subprocess

from packages import EXTRAS, NEWER, ROOT, VERSION, build_newer_deb, files, run

CONFIG = "etc/stgt-xdp/stgt-xdp.yaml"
# What package management and the making of users write for themselves.
NOT_OURS = ("proc/", "var/cache/", "var/log/", "var/lib/apt/", "var/lib/dpkg/", "etc/ld.so.cache",
            "etc/.pwd.lock", "etc/passwd", "etc/group", "etc/shadow", "etc/gshadow")


def test_lintian_finds_no_error(deb):
    run(["lintian", "--allow-root", "--fail-on", "error", deb.with_suffix(".changes")])


def test_build_dependencies_are_those_that_bootstrap_installs():
    everywhere = {"gcc", "make", "libc6-dev", "linux-libc-dev"}
    bootstrap = re.search(r'^build="(.*?)"', (ROOT / "scripts/bootstrap").read_text(), re.M | re.S)
    control = (ROOT / "scripts/debian/control").read_text()
    depends = re.search(r"^Build-Depends:(.*?)^$", control, re.M | re.S)[1]
    names = {name.split()[0] for name in depends.split(",") if not name.strip().startswith("d")}
    assert names == set(bootstrap[1].split()) - everywhere


def start_and_end(root):
    """The installed program with the installed configuration, as the unit would start it."""
    child = subprocess.Popen(root.command(["timeout", "--preserve-status", "30", "stgt-xdp", "daemon"]),
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        assert child.stdout.readline().startswith("ready")
        # unshare is its parent, and timeout hands the signal on.
        run(["pkill", "-TERM", "-P", child.pid])
        assert child.wait(20) == 0
    finally:
        child.kill()
        child.wait(10)
        child.stdout.close()


def upgrade(root, deb):
    """With the answer that apt gives when it may not ask."""
    build_newer_deb(deb, root.path / "tmp")
    root.run("dpkg", "--force-confdef", "--force-confold", "-i", "/tmp/newer.deb")
    (root.path / "tmp/newer.deb").unlink()
    assert root.run("dpkg-query", "-W", "-f", "${Version}", "stgt-xdp") == NEWER


def test_installed_started_upgraded_purged(deb, root):
    before = files(root.path)
    root.install(deb)
    assert root.run("stgt-xdp", "--version") == f"stgt-xdp {VERSION}\n"
    assert (root.path / "lib/systemd/system/stgt-xdp.service").exists()
    assert (root.path / "etc/systemd/system/multi-user.target.wants/stgt-xdp.service").is_symlink()
    assert root.run("stat", "-c", "%U %a", "/var/lib/stgt-xdp") == "stgt-xdp 700\n"
    for source, installed in EXTRAS.items():
        assert (root.path / "usr" / installed).read_bytes() == (ROOT / source).read_bytes()
    conffiles = root.run("dpkg-query", "-W", "-f", "${Conffiles}", "stgt-xdp")
    assert f"/{CONFIG}" in conffiles
    start_and_end(root)

    (root.path / CONFIG).write_text("interfaces: []\n")
    upgrade(root, deb)
    assert (root.path / CONFIG).read_text() == "interfaces: []\n"

    for name in ("aoe-7.1.json", "disk.img"):
        (root.path / "var/lib/stgt-xdp" / name).write_text("{}")
    root.run("apt-get", "-qq", "remove", "-y", "stgt-xdp")
    assert (root.path / "var/lib/stgt-xdp/aoe-7.1.json").exists()
    root.run("apt-get", "-qq", "purge", "-y", "--autoremove", "stgt-xdp")
    # It may be years of work.
    assert files(root.path / "var/lib/stgt-xdp") == {"disk.img"}
    left = {path for path in files(root.path) - before if not path.startswith(NOT_OURS)}
    assert left == {"var/lib/stgt-xdp/disk.img"}
    for folder in ("run/stgt-xdp", "sys/fs/bpf/stgt-xdp", "etc/stgt-xdp"):
        assert not (root.path / folder).exists(), folder
