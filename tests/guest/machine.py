# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A virtual machine whose root is this machine's, read-only, under another kernel.

So every program installed here runs there, with no image to build. Commands go in by name over the
second serial port and run as shell scripts from a shared folder, each in the background: several may
run at once.
"""

import itertools
import os
import shutil
import subprocess
import tempfile
import threading
from pathlib import Path

from lab import ROOT, wait_until

CACHE = Path(os.environ.get("STGT_XDP_CACHE", "/var/cache/stgt-xdp"))
TOOLS = ("qemu-system-x86_64", "busybox", "cpio", "modprobe")
BOOT_SECONDS = 300  # systemd, emulated, beside another machine
BOOT_MODULES = ("virtio_pci", "virtio_net", "virtio_blk", "9pnet_virtio", "9p", "ext4")

INIT = """#!/bin/sh
# Runs as the machine's first process.
export PATH=/bin
busybox mkdir -p /proc /sys /dev /root
busybox mount -t proc proc /proc
busybox mount -t sysfs sysfs /sys
busybox mount -t devtmpfs dev /dev
for module in $(busybox cat /modules/order); do busybox insmod /modules/$module; done
nine() {
	busybox mkdir -p "$2"
	busybox mount -t 9p -o trans=virtio,version=9p2000.L,msize=262144,$3 $1 "$2"
}
nine root /root ro,cache=loose
for folder in tmp run var/lib mnt; do busybox mount -t tmpfs tmpfs /root/$folder; done
[ ! -e /dev/vda ] || busybox mount -t ext4 /dev/vda /root/tmp
nine kernel /root/run/kernel ro,cache=loose
nine shared /root/run/shared rw
nine project "/root$(busybox cat /root/run/shared/project)" ro,cache=loose
for folder in proc sys dev; do busybox mount -o bind /$folder /root/$folder; done
exec busybox chroot /root /bin/sh /run/shared/agent
"""

# A machine with a root of its own, which has a service for the agent.
ROOT_INIT = INIT[:INIT.index("nine root")] + """
busybox mount -t ext4 /dev/vda /root
busybox mount -t tmpfs -o mode=0755 tmpfs /root/run
nine kernel /root/run/kernel ro,cache=loose
nine shared /root/run/shared rw
for folder in proc sys dev; do busybox umount /$folder; done
exec busybox switch_root /root /sbin/init
"""

AGENT = """# Runs whatever is named on the serial line.
export PATH=/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin HOME=/tmp LC_ALL=C.UTF-8
cd /tmp
exec 3<>/dev/ttyS1
stty raw -echo <&3
touch /run/shared/started
while read -r name <&3; do
	{
		sh "/run/shared/$name" >"/run/shared/$name.out" 2>&1 </dev/null 3>&-
		echo "done $name $?" >&3
	} &
done
"""


def kvm_works(kernel):
    """KVM may be there and hang at the first instruction: believe only what it prints."""
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return False
    try:
        probe = subprocess.run(
            ["qemu-system-x86_64", "-accel", "kvm", "-cpu", "host", "-m", "256", "-nodefaults",
             "-nographic", "-serial", "stdio", "-no-reboot", "-kernel", str(kernel / "vmlinuz"),
             "-append", "console=ttyS0 panic=-1"], stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=5)
    except subprocess.TimeoutExpired:
        return False
    return b"Linux version" in probe.stdout


def build_initramfs(kernel, path, init):
    """busybox, the modules up to 9p in the order in which they load, and the init script."""
    release = (kernel / "version").read_text().strip()
    tree = path.parent / "initramfs"
    (tree / "bin").mkdir(parents=True)
    (tree / "modules").mkdir()
    shutil.copy("/bin/busybox", tree / "bin" / "busybox")
    (tree / "bin" / "sh").symlink_to("busybox")
    order = []
    for module in BOOT_MODULES:
        chain = subprocess.run(["modprobe", "-d", str(kernel / "modules"), "-S", release,
                                "--show-depends", module], check=True, stdout=subprocess.PIPE,
                               text=True).stdout
        for line in chain.splitlines():
            words = line.split()
            if words[0] == "insmod" and Path(words[1]).name not in order:
                shutil.copy(words[1], tree / "modules")
                order.append(Path(words[1]).name)
    (tree / "modules" / "order").write_text("\n".join(order))
    (tree / "init").write_text(init)
    (tree / "init").chmod(0o755)
    names = subprocess.run(["find", ".", "-print0"], cwd=tree, check=True, stdout=subprocess.PIPE)
    with open(path, "wb") as image:
        subprocess.run(["cpio", "--quiet", "-0", "-o", "-H", "newc"], cwd=tree, check=True,
                       input=names.stdout, stdout=image)


class Command:
    """A command that runs in a machine."""

    def __init__(self, shell, name, text):
        self.shell, self.name, self.text = shell, name, text
        self.status = None

    def output(self):
        path = self.shell.shared / f"{self.name}.out"
        return path.read_text(errors="replace") if path.exists() else ""

    def wait(self, seconds):
        """Returns the exit status."""
        wait_until(lambda: self.status is not None or not self.shell.alive(), seconds,
                   f"end of `{self.text}` in the machine; so far:\n{self.output()}"
                   f"\nconsole:\n{self.shell.console()}")
        assert self.status is not None, f"the machine died:\n{self.shell.console()}"
        return self.status


class Shell:
    """Commands for a machine's agent, which is at the other end of a serial line."""

    def __init__(self, lab, shared):
        self.lab, self.shared = lab, shared
        self.names = itertools.count()
        self.running = {}

    def connect(self, source, sink):
        """Waits until the machine takes commands from `sink`; its answers come from `source`."""
        # Opened for both ways, so that neither side waits for the other.
        self.commands = os.fdopen(os.open(sink, os.O_RDWR), "w")
        self.lab.undo.callback(self.commands.close)
        threading.Thread(target=self.listen, args=[os.open(source, os.O_RDWR)], daemon=True).start()
        wait_until(lambda: (self.shared / "started").exists() or not self.alive(), BOOT_SECONDS,
                   "machine's boot")
        assert self.alive(), f"the machine died:\n{self.console()}"

    def listen(self, source):
        with os.fdopen(source, "r", errors="replace") as lines:
            for line in lines:
                words = line.split()
                if len(words) == 3 and words[0] == "done" and words[1] in self.running:
                    self.running.pop(words[1]).status = int(words[2])

    def alive(self):
        return True

    def console(self):
        return "".join(path.read_text(errors="replace")[-4000:]
                       for path in (self.shared / "qemu.log", self.shared / "console.log")
                       if path.exists())

    def start(self, text):
        """Starts a shell command and returns it."""
        name = f"command{os.getpid()}-{next(self.names)}"
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
        assert status == 0, f"`{text}` in the machine: exit status {status}\n{command.output()}" \
                            f"\nconsole:\n{self.console()}"
        return command.output()

    def load(self, *modules):
        for module in modules:
            self.run(f"modprobe -d /run/kernel {module}")


class Machine(Shell):
    """Boots at once; ends with the lab.

    `kernel` is a folder of CACHE, `shared` the folder that is /run/shared there, `devices` are more
    arguments for QEMU. `disk` is the size of an ext4 of its own on /tmp. `image` is a whole root, instead
    of this machine's, and runs /run/shared/agent itself. Commands come from `line`, a QEMU character
    device, or from here after boot().
    """

    def __init__(self, lab, kernel, shared, *, netns=None, cpus=1, memory=1024, line=None,
                 devices=(), disk=0, image=None):
        super().__init__(lab, shared)
        shared.mkdir(parents=True)
        home = Path(tempfile.mkdtemp(prefix="machine-", dir=lab.path))
        kernel = CACHE / kernel
        build_initramfs(kernel, home / "initrd", ROOT_INIT if image else INIT)
        self.pipe = home / "agent"
        for way in ("in", "out"):
            os.mkfifo(f"{self.pipe}.{way}")
        self.fast = kvm_works(kernel)
        accel = ["kvm", "-cpu", "host"] if self.fast else ["tcg,thread=multi", "-cpu", "max"]
        argv = ["qemu-system-x86_64", "-accel", *accel, "-m", str(memory), "-smp", str(cpus),
                "-nodefaults", "-nographic", "-no-reboot", "-serial", f"file:{shared}/console.log",
                "-serial", line or f"pipe:{self.pipe}", "-kernel", kernel / "vmlinuz",
                "-initrd", home / "initrd",
                "-append", "console=ttyS0 panic=-1 oops=panic quiet mitigations=off net.ifnames=0 "
                "rcupdate.rcu_expedited=1 no_timer_check",
                *devices]
        if disk:
            image = home / "disk"
            image.touch()
            os.truncate(image, disk)
            subprocess.run(["mkfs.ext4", "-q", "-F", image], check=True)
        if image:
            argv += ["-drive", f"if=virtio,format=raw,cache=unsafe,file={image}"]
        # The project may lie below a folder that the machine has of its own.
        for tag, path, mode in (("root", "/", "ro"), ("kernel", kernel / "modules", "ro"),
                                ("project", ROOT, "ro"), ("shared", shared, "rw")):
            readonly = "readonly=on," if mode == "ro" else ""
            argv += ["-fsdev",
                     f"local,id={tag},path={path},{readonly}security_model=none,multidevs=remap",
                     "-device", f"virtio-9p-pci,fsdev={tag},mount_tag={tag}"]
        (shared / "project").write_text(str(ROOT))
        (shared / "agent").write_text(AGENT)
        self.child = lab.spawn(argv, netns, stdin=subprocess.DEVNULL,
                               stdout=open(shared / "qemu.log", "w"), stderr=subprocess.STDOUT)

    def boot(self):
        """Waits until it takes commands from here."""
        self.connect(f"{self.pipe}.out", f"{self.pipe}.in")

    def alive(self):
        return self.child.poll() is None
