# SPDX-License-Identifier: Apache-2.0
"""Text formats, a row or a sample a line."""

from attack_case import ANSWERED, REFUSED, Case, mutants, prefixes
from attack_target import CUT, write

MINIMUM = 400
NEXT = b"\ngood value=1 1\n"
ROUTES = ("/write", "/api/v2/write", "/api/v3/write_lp")

LINES = (
    ("no measurement", b",host=a value=1 1"),
    ("a measurement alone", b"bad"),
    ("no field", b"bad,host=a 1"),
    ("no value", b"bad value= 1"),
    ("no name", b"bad =1 1"),
    ("an equals sign alone", b"bad = 1"),
    ("two equals signs", b"bad value==1 1"),
    ("a comma behind the fields", b"bad value=1, 1"),
    ("two commas", b"bad value=1,,b=2 1"),
    ("a tag without value", b"bad,host value=1 1"),
    ("a tag with an empty value", b"taken,host= value=1 1"),
    ("a tag without name", b"bad,=a value=1 1"),
    ("two commas in tags", b"bad,,host=a value=1 1"),
    ("a comma behind the tags", b"bad,host=a, value=1 1"),
    ("a tag twice", b"taken,host=a,host=b value=1 1"),
    ("20 digits of time", b"bad value=1 18446744073709551616"),
    ("100000 digits of time", b"bad value=1 " + b"9" * 100000),
    ("a time of text", b"bad value=1 now"),
    ("a time with a point", b"bad value=1 1.5"),
    ("a time with an exponent", b"bad value=1 1e9"),
    ("a time with a suffix", b"bad value=1 1s"),
    ("a sign alone", b"bad value=1 -"),
    ("two times", b"bad value=1 1 1"),
    ("text behind the time", b"bad value=1 1 x"),
    ("i beyond 64 bits", b"bad value=9223372036854775808i 1"),
    ("i below 64 bits", b"bad value=-9223372036854775809i 1"),
    ("i behind a point", b"taken value=1.5i 1"),
    ("i alone", b"bad value=i 1"),
    ("u below zero", b"bad value=-1u 1"),
    ("u beyond 64 bits", b"bad value=18446744073709551616u 1"),
    ("u alone", b"bad value=u 1"),
    ("1e400", b"bad value=1e400 1"),
    ("-1e400", b"bad value=-1e400 1"),
    ("an exponent of nothing", b"bad value=1e 1"),
    ("an exponent of a sign", b"bad value=1e+ 1"),
    ("a point alone", b"bad value=. 1"),
    ("two points", b"bad value=1.2.3 1"),
    ("two signs", b"bad value=--1 1"),
    ("a hexadecimal float", b"bad value=0x1p3 1"),
    ("a hexadecimal integer", b"bad value=0x10i 1"),
    ("digits with commas", b"bad value=1_000 1"),
    ("NaN", b"bad value=NaN 1"),
    ("infinity", b"bad value=inf 1"),
    ("a word", b"bad value=yes 1"),
    ("tRUE", b"bad value=tRUE 1"),
    ("single quotes", b"bad value='x' 1"),
    ("text behind a string", b'bad value="x"y 1'),
    ("a quote in a number", b'bad value=1"2 1'),
    ("no UTF-8 in a tag", b"bad,host=\xff\xfe value=1 1"),
    ("no UTF-8 in a measurement", b"bad\xc0\xaf value=1 1"),
    ("no UTF-8 in a name", b"bad v\xed\xa0\x80=1 1"),
    ("no UTF-8 in a string", b'bad value="\xf4\x90\x80\x80" 1'),
    ("a character that is cut", b"bad,host=\xe2\x82 value=1 1"),
    ("300 tags", b"bad" + b"".join(b",t%d=x" % i for i in range(300)) + b" value=1 1"),
    ("1001 fields", b"bad " + b",".join(b"f%d=1" % i for i in range(1001)) + b" 1"),
    ("100000 fields", b"bad " + b",".join(b"f%d=1" % i for i in range(100000)) + b" 1"),
    ("a tag of 128 KiB", b"bad,host=" + b"x" * (128 << 10) + b" value=1 1"),
    ("a tag name of 128 KiB", b"bad," + b"x" * (128 << 10) + b"=a value=1 1"),
    ("a name of 128 KiB", b"bad " + b"x" * (128 << 10) + b"=1 1"),
    ("a measurement of 128 KiB", b"bad" + b"x" * (128 << 10) + b" value=1 1"),
    ("a string of 128 KiB", b'bad value="' + b"x" * (128 << 10) + b'" 1'),
    ("escaped everything", b"\\b\\a\\d" + b"\\" * 1001),
    ("a quote never closed", b'bad value="x'),
    ("equals signs", b"=" * 1000),
    ("commas", b"," * 1000),
    ("a field twice", b"taken value=1,value=x 1"),
)

# Where writers disagree, and varve takes what can be taken.
MAY_BE_TAKEN = ("a tag with an empty value", "a tag twice", "a field twice", "i behind a point")

PIECES = (
    ("64 MiB without line feed", b"x" * (64 << 20), (413, CUT)),
    ("a quote over 2 MB", b'q value="' + b"y" * 2000000, (413,)),
    ("a quote over many lines", b'q value="x\n' + b"q value=1 1\n" * 1000, (400,)),
    ("carriage returns only", b"good value=1 1\rbad value=1 1\r", ANSWERED),
    ("no line at all", b"", (204,)),
    ("line feeds", b"\n" * 100000, (204,)),
    ("blanks", b" " * 100000, ANSWERED),
    ("comments", b"# bad value=1 1\n" * 10000, (204,)),
    ("NUL", b"\0" * 1000, REFUSED),
    ("a byte order mark", b"\xef\xbb\xbfgood value=1 1\n", ANSWERED),
    ("UTF-16", "bad value=1 1\n".encode("utf-16"), REFUSED),
    ("100000 bad lines", b"bad\n" * 100000, (400,)),
    ("one bad line among 100000", b"many value=1 1\n" * 50000 + b"bad\n" + b"many value=1 1\n" * 50000, (400,)),
)


def cases():
    for route in ROUTES:
        for name, line in LINES:
            # The good line behind it is stored all the same.
            open_quote = line.count(b'"') % 2 == 1
            yield Case(f"{route}: {name}", write(line + (b"" if open_quote else NEXT), target=route),
                       ANSWERED if name in MAY_BE_TAKEN else (400,))
    for name, body, expected in PIECES:
        yield Case(name, write(body), expected)
    whole = b'changed,host=a,dc=b\\ c value=1.5,n=3i,u=4u,ok=t,s="x y\\"" 1700000000000000000'
    for size, part in prefixes(whole):
        yield Case(f"cut after {size} bytes", write(part), ANSWERED)
    for name, part in mutants("line", whole, 150):
        yield Case(name, write(part), ANSWERED)
    for name, part in mutants("marks", whole, 100, alphabet=b' ,=\\"\n'):
        yield Case(name, write(part), ANSWERED)
