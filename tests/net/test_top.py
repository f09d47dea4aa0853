# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""`stgt-xdp top`: what an administrator sees on a terminal (tmux is one), and what a script reads."""

import itertools
import os
import re
import shlex
import shutil
import signal
import subprocess
import threading

import pytest

from lab import PROGRAM, wait_until

INITIATOR = "02:00:00:00:03:01"
KEYS = "q quit e exports n initiators p pairs f interfaces i IOPS b MB/s l p99 a name".split()
_serial = itertools.count()


class Load:
    """An initiator that reads 1 KiB after the other, on a thread of its own."""

    def __init__(self, pair):
        self.client = pair.client(mac=INITIATOR)
        self.ending = threading.Event()
        self.failure = None
        self.thread = threading.Thread(target=self.run)

    def run(self):
        try:
            for n in itertools.cycle(range(1000)):
                if self.ending.is_set():
                    return
                self.client.read(n, 2)
        except AssertionError as failure:
            self.failure = failure

    def __enter__(self):
        self.client.read(0, 2)  # from now on it is known
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ending.set()
        self.thread.join()
        assert self.failure is None


class Terminal:
    """`stgt-xdp top` in a terminal of its own."""

    def __init__(self, lab, *words, width=80, height=24):
        self.lab = lab
        self.tag = f"stgt-{os.getpid()}-{next(_serial)}"
        self.status = lab.path / f"{self.tag}.status"
        script = lab.path / f"{self.tag}.sh"
        # The shell outlives it, so that the terminal can be looked at afterwards.
        script.write_text(f"trap : INT\n"
                          f"stty -g >{self.status}.before\n"
                          f"{shlex.join(map(str, [PROGRAM, *words]))}\n"
                          f"echo $? >{self.status}.new\n"
                          f"stty -g >{self.status}.after\n"
                          f"mv {self.status}.new {self.status}\n"
                          f"exec cat\n")
        lab.undo.callback(self.tmux, "kill-server", check=False)
        self.tmux("-f", "/dev/null", "new-session", "-d", "-x", width, "-y", height, f"sh {script}")

    def tmux(self, *words, check=True):
        return self.lab.run(["tmux", "-L", self.tag, *words], check=check).stdout

    def lines(self):
        return self.tmux("capture-pane", "-p").splitlines()

    def text(self):
        return "\n".join(self.lines())

    def press(self, *keys):
        self.tmux("send-keys", *keys)

    def resize(self, width, height):
        self.tmux("resize-window", "-x", width, "-y", height)

    def shows(self, condition, what, seconds=10):
        """Waits until condition(lines) is true, and returns its value."""
        try:
            return wait_until(lambda: condition(self.lines()), seconds, what)
        except AssertionError as error:
            raise AssertionError(f"{error} on\n{self.text()}") from None

    def row(self, name, *where, seconds=10, busy=False):
        """Waits for a row that begins with it, with the words of `where` behind. A busy one tells of reads:
        more than 0 IOPS, enough of them to be more than 0.000 MB/s, nothing written, and how long they took,
        as far as there are columns for that. All of it at once, for a picture of the screen may be taken
        between two writes to it."""
        wanted = {"IOPS": r".*[1-9].*", "rMB/s": r".*[1-9].*", "wMB/s": r"[0.]+", "p50": r"\d[\d.]*[mu]?s",
                  "p99": r"\d[\d.]*[mu]?s"}

        def reads(row):
            return "rMB/s" in row and all(re.fullmatch(wanted[title], row[title]) for title in wanted if title in row)

        def whole_row(lines):
            titles = lines[4].split() if len(lines) > 4 else []
            return any(words[:1 + len(where)] == [name, *where] and len(words) == len(titles)
                       and (not busy or reads(dict(zip(titles, words)))) for words in map(str.split, lines[5:]))

        return self.shows(whole_row, f"{'reads of ' * busy}{' '.join((name, *where))}", seconds)

    def busy_row(self, name, *where):
        return self.row(name, *where, busy=True)

    def pid(self):
        """The program's: the only child of the shell."""
        shell = self.tmux("display-message", "-p", "#{pane_pid}").strip()
        with open(f"/proc/{shell}/task/{shell}/children") as children:
            return int(children.read())

    def ended(self, seconds=10):
        """Its exit status; the terminal is as it was before."""
        wait_until(self.status.exists, seconds, "the end of top")
        before, after = (open(f"{self.status}.{when}").read() for when in ("before", "after"))
        assert before == after
        # What it wrote last, tmux may have to read yet.
        self.shows(lambda lines: not any("IOPS" in line for line in lines), "the screen before top")
        wait_until(lambda: self.tmux("display-message", "-p", "#{alternate_on} #{cursor_flag}") == "0 1\n", 10,
                   "the first screen, with a cursor")
        return int(self.status.read_text())


@pytest.fixture
def terminal(lab):
    if not shutil.which("tmux"):
        pytest.skip("missing: tmux")
    return lambda target, *words, **kwargs: Terminal(lab, "top", "--socket", target.socket, *words,
                                                     **kwargs)


def test_what_the_screen_shows(pair, terminal):
    target = pair.serve_disk(pair.lab.disk())
    with Load(pair):
        top = terminal(target)
        assert top.busy_row("7.1", pair.port)
        lines = top.shows(lambda lines: lines if lines[23].endswith("a name") else None, "the last line")
        assert lines[5].endswith(".img")
        assert lines[0].startswith("stgt-xdp top") and "1 export," in lines[0]
        assert "IOPS" in lines[1] and "in flight" in lines[2] and lines[3] == ""
        assert lines[4].split() == ["EXPORT", "INTERFACE", "IOPS", "rMB/s", "wMB/s", "p50", "p99",
                                    "DISK"]
        assert lines[23].startswith("q quit")
        top.press("n")
        assert top.busy_row(INITIATOR, pair.port)
        top.press("p")
        assert top.row("7.1", INITIATOR, pair.port)
        top.press("f")
        mode = target.json("status")["interfaces"][0]["xdp_mode"]
        top.shows(lambda lines: lines[4].split()[-1:] == ["XDP"] and lines[5].split()[:1] == [pair.port]
                  and lines[5].split()[-1:] == [mode], "the interfaces")
        top.press("e")
        assert top.busy_row("7.1")
        top.press("q")
        assert top.ended() == 0


def test_it_follows_the_size(pair, terminal):
    target = pair.serve_disk(pair.lab.disk())
    with Load(pair):
        top = terminal(target)
        top.busy_row("7.1")
        for width, height in ((60, 15), (20, 5), (3, 2), (200, 50), (80, 24)):
            top.resize(width, height)
            top.shows(lambda lines: len(lines) == height and lines[-1].startswith("q quit"[:width - 1])
                      if width > 10 else len(lines) == height, f"{width}x{height}")
            if width >= 60:
                top.busy_row("7.1")
                top.shows(lambda lines: lines[4].split()[:3] == ["EXPORT", "INTERFACE", "IOPS"],
                          "the titles")
        top.press("q")
        assert top.ended() == 0


def test_few_lines_have_rows(pair, terminal):
    """A pane of five lines: the sum, what goes wrong, titles, the busiest export, keys."""
    target = pair.serve("--aoe", "7.1=null:1M", "--aoe", "7.2=null:1M", "--allow", "any")
    with Load(pair):
        top = terminal(target, width=120, height=5)
        top.shows(lambda lines: "IOPS" in lines[0] and lines[2].split()[:1] == ["EXPORT"]
                  and lines[3].split()[:1] == ["7.1"] and lines[4].split() == KEYS, "five lines")
        top.press("Down")
        top.shows(lambda lines: lines[3].split()[:1] == ["7.2"], "the other export")
        top.resize(120, 4)  # no row has room, and titles of nothing are none
        top.shows(lambda lines: len(lines) == 4 and "IOPS" in lines[0] and lines[2] == ""
                  and lines[3].split() == KEYS, "four lines")


def test_it_scrolls(pair, terminal):
    words = itertools.chain.from_iterable(("--aoe", f"7.{slot}=null:1M") for slot in range(1, 41))
    target = pair.serve(*words, "--allow", "any")
    top = terminal(target, "--sort", "name")

    def first(lines):
        return lines[5].split()[:1]

    def last(lines):
        return lines[22].split()[:1]

    top.shows(lambda lines: first(lines) == ["7.1"] and last(lines) == ["7.18"], "the first page")
    top.press("Down")
    top.shows(lambda lines: first(lines) == ["7.2"], "one row down")
    top.press("NPage")
    top.shows(lambda lines: first(lines) == ["7.20"], "a page down")
    top.press("End")
    top.shows(lambda lines: first(lines) == ["7.23"] and last(lines) == ["7.40"], "the end")
    top.press("Down", "Up", "PPage")
    top.shows(lambda lines: first(lines) == ["7.4"], "a page up from the end, and a row")
    top.press("Home", "Up")
    top.shows(lambda lines: first(lines) == ["7.1"], "the beginning")
    top.press("q")
    assert top.ended() == 0


@pytest.mark.parametrize("how", ["C-c", signal.SIGTERM, signal.SIGHUP])
def test_signals_leave_a_clean_terminal(pair, terminal, how):
    top = terminal(pair.serve_disk(pair.lab.disk()))
    top.row("7.1")
    if how == "C-c":
        top.press(how)
    else:
        os.kill(top.pid(), how)
    assert top.ended() == 0


def test_a_server_that_goes_and_comes_back(pair, terminal):
    target = pair.serve_disk(pair.lab.disk())
    top = terminal(target)
    top.row("7.1")
    assert target.stop() == 0
    top.shows(lambda lines: lines[2].startswith("no answer, trying again"), "the server's end")
    assert top.row("7.1")  # what it was
    target.start()
    top.shows(lambda lines: "in flight" in lines[2], "the server's return")
    with Load(pair):
        top.busy_row("7.1")
    top.press("q")
    assert top.ended() == 0


def test_a_slow_server_does_not_hold_up_the_keys(pair, terminal):
    target = pair.serve_disk(pair.lab.disk())
    top = terminal(target)
    top.row("7.1")
    os.kill(target.pid, signal.SIGSTOP)
    try:
        top.shows(lambda lines: lines[2].startswith("waiting for"), "the wait")
        top.press("f")
        # Who waited for the server would do so for ten seconds.
        top.row(pair.port, seconds=5)
        top.press("q")
        assert top.ended(seconds=5) == 0
    finally:
        os.kill(target.pid, signal.SIGCONT)


# ---- for scripts ---------------------------------------------------------------------------------


def test_batch(pair):
    target = pair.serve_disk(pair.lab.disk())
    with Load(pair):
        output = target.control("top", "--batch", "2", "--interval", "0.5", "--view", "pairs").stdout
    blocks = [block.splitlines() for block in output.split("\n\n")]
    assert len(blocks) == 2
    for titles, row in blocks:
        row = dict(zip(titles.split(), row.split()))
        assert (row["EXPORT"], row["INITIATOR"], row["INTERFACE"]) == ("7.1", INITIATOR, pair.port)
        assert float(row["IOPS"]) > 0 and row["IOPS"] == row["r/s"] and row["w/s"] == "0"
        assert abs(float(row["rMB/s"]) - float(row["r/s"]) * 1024 / 1e6) < 0.02
        assert 0 <= int(row["p50_us"]) <= int(row["p99_us"])
        assert row["err/s"] == "0"


def test_once_when_nothing_happens(pair):
    target = pair.serve_disk(pair.lab.disk())
    titles, row = target.control("top", "--once", "--interval", "0.1").stdout.splitlines()
    row = dict(zip(titles.split(), row.split()))
    assert (row["EXPORT"], row["IOPS"], row["p99_us"]) == ("7.1", "0", "-")


def refused(lab, *words):
    done = lab.run([PROGRAM, "top", *words], check=False, stdin=None)
    assert done.stdout == "" and done.stderr.count("\n") == 1
    return done.returncode, done.stderr


def test_nobody_serves(lab):
    status, text = refused(lab, "--once", "--socket", lab.path / "none.sock")
    assert status == 1 and "none.sock" in text


def test_no_terminal(pair):
    target = pair.serve_disk(pair.lab.disk())
    status, text = refused(pair.lab, "--socket", target.socket)
    assert status == 1 and "--batch" in text


@pytest.mark.parametrize("term", ["dumb", "", "no-such-terminal"])
def test_a_terminal_that_cannot_show_it(pair, term):
    """Said in a line, with nothing drawn; script(1) makes a terminal."""
    target = pair.serve_disk(pair.lab.disk())
    command = shlex.join(map(str, [PROGRAM, "top", "--socket", target.socket]))
    done = pair.lab.run(["script", "-qec", f"env TERM={term} {command}", "/dev/null"], check=False,
                        stdin=subprocess.DEVNULL, timeout=20)
    assert done.returncode == 1
    assert re.fullmatch(rf"stgt-xdp top: .*'{term}'.*--batch.*\s+", done.stdout), done.stdout


@pytest.mark.parametrize("words", [
    ["--interval", "0"], ["--interval", "nan"], ["--interval", "1x"], ["--interval", "99999"],
    ["--batch", "0"], ["--batch", "-1"], ["--batch", "x"], ["--view", "disks"], ["--sort", ""],
    ["--twice"], ["word"], ["--socket"],
])
def test_wrong_usage(lab, words):
    status, text = refused(lab, *words)
    assert status == 2 and "--help" in text
