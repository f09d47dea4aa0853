# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""I/O that goes on while a test changes something, every byte of it verified."""

import threading
import time

from lab import pattern, wait_until

STALL = 3  # seconds: no request waits for a change


class Load(threading.Thread):
    """Writes and reads back, over and over; every request is sent once and must be answered."""

    def __init__(self, client):
        super().__init__()
        self.client = client
        self.done = threading.Event()
        self.rounds = 0
        self.slowest = 0
        self.failure = None

    def run(self):
        try:
            while not self.done.is_set():
                began = time.monotonic()
                lba, salt = self.rounds * 2 % 4000, self.rounds // 2000 + 1
                self.client.write(lba, pattern(lba, 2, salt))
                assert self.client.read(lba, 2) == pattern(lba, 2, salt), lba
                self.slowest = max(self.slowest, time.monotonic() - began)
                self.rounds += 1
        except BaseException as failure:  # shown by the test's own thread
            self.failure = failure

    def __enter__(self):
        self.start()
        wait_until(lambda: self.rounds or self.failure, 20, "the load's first round")
        return self

    def __exit__(self, *exc):
        self.done.set()
        self.join()
        if self.failure:
            raise self.failure
