# SPDX-License-Identifier: Apache-2.0
"""Streams of varve's own, with checksums that hold over what lies."""

import struct

from attack_case import ANSWERED, REFUSED, Case, mutants
from attack_target import request

MINIMUM = 300
TARGET = "/api/v1/import/native"


def crc32c(data, crc=0):
    crc = ~crc & 0xFFFFFFFF
    for byte in data:
        crc = CRC_TABLE[(crc ^ byte) & 0xFF] ^ crc >> 8
    return ~crc & 0xFFFFFFFF


def crc_table():
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        yield byte


CRC_TABLE = tuple(crc_table())


def varint(number):
    data = bytearray()
    while number > 127:
        data.append(number & 127 | 128)
        number >>= 7
    data.append(number)
    return bytes(data)


def header(magic=b"VARVESTM", version=1, size=32, flags=0, precision=1, rest=bytes(11)):
    data = magic + struct.pack("<HHIB", version, size, flags, precision) + rest
    return data + struct.pack("<I", crc32c(data))


def block(before, payload, number=0, kind=1, flags=0, zero=0, size=None, unpacked=None):
    """A block behind `before`, whose last checksum it covers."""
    size = len(payload) if size is None else size
    unpacked = size if unpacked is None else unpacked
    head = struct.pack("<BBHIIII", kind, flags, zero, number & 0xFFFFFFFF, size & 0xFFFFFFFF,
                       unpacked & 0xFFFFFFFF, crc32c(payload))
    return head + struct.pack("<I", crc32c(before + head)) + payload


def series(metric, *labels):
    parts = [metric, *(text for label in labels for text in label)]
    return b"".join(struct.pack("<H", len(part)) + part for part in parts)


def column(name=b"value", kind=1, values=struct.pack("<d", 1.5), name_size=None):
    return varint(len(name) if name_size is None else name_size) + name + bytes([kind]) + values


def run(name=series(b"badn", (b"host", b"a")), rows=1, fields=1, times=b"\x02", columns=column(), name_size=None):
    return varint(len(name) if name_size is None else name_size) + name + varint(rows) + varint(fields) + times + columns


def stream(payload, counts=(1, 1, 1), head=None, **more):
    head = header() if head is None else head
    first = block(head[-4:], payload, **more)
    end = block(first[20:24], struct.pack("<QQQ", *counts), number=1, kind=2)
    return head + first + end


HEADERS = (
    ("another magic", {"magic": b"VARVESTN"}), ("version 0", {"version": 0}), ("version 2", {"version": 2}),
    ("version 65535", {"version": 65535}), ("a length of 0", {"size": 0}), ("a length of 31", {"size": 31}),
    ("a length of 65535", {"size": 65535}), ("a flag", {"flags": 1}), ("all flags", {"flags": 0xFFFFFFFF}),
    ("precision 0", {"precision": 0}), ("precision 5", {"precision": 5}), ("precision 255", {"precision": 255}),
)
BLOCKS = (
    ("a kind below 128", {"kind": 3}), ("kind 0", {"kind": 0}), ("an unknown flag", {"flags": 2}),
    ("bytes that are not zero", {"zero": 1}), ("number 1", {"number": 1}), ("number -1", {"number": -1}),
    ("a size of 0", {"size": 0}), ("a size of one more", {"size": 1 + len(run())}), ("a size of -1", {"size": -1}),
    ("a size of 2 GiB", {"size": 1 << 31}), ("an unpacked size of 0", {"unpacked": 0}),
    ("an unpacked size of one more", {"unpacked": 1 + len(run())}), ("an unpacked size of -1", {"unpacked": -1}),
    ("zstd that is none", {"flags": 1}), ("zstd that is none, of 4 GiB", {"flags": 1, "unpacked": -1}),
)
RUNS = (
    ("nothing", b""),
    ("no series before", b"\0" + run()[len(varint(0)):]),
    ("a name beyond the end", run(name_size=1 << 20)),
    ("a name of 2^64 - 1", run(name_size=(1 << 64) - 1)),
    ("a varint of 11 bytes", b"\xff" * 11 + run()),
    ("a metric beyond its name", run(struct.pack("<H", 65535) + b"badn")),
    ("no metric", run(series(b""))),
    ("no UTF-8", run(series(b"badn\xff"))),
    ("a label without value", run(struct.pack("<H", 4) + b"badn" + struct.pack("<H", 1) + b"a")),
    ("labels out of order", run(series(b"badn", (b"b", b"1"), (b"a", b"2")))),
    ("a label twice", run(series(b"badn", (b"a", b"1"), (b"a", b"2")))),
    ("a label without name", run(series(b"badn", (b"", b"1")))),
    ("300 labels", run(series(b"badn", *((b"l%03d" % i, b"x") for i in range(300))))),
    ("0 rows", run(rows=0, times=b"")),
    ("4097 rows", run(rows=4097, times=b"\2" * 4097, columns=column(values=bytes(8 * 4097)))),
    ("2^63 rows", run(rows=1 << 63)),
    ("0 fields", run(fields=0, columns=b"")),
    ("1025 fields", run(fields=1025, columns=b"".join(column(b"f%04d" % i) for i in range(1025)))),
    ("2^63 fields", run(fields=1 << 63)),
    ("values beyond the bound", run(rows=4096, fields=1024, times=b"\2" * 4096)),
    ("no times", run(times=b"", columns=b"")),
    ("a time cut", run(times=b"\x80", columns=b"")),
    ("no column", run(columns=b"")),
    ("a column without name", run(columns=column(b""))),
    ("a name beyond the payload", run(columns=column(name_size=200))),
    ("a name of 257 bytes", run(columns=column(b"n" * 257))),
    ("a name without UTF-8", run(columns=column(b"\xff"))),
    ("columns out of order", run(fields=2, columns=column(b"b") + column(b"a"))),
    ("a column twice", run(fields=2, columns=column(b"a") + column(b"a"))),
    ("type 0", run(columns=column(kind=0))),
    ("marks of a float", run(columns=column(kind=1 | 16, values=b"\1" + struct.pack("<d", 1)))),
    ("no coding", run(columns=column(kind=1 | 7 << 5))),
    ("nobody present", run(columns=column(kind=1 | 8, values=b"\0"))),
    ("all present", run(columns=column(kind=1 | 8, values=b"\1" + struct.pack("<d", 1)))),
    ("presence behind the last row", run(rows=2, times=b"\2\2", columns=column(kind=1 | 8, values=b"\xfd" + struct.pack("<d", 1)))),
    ("10 digits", run(columns=column(kind=1 | 2 << 5, values=b"\x0a\2"))),
    ("255 digits", run(columns=column(kind=1 | 2 << 5, values=b"\xff\2"))),
    ("a bool of two bits", run(columns=column(kind=4, values=b"\2"))),
    ("a string beyond the payload", run(columns=column(kind=6, values=varint(1000) + b"x"))),
    ("a string of 2^64 - 1", run(columns=column(kind=6, values=varint((1 << 64) - 1) + b"x"))),
    ("strings whose sizes overflow", run(rows=2, times=b"\2\2", columns=column(kind=6, values=varint((1 << 64) - 1) + b"\2x"))),
    ("a string without UTF-8", run(columns=column(kind=6, values=b"\2\xff\xff"))),
    ("marks behind the last", run(columns=column(kind=6 | 16, values=b"\xfe\1x"))),
    ("a histogram of nothing", run(columns=column(kind=7, values=b"\0"))),
    ("a histogram of rubbish", run(columns=column(kind=7, values=b"\x20" + b"\xff" * 32))),
    ("bytes behind the last run", run() + b"\1"),
    ("a plain value cut", run(columns=column(values=b"\0" * 7))),
    ("planes cut", run(columns=column(kind=1 | 3 << 5, values=b"\0" * 7))),
)


def send(data, headers=()):
    return request("POST", TARGET, headers, data)


def cases():
    good = run(series(b"taken", (b"host", b"a")))
    yield Case("a good stream", send(stream(good)), (204,))
    for name, fields in HEADERS:
        yield Case(f"header: {name}", send(stream(run(), head=header(**fields))), (4,))
    # Kept for later versions, and not looked at: a later meaning that matters comes with a flag.
    yield Case("a header with bytes that are not zero", send(stream(good, head=header(rest=b"\1" * 11))), ANSWERED)
    for name, fields in BLOCKS:
        yield Case(f"block: {name}", send(stream(run(), **fields)), (4,))
    for name, payload in RUNS:
        yield Case(f"run: {name}", send(stream(payload)), (4,))
    for name, counts in (("of blocks", (2, 1, 1)), ("of runs", (1, 0, 1)), ("of rows", (1, 1, 1 << 63))):
        yield Case(f"a wrong count {name}", send(stream(good, counts)), (4,))
    whole = stream(good)
    yield Case("no end", send(whole[:-48]), (4,))
    yield Case("two streams", send(whole * 2), (4,))
    yield Case("a byte behind the end", send(whole + b"\0"), (4,))
    yield Case("a header alone", send(whole[:32]), (4,))
    yield Case("a block twice", send(whole[:32] + whole[32:-48] * 2 + whole[-48:]), (4,))
    yield Case("an optional block", send(stream(good, (0, 0, 0), kind=200)), ANSWERED)
    yield Case("1000000 heads of nothing", send(header() + bytes(24) * 1000000), REFUSED)
    for size in range(len(whole)):
        yield Case(f"cut after {size} bytes", send(whole[:size]), (4,) if size else ANSWERED)
    for place in range(len(whole)):
        data = bytearray(whole)
        data[place] ^= 0x10
        yield Case(f"byte {place} changed", send(bytes(data)), (4,))
    for name, data in mutants("payload", good, 60):
        yield Case(name, send(stream(data)), ANSWERED)
