# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The RPM package, as far as a Debian machine can judge it."""

import pytest

from packages import ROOT, VERSION, make, run


@pytest.fixture(scope="module")
def rpm():
    make("rpm", "RPMFLAGS=--nodeps")
    return next((ROOT / "build/packages/rpm/RPMS").glob(f"*/stgt-xdp-{VERSION}-*.rpm"))


def test_has_what_the_other_package_has(rpm):
    listed = set(run(["rpm", "-qpl", rpm]).split())
    assert {"/usr/sbin/stgt-xdp", "/etc/stgt-xdp/stgt-xdp.yaml",
            "/usr/lib/systemd/system/stgt-xdp.service", "/usr/lib/sysusers.d/stgt-xdp.conf",
            "/usr/lib/tmpfiles.d/stgt-xdp.conf"} <= listed
    assert any(name.startswith("/usr/share/man/man8/stgt-xdp.8") for name in listed)
    assert run(["rpm", "-qpc", rpm]) == "/etc/stgt-xdp/stgt-xdp.yaml\n"


def test_spec_has_no_error():
    said = run(["rpmlint", ROOT / "scripts/rpm/stgt-xdp.spec"])
    assert " 0 errors" in said
