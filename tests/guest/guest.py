# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A virtual machine with Debian's stock kernel, whose root is this machine's, read-only.

So every program installed here runs there, with no image to build. Commands go in by name over the
second serial port and run as shell scripts from a shared folder, each in the background: several may
run at once.
"""

import itertools
import os
import shutil
import subprocess
import threading
from pathlib import Path

from lab import ROOT, wait_until

KERNEL = ROOT / "build" / "guest" / "kernel"
BOOT_MODULES = ("virtio_pci", "virtio_net", "9pnet_virtio", "9p")

INIT = """#!/bin/sh
# Runs as the guest's first process.
export PATH=/bin
busybox mkdir -p /proc /sys /dev /root
busybox mount -t proc proc /proc
busybox mount -t sysfs sysfs /sys
busybox mount -t devtmpfs dev /dev
for module in $(busybox cat /modules/order); do busybox insmod /modules/$module; done
nine() { busybox mount -t 9p -o trans=virtio,version=9p2000.L,msize=262144,$3 $1 $2; }
nine root /root ro,cache=loose
for folder in tmp run var/lib mnt; do busybox mount -t tmpfs tmpfs /root/$folder; done
busybox mkdir /root/run/kernel /root/run/shared
nine kernel /root/run/kernel ro,cache=loose
nine shared /root/run/shared rw
for folder in proc sys dev; do busybox mount -o bind /$folder /root/$folder; done
exec busybox chroot /root /bin/sh /run/shared/agent
"""

AGENT = """# Runs whatever the host names on the serial line.
export PATH=/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin HOME=/tmp LC_ALL=C.UTF-8
cd /tmp
exec 3<>/dev/ttyS1
stty raw -echo <&3
echo started >&3
while read -r name <&3; do
	{
		sh "/run/shared/$name" >"/run/shared/$name.out" 2>&1 </dev/null 3>&-
		echo "done $name $?" >&3
	} &
done
"""


def kvm_works():
    """KVM may be there and hang at the first instruction: believe only what it prints."""
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return False
    try:
        probe = subprocess.run(
            ["qemu-system-x86_64", "-accel", "kvm", "-cpu", "host", "-m", "256", "-nodefaults",
             "-nographic", "-serial", "stdio", "-no-reboot", "-kernel", str(KERNEL / "vmlinuz"),
             "-append", "console=ttyS0 panic=-1"], stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=5)
    except subprocess.TimeoutExpired:
        return False
    return b"Linux version" in probe.stdout


def build_initramfs(path):
    """busybox, the modules up to 9p in the order in which they load, and the init above."""
    release = (KERNEL / "version").read_text().strip()
    tree = path.parent / "initramfs"
    (tree / "bin").mkdir(parents=True)
    (tree / "modules").mkdir()
    shutil.copy("/bin/busybox", tree / "bin" / "busybox")
    (tree / "bin" / "sh").symlink_to("busybox")
    order = []
    for module in BOOT_MODULES:
        chain = subprocess.run(["modprobe", "-d", str(KERNEL / "modules"), "-S", release,
                                "--show-depends", module], check=True, stdout=subprocess.PIPE,
                               text=True).stdout
        for line in chain.splitlines():
            words = line.split()
            if words[0] == "insmod" and Path(words[1]).name not in order:
                shutil.copy(words[1], tree / "modules")
                order.append(Path(words[1]).name)
    (tree / "modules" / "order").write_text("\n".join(order))
    (tree / "init").write_text(INIT)
    (tree / "init").chmod(0o755)
    names = subprocess.run(["find", ".", "-print0"], cwd=tree, check=True, stdout=subprocess.PIPE)
    with open(path, "wb") as image:
        subprocess.run(["cpio", "--quiet", "-0", "-o", "-H", "newc"], cwd=tree, check=True,
                       input=names.stdout, stdout=image)


class Command:
    """A command that runs in the guest."""

    def __init__(self, guest, name, text):
        self.guest, self.name, self.text = guest, name, text
        self.status = None

    def output(self):
        path = self.guest.shared / f"{self.name}.out"
        return path.read_text(errors="replace") if path.exists() else ""

    def wait(self, seconds):
        """Returns the exit status."""
        wait_until(lambda: self.status is not None or not self.guest.alive(), seconds,
                   f"end of `{self.text}` in the guest; so far:\n{self.output()}"
                   f"\nconsole:\n{self.guest.console()}")
        assert self.status is not None, f"the guest died:\n{self.guest.console()}"
        return self.status


class Guest:
    """Boots at once; ends with the lab. Its network card is `tap` in the namespace `netns`, if any."""

    def __init__(self, lab, netns=None, tap=None, mtu=9000, memory=1024):
        self.home = lab.path / "guest"
        self.shared = self.home / "shared"
        self.shared.mkdir(parents=True)
        (self.shared / "agent").write_text(AGENT)
        self.names = itertools.count()
        self.running = {}
        self.log = self.home / "console"
        build_initramfs(self.home / "initrd")
        accel = ["kvm", "-cpu", "host"] if kvm_works() else ["tcg,thread=multi", "-cpu", "max"]
        self.pipe = self.home / "agent"
        for way in ("in", "out"):
            os.mkfifo(f"{self.pipe}.{way}")
        argv = ["qemu-system-x86_64", "-accel", *accel, "-m", str(memory), "-nodefaults",
                "-nographic", "-no-reboot", "-serial", f"file:{self.log}",
                "-serial", f"pipe:{self.pipe}", "-kernel", KERNEL / "vmlinuz",
                "-initrd", self.home / "initrd",
                "-append", "console=ttyS0 panic=-1 quiet mitigations=off net.ifnames=0"]
        if tap:
            argv += ["-netdev", f"tap,id=net,ifname={tap},script=no,downscript=no",
                     "-device", f"virtio-net-pci,netdev=net,mac=52:54:00:12:34:56,host_mtu={mtu}"]
        for tag, path, mode in (("root", "/", "readonly=on,"),
                                ("kernel", KERNEL / "modules", "readonly=on,"),
                                ("shared", self.shared, "")):
            argv += ["-fsdev", f"local,id={tag},path={path},{mode}security_model=none,multidevs=remap",
                     "-device", f"virtio-9p-pci,fsdev={tag},mount_tag={tag}"]
        self.errors = self.home / "qemu.log"
        self.child = lab.spawn(argv, netns, stdin=subprocess.DEVNULL,
                               stdout=open(self.errors, "w"), stderr=subprocess.STDOUT)
        self.started = threading.Event()
        threading.Thread(target=self.listen, daemon=True).start()
        # Opened for both ways, so that neither side waits for the other.
        self.commands = os.fdopen(os.open(f"{self.pipe}.in", os.O_RDWR), "w")
        lab.undo.callback(self.commands.close)
        wait_until(lambda: self.started.is_set() or not self.alive(), 120, "guest's boot")
        assert self.alive(), f"the guest died:\n{self.console()}"

    def listen(self):
        with os.fdopen(os.open(f"{self.pipe}.out", os.O_RDWR), "r", errors="replace") as lines:
            for line in lines:
                words = line.split()
                if words == ["started"]:
                    self.started.set()
                elif len(words) == 3 and words[0] == "done" and words[1] in self.running:
                    self.running.pop(words[1]).status = int(words[2])

    def alive(self):
        return self.child.poll() is None

    def console(self):
        return "".join(path.read_text(errors="replace")[-4000:] for path in (self.errors, self.log)
                       if path.exists())

    def start(self, text):
        """Starts a shell command and returns it."""
        name = f"command{next(self.names)}"
        (self.shared / name).write_text(text + "\n")
        command = self.running[name] = Command(self, name, text)
        self.commands.write(name + "\n")
        self.commands.flush()
        return command

    def run(self, text, seconds=60, check=True):
        """Runs a shell command to its end; its output, or (status, output) without `check`."""
        command = self.start(text)
        status = command.wait(seconds)
        if not check:
            return status, command.output()
        assert status == 0, f"`{text}` in the guest: exit status {status}\n{command.output()}" \
                            f"\nconsole:\n{self.console()}"
        return command.output()

    def load(self, *modules):
        for module in modules:
            self.run(f"modprobe -d /run/kernel {module}")
