# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Building the packages, and a clean Debian to install them in."""

import functools
import os
import re
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
CACHE = Path(os.environ.get("STGT_XDP_CACHE", "/var/cache/stgt-xdp"))
VERSION = (ROOT / "VERSION").read_text().strip()
NEWER = "999"
# What administrators take from, below the prefix: source, and where it is installed.
EXTRAS = {"scripts/grafana-dashboard.json": "share/stgt-xdp/grafana-dashboard.json",
          "scripts/prometheus-rules.yaml": "share/stgt-xdp/prometheus-rules.yaml",
          "docs/examples/stgt-xdp.yaml": "share/doc/stgt-xdp/examples/stgt-xdp.yaml"}


def run(argv, **kwargs):
    """Its stdout and stderr; a failure shows them."""
    done = subprocess.run([*map(str, argv)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, errors="replace", timeout=600, **kwargs)
    assert done.returncode == 0, f"{argv}: exit status {done.returncode}\n{done.stdout}"
    return done.stdout


def make(*arguments):
    return run(["make", "--no-print-directory", f"-j{os.cpu_count()}", *arguments], cwd=ROOT)


def files(folder):
    """Everything below it that is no directory."""
    return {str(path.relative_to(folder)) for path in Path(folder).rglob("*")
            if path.is_symlink() or not path.is_dir()}


@functools.lru_cache(maxsize=1)
def build_deb():
    make("deb")
    architecture = run(["dpkg", "--print-architecture"]).strip()
    return ROOT / f"build/packages/stgt-xdp_{VERSION}_{architecture}.deb"


def build_newer_deb(deb, folder):
    """The package with a higher version and another default configuration, in the folder."""
    tree = folder / "newer"
    run(["dpkg-deb", "-R", deb, tree])
    control = tree / "DEBIAN/control"
    control.write_text(re.sub(r"^Version: .*", f"Version: {NEWER}", control.read_text(), flags=re.M))
    with open(tree / "etc/stgt-xdp/stgt-xdp.yaml", "a") as default:
        default.write("# This version has one more line.\n")
    run(["dpkg-deb", "--root-owner-group", "-b", tree, folder / "newer.deb"])
    shutil.rmtree(tree)
    return folder / "newer.deb"


class CleanRoot:
    """A small Debian in a folder."""

    def __init__(self, path):
        self.path = path
        run(["scripts/bootstrap", "--clean-root"], cwd=ROOT)
        run(["tar", "-x", "-C", path, "-f", CACHE / "clean-root.tar"])

    def command(self, argv):
        """Runs with /proc of its own and without what systemd would have started."""
        return ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c",
                'mount -t proc proc "$1/proc" && root=$1 && shift && exec chroot "$root" "$@"', "sh",
                str(self.path), "env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8",
                "DEBIAN_FRONTEND=noninteractive", *map(str, argv)]

    def run(self, *argv):
        return run(self.command(argv))

    def install(self, package):
        shutil.copy(package, self.path / "tmp")
        # What it depends on is in apt's cache; a newer dependency is downloaded.
        self.run("apt-get", "-qq", "install", "-y", "--no-install-recommends",
                 f"/tmp/{package.name}")
        (self.path / "tmp" / package.name).unlink()
