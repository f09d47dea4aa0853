# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The programs that tests/run starts."""

import os
import signal
import subprocess
import tempfile
import threading
from pathlib import Path

from outcomes import Outcome

ROOT = Path(__file__).resolve().parent.parent


class Runner:
    """Runs child processes, those of several threads at once, and leaves none behind."""

    def __init__(self, options, scratch):
        self.options = options
        self.scratch = scratch
        self.env = dict(os.environ, PYTHONDONTWRITEBYTECODE="1", LC_ALL="C.UTF-8",
                        TMPDIR=str(scratch))
        # Our make must not look for the job server of a make above us.
        for name in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL"):
            self.env.pop(name, None)
        self.lock = threading.Lock()
        self.children = set()
        self.closed = False

    def run(self, argv, timeout, **env):
        """Returns (exit status, stdout and stderr); a child that takes too long fails."""
        log = tempfile.TemporaryFile(dir=self.scratch)
        child = self.start(argv, env, None if self.options.verbose and "pytest" in argv else log)
        note = ""
        try:
            status = child.wait(timeout)
        except subprocess.TimeoutExpired:
            note = f"\n[took longer than {timeout} s]\n"
            status = self.end(child) or 1
        except BaseException:
            self.end(child)
            raise
        finally:
            self.kill_group(child)
            with self.lock:
                self.children.discard(child)
        log.seek(0)
        return status, log.read().decode(errors="replace") + note

    def start(self, argv, env, stdout):
        with self.lock:
            if self.closed:
                raise RuntimeError("the tests have been ended")
            child = subprocess.Popen(argv, cwd=ROOT, env={**self.env, **env}, stdin=subprocess.DEVNULL,
                                     stdout=stdout, stderr=subprocess.STDOUT, start_new_session=True)
            self.children.add(child)
            return child

    def close(self):
        """Ends what other threads wait for, and lets them start nothing more."""
        with self.lock:
            self.closed = True
            children = list(self.children)
        for child in children:
            child.send_signal(signal.SIGTERM)
        for child in children:
            self.wait_for_end(child)

    def end(self, child):
        """Asks, so that tests remove what they made, then insists. Jobs in the background ignore Ctrl-C."""
        child.send_signal(signal.SIGTERM)
        return self.wait_for_end(child)

    def wait_for_end(self, child):
        try:
            return child.wait(30)
        except subprocess.TimeoutExpired:
            self.kill_group(child)
        try:
            return child.wait(10)
        except subprocess.TimeoutExpired:
            return None  # stuck in the kernel: nothing can be done about it from here

    @staticmethod
    def kill_group(child):
        try:
            os.killpg(child.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass

    def make(self, *targets):
        status, output = self.make_output(*targets)
        return None if status == 0 else Outcome(failed=1, output=output)

    def make_output(self, *targets):
        return self.run(["make", "--no-print-directory", f"-j{os.cpu_count()}", *targets], 1200)
