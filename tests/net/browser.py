# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What a browser makes of a page: headless Chromium."""

import html
import re
import shutil
import subprocess

import pytest

from lab import enter, patience


class Page:
    """A page after some seconds of its own time."""

    def __init__(self, lab, netns, url, seconds=8):
        if not shutil.which("chromium"):
            pytest.skip("missing: chromium")
        profile = lab.path / f"browser{next(lab.names)}"
        done = subprocess.run(
            [*enter(netns), "chromium", "--headless", "--no-sandbox", "--disable-gpu",
             "--disable-quic", "--no-first-run", "--disable-background-networking",
             "--disable-component-update", "--disable-sync", f"--user-data-dir={profile}",
             f"--virtual-time-budget={seconds * 1000}", "--dump-dom", url],
            capture_output=True, text=True, timeout=patience(120))
        self.source = done.stdout
        assert 'id="state"' in self.source, self.source[-2000:] + done.stderr[-2000:]

    def element(self, name, identity):
        """The markup inside of an element."""
        return re.search(rf'<{name} id="{identity}"[^>]*>(.*?)</{name}>', self.source, re.S).group(1)

    def rows(self, table):
        """The words of each row of a table, without the titles."""
        return [[html.unescape(re.sub(r"<[^>]*>", "", cell))
                 for cell in re.findall(r"<td.*?>(.*?)</td>", row, re.S)]
                for row in re.findall(r"<tr.*?>(.*?)</tr>", self.element("table", table), re.S)[1:]]

    def texts(self, chart):
        """The words in a chart, the axis' numbers first."""
        return [html.unescape(text) for text in re.findall(r"<text[^>]*>(.*?)</text>",
                                                           self.element("svg", chart))]

    def words(self):
        body = self.source.split("<main>")[1].split("<script>")[0]
        return html.unescape(re.sub(r"<[^>]*>", "\n", body))
