#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Seeds the AoE fuzzers' corpora from the golden tests' inputs.

    tests/fuzz/make_corpus.py DIR       writes DIR/classify, DIR/aoe_codec and DIR/aoe_rx

The corpora in tests/fuzz/corpus are such seeds and what fuzzing found since, minimised:
`build/fuzz/NAME -merge=1 tests/fuzz/corpus/NAME DIR/NAME`.
"""

import struct
import sys
from pathlib import Path

GOLDEN = Path(__file__).resolve().parent.parent / "golden"
LONGEST = 1200  # bytes of a frame worth a seed
OP_FRAME, OP_RELEASE, OP_HOLD, OP_SENT, OP_ANNOUNCE, OP_MTU, OP_TUNE, OP_TIME = range(8)


def frames(path):
    data = path.read_bytes()[24:]
    while data:
        length = struct.unpack_from("<I", data, 8)[0]
        yield data[16:16 + length]
        data = data[16 + length:]


def operation(frame, cuts=b""):
    return struct.pack("BB", OP_FRAME, len(cuts)) + cuts + struct.pack(">H", len(frame)) + frame


def main():
    out = Path(sys.argv[1])
    for name in ("classify", "aoe_codec", "aoe_rx"):
        (out / name).mkdir(parents=True, exist_ok=True)
    for path in sorted(GOLDEN.glob("*.in.pcap")):
        case = path.name.split(".")[0]
        short = [frame for frame in frames(path) if len(frame) <= LONGEST]
        for i, frame in enumerate(short):
            (out / "classify" / f"{case}-{i}").write_bytes(frame[:64])
            (out / "aoe_codec" / f"{case}-{i}").write_bytes(b"\2\0\x11\0\x07" + frame[:128])
        script = b"".join(operation(frame) + bytes([OP_SENT]) for frame in short)
        (out / "aoe_rx" / case).write_bytes(script)
        held = bytes([OP_HOLD]) + b"".join(operation(frame, b"\x10\x01\x09") for frame in short[:8])
        (out / "aoe_rx" / f"{case}-held").write_bytes(held + bytes([OP_RELEASE, OP_SENT, OP_MTU])
                                                      + b"\x05\xdc" + bytes([OP_ANNOUNCE]))

        tuned = b"".join(bytes([OP_TUNE, i]) + operation(frame) + bytes([OP_TIME, 0, 50])
                         for i, frame in enumerate(short))
        (out / "aoe_rx" / f"{case}-tuned").write_bytes(tuned + bytes([OP_TIME, 4, 0, OP_SENT]))


main()
