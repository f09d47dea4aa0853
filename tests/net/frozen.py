# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A disk that hangs when it is told to."""

import subprocess


class Frozen:
    """A disk on a file system that can be frozen: then its writes end only after the thaw."""

    def __init__(self, lab, size=1 << 20):
        self.lab = lab
        self.where = lab.path / "frozen"
        self.where.mkdir()
        lab.run(["mkfs.ext4", "-q", lab.disk(size + (15 << 20), "frozen.img", fill=False)])
        lab.run(["mount", "-o", "loop", lab.path / "frozen.img", self.where])
        lab.undo.callback(subprocess.run, ["umount", "-l", str(self.where)])
        self.disk = self.where / "cold.img"
        self.disk.write_bytes(bytes(size))

    def freeze(self):
        self.lab.run(["fsfreeze", "-f", self.where])
        self.lab.undo.callback(subprocess.run, ["fsfreeze", "-u", str(self.where)], stderr=subprocess.DEVNULL)

    def thaw(self):
        self.lab.run(["fsfreeze", "-u", self.where])
