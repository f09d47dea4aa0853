# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The RPM package, as far as a Debian machine can judge it: built, and unpacked into an empty root."""

import subprocess

import pytest

from packages import EXTRAS, ROOT, VERSION, files, make, run

CONFIG = "etc/stgt-xdp/stgt-xdp.yaml"


@pytest.fixture(scope="module")
def rpm():
    make("rpm", "RPMFLAGS=--nodeps")
    return next((ROOT / "build/packages/rpm/RPMS").glob(f"*/stgt-xdp-{VERSION}-*.rpm"))


class EmptyRoot:
    """A folder that knows of no package. It has no shell for scripts, and nothing that ours depends on."""

    def __init__(self, path):
        self.path = path

    def rpm(self, *words):
        return run(["rpm", "--root", self.path, "--dbpath", "/var/lib/rpm", *words])

    def change(self, *words):
        self.rpm(*words, "--noscripts", "--nodeps")

    def files(self):
        return {name for name in files(self.path) if not name.startswith("var/lib/rpm/")}


@pytest.fixture
def root(tmp_path, rpm):
    root = EmptyRoot(tmp_path)
    root.change("-i", rpm)
    return root


def test_installs_what_the_other_package_has(root):
    expected = {"usr/sbin/stgt-xdp", CONFIG, "usr/lib/systemd/system/stgt-xdp.service",
                "usr/lib/sysusers.d/stgt-xdp.conf", "usr/lib/tmpfiles.d/stgt-xdp.conf",
                "usr/share/bash-completion/completions/stgt-xdp",
                "usr/share/zsh/site-functions/_stgt-xdp", "usr/share/man/man8/stgt-xdp.8",
                "usr/share/man/man5/stgt-xdp.yaml.5", *(f"usr/{name}" for name in EXTRAS.values())}
    assert expected <= {name.removesuffix(".gz") for name in root.files()}
    for source, installed in EXTRAS.items():
        assert (root.path / "usr" / installed).read_bytes() == (ROOT / source).read_bytes()
    unit = (root.path / "usr/lib/systemd/system/stgt-xdp.service").read_text()
    assert "ExecStart=/usr/sbin/stgt-xdp daemon --config /etc/stgt-xdp/stgt-xdp.yaml\n" in unit
    assert run([root.path / "usr/sbin/stgt-xdp", "--version"]) == f"stgt-xdp {VERSION}\n"


def test_files_are_roots_and_readable(root):
    for name in root.files():
        there = (root.path / name).lstat()
        assert (there.st_uid, there.st_gid) == (0, 0), name
        if not (root.path / name).is_symlink():
            assert there.st_mode & 0o7777 == (0o755 if name == "usr/sbin/stgt-xdp" else 0o644), name


def test_an_upgrade_keeps_the_administrators_configuration(root, rpm):
    (root.path / CONFIG).write_text("interfaces: []\n")
    root.change("-U", "--force", rpm)
    assert (root.path / CONFIG).read_text() == "interfaces: []\n"
    root.change("-e", "stgt-xdp")
    assert root.files() == {f"{CONFIG}.rpmsave"}


def test_nothing_is_left(root):
    root.change("-e", "stgt-xdp")
    assert root.files() == set()
    assert not (root.path / "etc/stgt-xdp").exists() and not (root.path / "usr/share/stgt-xdp").exists()


def test_scripts_are_shell(rpm):
    scripts = run(["rpm", "-qp", "--qf", "%{POSTIN}\n%{PREUN}\n%{POSTUN}\n", rpm])
    assert "systemd-sysusers stgt-xdp.conf" in scripts
    parsed = subprocess.run(["sh", "-n"], input=scripts.replace("(none)", ""), text=True,
                            stderr=subprocess.PIPE)
    assert parsed.returncode == 0, parsed.stderr


def test_spec_has_no_error():
    said = run(["rpmlint", ROOT / "scripts/rpm/stgt-xdp.spec"])
    assert " 0 errors" in said
