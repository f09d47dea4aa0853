# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The file that all servers serve."""

import os
import subprocess


def flush(path):
    """No server pays for writing back what the one before it wrote."""
    fd = os.open(path, os.O_RDONLY)
    os.fsync(fd)
    os.close(fd)


def make(path, size):
    """Makes it and returns the file system's kind.

    Written in 4 KiB pieces, so that the page cache holds small folios, which is what a disk looks
    like that was filled over the network; one large write would make large folios, and the same
    reads cheaper. On a disk file system, because io_uring cannot read tmpfs without a thread.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    kind = subprocess.run(["findmnt", "-no", "FSTYPE", "-T", path.parent], capture_output=True,
                          text=True, check=True).stdout.strip()
    if kind in ("tmpfs", "ramfs", "overlay"):
        raise SystemExit(f"{path.parent} is on {kind}: the benchmark needs a disk file system, as ext4")
    piece = os.urandom(4096)
    path.unlink(missing_ok=True)
    fd = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    for at in range(0, size, len(piece)):
        os.pwrite(fd, piece, at)
    os.fsync(fd)
    os.close(fd)
    with open(path, "rb") as file:
        while file.read(1 << 20):
            pass
    return kind
