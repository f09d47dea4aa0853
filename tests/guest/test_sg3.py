# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""sg3-utils through the stock kernel: what commands do, and what units say of themselves.

Two units of 16 MiB, and two initiators that see both.
"""

import os
import re

import pytest

from lab import Lab, pattern, wait_until
from open_iscsi import IQN, PORTALS, TOOLS, lay_out, need, with_portals

UNITS = IQN + "units"
SIZE = 16 << 20
MIB = 1 << 20


@pytest.fixture(scope="module")
def setup():
    need((*TOOLS, "sg_xcopy", "sg_persist"))
    lab = Lab()
    try:
        files = [lab.disk(SIZE), lab.disk(SIZE)]
        luns = [word for number, file in enumerate(files) for word in ("--lun", f"{number}={file}")]
        bed = lay_out(lab, ["--iscsi", UNITS, *with_portals(1, 1), *luns, "--allow", "any"])
        bed.files = files
        initiator = bed.initiator
        initiator.discover()
        initiator.admin("-m iface -I other -o new")
        initiator.admin(f"-m iface -I other -o update -n iface.initiatorname -v {IQN}other")
        initiator.admin(f"-m discovery -t sendtargets -p {PORTALS[0]} -I default -I other")
        initiator.login(UNITS)
        first = wait_until(lambda: len(initiator.devices()) == 2 and initiator.devices(), 20, "two disks")
        bed.units = initiator.by_lun(first)
        initiator.login(UNITS, iface="other")
        all_four = wait_until(lambda: len(initiator.devices()) == 4 and initiator.devices(), 20, "four disks")
        bed.others = initiator.by_lun(all_four - first)
        yield bed
    finally:
        lab.close()


@pytest.fixture
def disk(setup):
    """The first unit, with its pattern."""
    write(setup, 0, 0, pattern(0, SIZE // 512))
    return setup.units[0]


@pytest.fixture
def second(setup):
    write(setup, 1, 0, pattern(0, SIZE // 512, salt=1))
    return setup.units[1]


def write(setup, unit, at, data):
    with open(setup.files[unit], "r+b") as file:
        file.seek(at)
        file.write(data)


def content(setup, unit, at, size):
    with open(setup.files[unit], "rb") as file:
        file.seek(at)
        return file.read(size)


# ---- what a unit says of itself ---------------------------------------------------------------------


def test_units_and_names(guest, disk, second):
    assert re.findall(r"^ +([0-9a-f]{16})$", guest.run(f"sg_luns {disk}"), re.M) == [
        16 * "0", "0001" + 12 * "0"]
    inquiry = guest.run(f"sg_inq {disk}")
    for word in ("Vendor identification: STGT-XDP", "CmdQue=1", "TPGS=3", "3PC=1", "RMB=0"):
        assert word in inquiry, inquiry
    names = [guest.run(f"sg_vpd -p di {unit}") for unit in (disk, second)]
    assert [re.search(r"NAA,.*\n\s+0x[36]\w+", shown)[0] for shown in names] != 2 * [
        re.search(r"NAA,.*\n\s+0x[36]\w+", names[0])[0]], names
    for word in (f"{UNITS},t,0x0001", "Relative target port: 0x1", "Target port group: 0x1"):
        assert word in names[0], names[0]
    assert f"Last LBA={SIZE // 512 - 1}" in guest.run(f"sg_readcap --16 {disk}")


def test_every_vpd_page(guest, disk):
    pages = guest.run(f"sg_vpd -p sv {disk}")
    for page in ("Supported VPD pages", "Unit serial number", "Device identification",
                 "Extended inquiry data", "Third party copy", "Block limits (SBC)",
                 "Block device characteristics (SBC)", "Logical block provisioning (SBC)"):
        assert f"{page} [" in pages, pages
    codes = re.findall(r"\[(0x[0-9a-f]+|sv|sn|di|ei|tpc|bl|bdc|lbpv)\]", pages)
    assert len(codes) >= 8, pages
    everything = guest.run("; ".join(f"sg_vpd -p {code} {disk}" for code in codes))
    assert "error" not in everything.lower().replace("informational", ""), everything
    for line in ("Maximum compare and write length: 255 blocks", "Maximum unmap block descriptor count: 256",
                 "Unmap command supported (LBPU): 1", "Write same (16) with unmap bit supported (LBPWS): 1",
                 "SIMPSUP=1", "Third party copy VPD page"):
        assert line in everything, everything


def test_mode_pages(guest, disk):
    modes = guest.run(f"sg_modes -a {disk}")
    for page in ("Caching", "Control", "Informational exceptions control"):
        assert f">> {page}, page_control: current" in modes, modes
    queue = f"/sys/block/{os.path.basename(disk)}/queue/write_cache"
    assert guest.run(f"cat {queue}").strip() == "write back"
    # Byte 2, bit 2 of the Caching page is WCE: off, seen, on again.
    for bit, word in ((0, "0"), (4, "4")):
        guest.run(f"sg_wr_mode --page=8 --contents=8,12,{bit} --mask=0,0,4 {disk}")
        assert re.search(rf"^ 00 +88 12 0{word} ", guest.run(f"sg_modes -p 8 {disk}"), re.M)


def test_commands_that_it_says_it_has(guest, disk):
    commands = guest.run(f"sg_opcodes {disk}")
    for name in ("Read(16)", "Unmap", "Compare and write", "Get LBA status", "Report luns",
                 "Extended copy", "Persistent reserve out", "Sanitize", "Set target port groups"):
        assert name in commands, commands
    one = guest.run(f"sg_opcodes --opcode=0x89 {disk}")
    assert "Command is supported" in one and "Usage data: 89 f8 ff" in one, one
    assert "Command is NOT supported" in guest.run(f"sg_opcodes --opcode=0x04 {disk}")
    functions = guest.run(f"sg_opcodes --tmf {disk}")
    for name in ("Abort task", "Abort task set", "Clear task set", "Logical unit reset"):
        assert name in functions, functions


# ---- what commands do -------------------------------------------------------------------------------


def lba_status(guest, disk, lba):
    """(blocks, what they are) from there on."""
    shown = guest.run(f"sg_get_lba_status --lba={lba} {disk}")
    return re.search(r"blocks:\s+(\d+)\s+(\w+)", shown).groups()


def test_unmap_and_lba_status(setup, guest, disk):
    """What is unmapped is zero there, says so, and takes no place in the file."""
    assert lba_status(guest, disk, 2048)[1] == "mapped"
    guest.run(f"sg_unmap --lba=2048 --num=2048 --force {disk}")
    assert lba_status(guest, disk, 0) == ("2048", "mapped")
    assert lba_status(guest, disk, 2048) == ("2048", "deallocated")
    assert content(setup, 0, 0, 3 * MIB) == pattern(0, 2048) + bytes(MIB) + pattern(4096, 2048)
    with open(setup.files[0], "rb") as file:
        assert os.lseek(file.fileno(), MIB, os.SEEK_DATA) == 2 * MIB


def test_write_same(setup, guest, disk):
    guest.run("yes | head -c 512 > /tmp/block")
    guest.run(f"sg_write_same --10 --in=/tmp/block --lba=8 --num=16 {disk}")
    guest.run(f"sg_write_same --16 --in=/tmp/block --lba=100 --num=1 {disk}")
    guest.run(f"sg_write_same --16 --ndob --lba=200 --num=2 {disk}")
    guest.run(f"sg_write_same --16 --unmap --lba=4096 --num=4096 {disk}")
    expected = bytearray(pattern(0, 8192))
    expected[8 * 512:24 * 512] = 16 * 256 * b"y\n"
    expected[100 * 512:101 * 512] = 256 * b"y\n"
    expected[200 * 512:202 * 512] = bytes(1024)
    expected[4096 * 512:] = bytes(2 * MIB)
    assert content(setup, 0, 0, 4 * MIB) == expected
    assert lba_status(guest, disk, 4096) == ("4096", "deallocated")


def test_compare_and_write(setup, guest, disk):
    write(setup, 0, 0, bytes(4096))
    guest.run("(head -c 512 /dev/zero; yes | head -c 512) > /tmp/both")
    command = f"sg_compare_and_write --in=/tmp/both --lba=4 --num=1 {disk}"
    guest.run(command)
    assert content(setup, 0, 2048, 1024) == b"y\n" * 256 + bytes(512)
    status, shown = guest.run(command, check=False)
    assert status == 14 and "Miscompare at byte offset: 0" in shown, shown


def test_verify(guest, disk):
    """What is there is good; what is not as it was sent is a miscompare."""
    guest.run(f"sg_verify --16 --lba=0 --count=2048 {disk}")
    guest.run(f"dd if={disk} of=/tmp/piece bs=512 skip=8 count=2 iflag=direct")
    compare = f"sg_verify --16 --ndo=1024 --in=/tmp/piece --count=2 {disk} --lba="
    guest.run(compare + "8")
    assert guest.run(compare + "9", check=False)[0] == 14


def test_extended_copy(setup, guest, disk, second):
    """From unit to unit; nothing of it crosses the network."""
    before = setup.target.json("status")["sessions"]
    source, sink = (f"$(basename /sys/block/{os.path.basename(unit)}/device/scsi_generic/*)"
                    for unit in (disk, second))
    guest.run(f"sg_xcopy if=/dev/{source} of=/dev/{sink} bs=512 skip=1000 seek=3000 count=5000 id_usage=hold "
              "list_id=7")
    after = setup.target.json("status")["sessions"]
    assert content(setup, 1, 0, SIZE) == (pattern(0, 3000, salt=1) + pattern(1000, 5000) +
                                          pattern(8000, SIZE // 512 - 8000, salt=1))
    assert content(setup, 0, 0, SIZE) == pattern(0, SIZE // 512)
    moved = sum(s["read_bytes"] for s in after) - sum(s["read_bytes"] for s in before)
    assert moved < 100_000
    limits = guest.run(f"sg_copy_results --params {disk}")
    assert "Segment descriptor 0x02: Copy from block device to block device" in limits, limits
    status = guest.run(f"sg_copy_results --status --list_id=7 {second}")
    assert "Operation completed without errors" in status, status


def test_sanitize(setup, guest, second):
    guest.run("printf 'over' > /tmp/pattern")
    guest.run(f"sg_sanitize --overwrite --pattern=/tmp/pattern --quick --wait {second}")
    assert content(setup, 1, 0, SIZE) == b"over" * (SIZE // 4)
    guest.run(f"sg_sanitize --block --quick --wait {second}")
    assert content(setup, 1, 0, SIZE) == bytes(SIZE)
    assert lba_status(guest, second, 0)[1] == "deallocated"
    status, shown = guest.run(f"sg_sanitize --crypto --quick --wait {second}", check=False)
    assert status == 5 or "not supported" in shown or "nvalid" in shown, shown


def test_self_test(guest, disk):
    """SEND DIAGNOSTIC: the default self-test is good."""
    shown = guest.run(f"sg_senddiag --test {disk}")
    assert "returned GOOD status" in shown, shown


def test_reset(guest, disk):
    """The kernel's way out of trouble: a reset of the unit, after which it goes on."""
    guest.run(f"sg_reset --device {disk}")
    guest.run(f"dd if={disk} of=/dev/null bs=64k count=8 iflag=direct")
    guest.run(f"sg_turs {disk}; sg_sync {disk}")


# ---- two initiators -----------------------------------------------------------------------------------


def test_two_initiators_fence_each_other(setup, guest, disk):
    """Persistent reservations: who is preempted cannot write any more."""
    one, other = disk, setup.others[0]

    def writes(disk):
        return guest.run(f"dd if=/dev/zero of={disk} count=1 oflag=direct conv=nocreat",
                         check=False)[0] == 0

    assert writes(one) and writes(other)
    guest.run(f"sg_persist -o -G -S 0xa {one}; sg_persist -o -R -K 0xa -T 5 {one}")
    assert "Write Exclusive, registrants only" in guest.run(f"sg_persist -i -r {other}")
    assert writes(one) and not writes(other)
    guest.run(f"sg_persist -o -G -S 0xb {other}")
    assert writes(other)
    guest.run(f"sg_persist -o -A -K 0xb -S 0xa -T 5 {other}")
    assert writes(other) and not writes(one)
    keys = guest.run(f"sg_persist -i -k {other}")
    assert "0xb" in keys and "0xa" not in keys, keys
    guest.run(f"sg_persist -o -C -K 0xb {other}")
    assert writes(one) and writes(other)


def test_registrations_and_their_owners(setup, guest, disk):
    one, other = disk, setup.others[0]
    for key, path in (("0xa", one), ("0xb", other)):
        guest.run(f"sg_persist -o -G -S {key} {path}")
    guest.run(f"sg_persist -o -R -K 0xb -T 3 {other}")
    capabilities = guest.run(f"sg_persist -i -c {one}")
    for word in ("Persist Through Power Loss Capable(PTPL_C): 1", "Exclusive Access, all registrants: 1"):
        assert word in capabilities, capabilities
    status = guest.run(f"sg_persist -i -s {one}")
    owners = re.findall(r"Key=0x(\w+).*?(<< Reservation holder >>|not reservation holder).*?"
                        r"iSCSI .*?: (\S+?),i", status, re.S | re.I)
    assert {(key, name, "holder >>" in holds) for key, holds, name in owners} == {
        ("a", IQN + "guest", False), ("b", IQN + "other", True)}, status
    # Exclusive access: not even reading.
    read = f"dd if={one} of=/dev/null count=1 iflag=direct"
    assert guest.run(read, check=False)[0] != 0
    guest.run(f"sg_persist -o -L -K 0xb -T 3 {other}")
    guest.run(read)
    guest.run(f"sg_persist -o -C -K 0xb {other}")
    # Who was registered is told that he no longer is.
    assert "Reservations preempted" in guest.run(f"sg_persist -i -k {one}", check=False)[1]
    assert "NO registered reservation keys" in guest.run(f"sg_persist -i -k {one}")
