# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Fixtures: the project installed into a folder, its package, a clean Debian."""

import shutil
import signal
import tempfile
from pathlib import Path

import pytest

from packages import CleanRoot, build_deb, make


def pytest_sessionstart():
    """An end by SIGTERM (a time limit's) clears away as Ctrl-C does."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)


@pytest.fixture(scope="session")
def prefix(tmp_path_factory):
    """Installed for real below a folder: the unit's paths are there."""
    folder = tmp_path_factory.mktemp("installed")
    make("install", f"PREFIX={folder}", f"SYSCONFDIR={folder}/etc")
    return folder


@pytest.fixture(scope="session")
def deb():
    return build_deb()


@pytest.fixture(scope="module")
def root():
    # Not in /tmp, which may be memory.
    folder = Path(tempfile.mkdtemp(prefix="stgt-root-", dir="/var/tmp"))
    try:
        yield CleanRoot(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
