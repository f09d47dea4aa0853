# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What a disk holds after a power cut, and what it must hold.

dm-log-writes notes each write when it is durable: one that asked for it when it ends, any other when a flush
that began after its end does. So the device after a cut at some point of the log, with all that lost which
could be lost, is what the log up to there says.

One thing the log gets wrong: a write that is not durable yet and then a durable one to the same place stand
in it in the wrong order. Whoever uses it flushes between the two.
"""

import hashlib
import os
import struct
from collections import namedtuple
from dataclasses import dataclass

SECTOR = 512
SECTORS = 8192  # of a served disk

# A disk that is served: its LUN and slot, the log of the device that it is on, how the configuration names it,
# and the files in the file system there of its content and of its key.
Disk = namedtuple("Disk", "name lun log words file key", defaults=(None, None))
FOLDER = "/mnt/fs"
DISKS = (
    Disk("raw", 0, "raw", {"block": "/dev/mapper/raw"}),
    Disk("buffered", 1, "fs", {"file": f"{FOLDER}/buffered", "size": "4MiB"}, "/buffered"),
    Disk("direct", 2, "fs", {"file": f"{FOLDER}/direct", "size": "4MiB", "direct": "on"}, "/direct"),
    Disk("encrypted", 3, "fs", {"file": f"{FOLDER}/encrypted", "size": "4MiB",
                                "key_file": f"{FOLDER}/encrypted.key"}, "/encrypted", "/encrypted.key"),
)


def digest(data):
    return hashlib.blake2b(data, digest_size=8).hexdigest()


def digests(data):
    """Of each sector."""
    return [digest(data[at:at + SECTOR]) for at in range(0, len(data), SECTOR)]


class Content:
    """A disk's sectors as they were at some point; `decrypt` makes what they mean of what they are."""

    def __init__(self, data, decrypt=None):
        self.data, self.decrypt = data, decrypt
        self.known = {}

    def digest(self, lba):
        if lba not in self.known:
            data = self.data[lba * SECTOR:(lba + 1) * SECTOR]
            self.known[lba] = digest(self.decrypt(lba, data) if self.decrypt else data)
        return self.known[lba]


class Ledger:
    """What a disk was promised to keep: what is durable, and what may have replaced it since."""

    def __init__(self):
        self.durable, self.written = {}, {}

    def note(self, step):
        """Takes a step of the story as answered."""
        if step.get("erased"):
            self.durable.clear()
            self.written.clear()
        if step["flush"]:
            for lba, versions in self.written.items():
                self.durable[lba] = versions[-1]
            self.written.clear()
        for lba, version in enumerate(step["digests"], step["lba"]):
            if step["durable"]:
                self.durable[lba] = version
                self.written.pop(lba, None)
            else:
                self.written.setdefault(lba, []).append(version)

    def forget(self, lbas):
        for lba in lbas:
            del self.durable[lba]

    def lost(self, content, pending=None):
        """The sectors that hold neither what they must nor what was written later, `pending` included."""
        coming = dict(enumerate(pending["digests"], pending["lba"])) if pending else {}
        return [lba for lba, version in self.durable.items()
                if content.digest(lba) not in (version, coming.get(lba),
                                               *self.written.get(lba, ()))]


# ---- the log -------------------------------------------------------------------------------------

MAGIC, VERSION = 0x6a736677736872, 1
DISCARD, MARK = 1 << 2, 1 << 3
UNDEFINED = b"\xdd"  # what is read where something was discarded


@dataclass
class Entry:
    at: int  # bytes from the beginning of the device
    length: int  # bytes of the device; a flush has none
    source: int  # where the data is in the log; None: there is none
    mark: str  # None: it is none


class Log:
    """What dm-log-writes left on its log device."""

    def __init__(self, path):
        self.file = open(path, "rb")
        magic, version, count, size = struct.unpack("<QQQI", self.file.read(28))
        assert (magic, version) == (MAGIC, VERSION), "no log of dm-log-writes"
        self.entries = []
        place = size
        for _ in range(count):
            self.file.seek(place)
            sector, sectors, flags, extra = struct.unpack("<QQQQ", self.file.read(32))
            mark = self.file.read(extra).decode() if flags & MARK else None
            source = None if flags & (DISCARD | MARK) else place + size
            self.entries.append(Entry(sector * size, sectors * size, source, mark))
            place += size + (0 if source is None else sectors * size)

    def replay(self, path):
        """Yields each entry once it is in the file at `path`, which is the device."""
        fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            for entry in self.entries:
                if entry.source is not None:
                    os.pwrite(fd, os.pread(self.file.fileno(), entry.length, entry.source), entry.at)
                elif entry.length:
                    os.pwrite(fd, UNDEFINED * entry.length, entry.at)
                yield entry
        finally:
            os.close(fd)
