# SPDX-License-Identifier: Apache-2.0
"""Kilobytes of gzip that unpack to 120 MiB of lines which say nothing, or nothing that can be stored."""

import struct
import zlib

from attack_case import Case
from attack_target import request

MINIMUM = 50
BLOCK_BYTES = 1 << 20
BLOCKS = 120
GZIP = ("Content-Encoding: gzip",)

LINES, IMPORT, CSV, PROMETHEUS = "/write", "/api/v1/import", "/api/v1/import/csv?format=1:metric:bad", "/api/v1/import/prometheus"
DOORS = (LINES, IMPORT, CSV, PROMETHEUS)
WITH_COMMENTS = (LINES, PROMETHEUS)
WITH_BLANKS = WITH_COMMENTS + (IMPORT,)

# (name, lines, doors where they say nothing; elsewhere they are bad)
KINDS = (
    ("line feeds", b"\n", DOORS),
    ("carriage returns and line feeds", b"\r\n", DOORS),
    ("lines of a space", b" \n", WITH_BLANKS),
    ("lines of a tab", b"\t\n", WITH_BLANKS),
    ("lines of 1023 spaces", b" " * 1023 + b"\n", WITH_BLANKS),
    ("comments", b"#\n", WITH_COMMENTS),
    ("comments of a letter", b"# c\n", WITH_COMMENTS),
    ("comments of 1 KiB", b"#" + b"x" * 1022 + b"\n", WITH_COMMENTS),
    ("blanks before comments", b"  \t# c\r\n", WITH_COMMENTS),
    ("descriptions", b"# HELP a\n# TYPE a gauge\n", WITH_COMMENTS),
    ("all of these", b"\n\r\n \n#\n  \t\r\n# c\n", WITH_COMMENTS),
    ("bad lines", b"bad\n", ()),
    ("bad lines, each of its own kind", b"bad\nbad,\nbad =\nbad v=1,\n", ()),
)


def bomb(lines):
    """Whole lines, again and again; a block is compressed once."""
    block = (lines * (BLOCK_BYTES // len(lines))).ljust(BLOCK_BYTES, b"\n")
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = deflate.compress(block) + deflate.flush(zlib.Z_FULL_FLUSH)
    checksum = 0
    for _ in range(BLOCKS):
        checksum = zlib.crc32(block, checksum)
    end = struct.pack("<II", checksum, BLOCKS * BLOCK_BYTES)
    return b"\x1f\x8b\x08\0\0\0\0\0\0\x03" + packed * BLOCKS + b"\x03\0" + end


def cases():
    for name, lines, doors in KINDS:
        body = bomb(lines)
        for door in DOORS:
            yield Case(f"{name} at {door}", request("POST", door, GZIP, body), (204,) if door in doors else (400,),
                       is_large=True)
    body = bomb(b"\n")
    for target in (PROMETHEUS + "?atomic=1", PROMETHEUS + "?format=openmetrics", "/api/v3/write_lp?db=d&accept_partial=false"):
        # OpenMetrics has no empty lines; a whole has 64 MiB.
        yield Case(f"line feeds at {target}", request("POST", target, GZIP, body),
                   (400,) if "openmetrics" in target else (413,), is_large=True)
    body = bomb(b" " * BLOCK_BYTES)[:-1]
    yield Case("one line of spaces", request("POST", LINES, GZIP, body), (413,), is_large=True)
