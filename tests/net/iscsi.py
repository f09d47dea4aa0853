# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""iSCSI targets for the tests, and an initiator: libiscsi's tools, and the library itself.

The library reconnects when its connection is lost, and sends again what was not answered.
"""

import ctypes
import subprocess

from lab import Target, inside

IQN = "iqn.2026-11.org.example:disks"
HOST = "iqn.2026-11.org.example:host"
BLOCK = 512
NORMAL_SESSION, GOOD = 2, 0


class Serve(Target):
    """A running `stgt-xdp serve`."""

    def command(self, words):
        return ["serve", *map(str, words)]


def url(lun=0, target=IQN, portal="127.0.0.1:3260", account="", words=""):
    return f"iscsi://{account}{portal}/{target}/{lun}{words}"


class Tools:
    """libiscsi's programs, in the namespace of a target."""

    def __init__(self, lab, netns):
        self.lab, self.netns = lab, netns

    def run(self, tool, *words, name=HOST, check=True):
        return self.lab.run([tool, "-i", name, *words], self.netns, check=check)

    def ls(self, portal="127.0.0.1:3260", name=HOST, luns=False):
        words = ["-s"] if luns else []
        return self.run("iscsi-ls", *words, f"iscsi://{portal}", name=name).stdout.splitlines()

    def inquiry(self, at, name=HOST):
        """None, or what libiscsi says it was refused for."""
        done = self.run("iscsi-inq", at, name=name, check=False)
        if done.returncode == 0:
            assert "DIRECT_ACCESS" in done.stdout
            return None
        assert done.stderr, done
        return done.stderr

    def capacity(self, at):
        lines = self.run("iscsi-readcapacity16", at).stdout.splitlines()
        return int(next(line.split(":")[1] for line in lines if line.startswith("Total size")))

    def load(self, at, name=HOST):
        """Reads, 32 at a time, until it is ended."""
        return self.lab.spawn(["iscsi-perf", "-i", name, at], self.netns, stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL)


def _library():
    lib = ctypes.CDLL("libiscsi.so.7")
    lib.iscsi_create_context.restype = lib.iscsi_write10_sync.restype = ctypes.c_void_p
    lib.iscsi_get_error.restype = ctypes.c_char_p
    return lib


class Initiator:
    """A session of its own. Its calls wait for the answer, through reconnects if need be."""

    def __init__(self, netns, portal="127.0.0.1:3260", target=IQN, lun=0, name=HOST):
        self.lib, self.lun = _library(), lun
        self.context = ctypes.c_void_p(self.lib.iscsi_create_context(name.encode()))
        self.lib.iscsi_set_targetname(self.context, target.encode())
        self.lib.iscsi_set_session_type(self.context, NORMAL_SESSION)
        with inside(netns):
            ret = self.lib.iscsi_full_connect_sync(self.context, portal.encode(), lun)
        assert ret == 0, self.error()

    def error(self):
        return self.lib.iscsi_get_error(self.context).decode()

    def write(self, lba, data):
        """Returns when the target has said that it is written, again after a unit attention."""
        if not self.try_write(lba, data):
            assert "UNIT_ATTENTION" in self.error(), self.error()
            assert self.try_write(lba, data), self.error()

    def try_write(self, lba, data):
        """False: CHECK CONDITION or the like, see error()."""
        task = self.lib.iscsi_write10_sync(self.context, self.lun, lba, data, len(data), BLOCK,
                                           0, 0, 0, 0, 0)
        assert task, self.error()
        status = ctypes.cast(task, ctypes.POINTER(ctypes.c_int)).contents.value  # its first member
        self.lib.scsi_free_scsi_task(ctypes.c_void_p(task))
        return status == GOOD

    def close(self):
        self.lib.iscsi_destroy_context(self.context)
