# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A running `stgt-xdp daemon`, and the file it follows."""

import json
import socket

from lab import Target, patience


class Daemon(Target):
    def __init__(self, lab, netns, config, wait=True, **kwargs):
        self.file = lab.path / f"config{next(lab.names)}.yaml"
        self.configure(config)
        super().__init__(lab, netns, (), wait=wait, **kwargs)

    def command(self, words):
        return ["daemon", "--config", self.file]

    def configure(self, config):
        """`config` as YAML's lists of dictionaries; JSON is YAML."""
        self.file.write_text(config if isinstance(config, str) else json.dumps(config))

    def shown(self):
        return self.control("config", "show").stdout

    def diff(self):
        return self.control("config", "diff", self.file).stdout.splitlines()

    def ask(self, **request):
        """The answer to a request as no command line of ours would make it."""
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(patience(10))
            client.connect(str(self.socket))
            client.sendall(json.dumps({"version": 1, **request}).encode() + b"\n")
            return json.loads(client.makefile().readline())
