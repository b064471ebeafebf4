# SPDX-License-Identifier: Apache-2.0
"""Bodies that say they are gzip, deflate or zstd."""

import gzip
import random
import struct
import zlib

from attack_case import ANSWERED, SEED, Case
from attack_target import CUT, gzip_bomb, load, rows, write, zstd_frame

MINIMUM = 400
# Lines are stored as they come, before the end turns out to be wrong.
PLAIN = b"packed value=1 1\npacked value=2 2\n" * 3
DOORS = (("lines", write), ("import", load), ("rows", rows))
GZIP, ZSTD, DEFLATE = (("Content-Encoding: " + name,) for name in ("gzip", "zstd", "deflate"))


def zstd_sample():
    return zstd_frame((0, len(PLAIN), PLAIN))


def packed():
    """(name, header, whole bytes)"""
    yield "gzip", GZIP, gzip.compress(PLAIN, mtime=0)
    yield "deflate", DEFLATE, zlib.compress(PLAIN)
    yield "zstd", ZSTD, zstd_sample()


def cuts():
    for name, header, whole in packed():
        for size in range(1, len(whole)):
            yield Case(f"{name} cut after {size} bytes", write(whole[:size], header), (400,))


def flips():
    """One bit changed: some bits mean nothing, such as the time of a gzip header."""
    source = random.Random(SEED)
    for name, header, whole in packed():
        sound = whole.replace(b"packed", b"turned")
        if name != "zstd":
            plain = PLAIN.replace(b"packed", b"turned")
            sound = gzip.compress(plain, mtime=0) if name == "gzip" else zlib.compress(plain)
        for place in range(len(sound)):
            data = bytearray(sound)
            data[place] ^= 1 << source.randrange(8)
            yield Case(f"{name} with a bit of byte {place} changed", write(bytes(data), header), ANSWERED)


def made_up():
    whole = gzip.compress(PLAIN, mtime=0)
    deflated = whole[10:-8]
    trailer = whole[-8:]

    def with_flags(flags, extra=b""):
        return whole[:3] + bytes([flags]) + whole[4:10] + extra + deflated + trailer

    yield "a wrong checksum", whole[:-8] + bytes([trailer[0] ^ 1]) + trailer[1:], GZIP, (400,)
    yield "a wrong size", whole[:-1] + b"\xff", GZIP, (400,)
    yield "reserved flags", with_flags(0xE0), GZIP, (400,)
    yield "another method", whole[:2] + b"\x07" + whole[3:], GZIP, (400,)
    yield "an extra field beyond the end", with_flags(4, b"\xff\xff"), GZIP, (400,)
    yield "a name without end", whole[:3] + b"\x08" + whole[4:10] + b"x" * 100000, GZIP, (400, 413)
    yield "bytes behind the end", whole + b"more", GZIP, (400,)
    yield "a second member that is cut", whole * 2 + whole[:9], GZIP, (400,)
    yield "no gzip at all", PLAIN, GZIP, (400,)
    yield "no deflate at all", PLAIN, DEFLATE, (400,)
    yield "no zstd at all", PLAIN, ZSTD, (400,)
    yield "nothing, as gzip", b"", GZIP, ANSWERED
    yield "packed twice, said once", gzip.compress(whole), GZIP, (400,)
    yield "packed twice, said twice", gzip.compress(whole), ("Content-Encoding: gzip, gzip",), (415,)
    yield "two headers", gzip.compress(whole), GZIP * 2, (415,)
    yield "gzip, identity", whole, ("Content-Encoding: gzip, identity",), (415,)
    yield "an encoding of no name", PLAIN, ("Content-Encoding: ,",), (4,)
    yield "no such encoding", PLAIN, ("Content-Encoding: br",), (415,)
    yield "compress", PLAIN, ("Content-Encoding: compress",), (415,)
    yield "a stored block that lies", whole[:10] + b"\x01\x05\x00\x00\x00aaaaa" + trailer, GZIP, (400,)
    yield "a reserved block type", whole[:10] + b"\x07" + trailer, GZIP, (400,)
    yield "a distance before the start", whole[:10] + b"\x4b\x04\x42\x00" + trailer, GZIP, (400,)
    yield "a preset dictionary", b"\x78\xbb" + b"\0\0\0\1" + deflated, DEFLATE, (400,)
    yield "a window of 64 KiB", b"\x88\x1c" + deflated, DEFLATE, (400,)


def made_up_zstd():
    magic = struct.pack("<I", 0xFD2FB528)
    yield "a window of 2 GiB", zstd_frame((1, 9, b"\n"), window=0xA8), (4,)
    yield "a window of 16 MiB", zstd_frame((1, 9, b"\n"), window=0x70), (4,)
    yield "a window of 2^41", zstd_frame((1, 9, b"\n"), window=0xFF), (4,)
    yield "a reserved block", zstd_frame((3, 9, b"\n")), (400,)
    yield "a reserved bit", zstd_frame((1, 9, b"\n"), descriptor=8), (400,)
    yield "a content of 2^64 - 1", magic + b"\xe0" + b"\xff" * 8 + b"\x09\0\0x", (4,)
    yield "a content of 2^63 in no byte", magic + b"\xe0" + b"\0" * 7 + b"\x80", (4,)
    yield "a dictionary that nobody has", magic + b"\x23\xff\xff\xff\xff\x09" + b"\x09\0\0x", (4,)
    yield "a block larger than the window", zstd_frame((1, (1 << 21) - 1, b"\n")), (4,)
    yield "a checksum that is none", zstd_frame((0, len(PLAIN), PLAIN), descriptor=4) + b"\0\0\0\0", (400,)
    yield "a compressed block of rubbish", zstd_frame((2, len(PLAIN), PLAIN)), (400,)
    yield "a frame to skip beyond the end", struct.pack("<II", 0x184D2A50, 0xFFFFFFFF) + b"x" * 100, (400,)
    yield "an old magic number", struct.pack("<I", 0xFD2FB527) + PLAIN, (400,)
    yield "a second frame of rubbish", zstd_sample() + PLAIN, (400,)


def bombs():
    line = gzip_bomb(7 << 20, b"x" * (1 << 20))
    blank = zstd_frame(*((1, 1 << 17, b"\n"),) * 4000)
    yield Case("gzip: one line of 16 GiB", write(line * 2 + line[10:], GZIP), (413, CUT))
    for name, door in DOORS:
        # What is refused is read on up to 8 MiB, so that the client sees the answer.
        yield Case(f"gzip: one line of 7 GiB at {name}", door(line, GZIP), (413,))
        yield Case(f"zstd: 512 MiB in 16 KB at {name}", door(blank, ZSTD), (413,))
    skipped = struct.pack("<II", 0x184D2A50, 0) * 50000
    yield Case("50000 frames to skip", write(skipped + zstd_frame((0, 15, b"good value=3 3\n")), ZSTD), (204,))
    members = gzip.compress(b"", mtime=0) * 20000 + gzip.compress(b"good value=3 3\n", mtime=0)
    yield Case("20000 empty members", write(members, GZIP), (204, 4))


def cases():
    yield from cuts()
    yield from flips()
    for door_name, door in DOORS:
        for name, body, header, expected in made_up():
            is_empty = not body and door_name == "rows"
            yield Case(f"{name}, at {door_name}", door(body, header), (400,) if is_empty else expected)
        for name, body, expected in made_up_zstd():
            yield Case(f"zstd: {name}, at {door_name}", door(body, ZSTD), expected)
    yield from bombs()
