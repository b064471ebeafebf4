# SPDX-License-Identifier: Apache-2.0
"""Prometheus text, and OpenMetrics, of which one violation refuses the whole."""

import gzip

from attack_case import ANSWERED, REFUSED, Case, mutants, prefixes
from attack_target import CUT, request

MINIMUM = 300
PATH = "/api/v1/import/prometheus"
OPENMETRICS = ("Content-Type: application/openmetrics-text; version=1.0.0",)
END = b"# EOF\n"

# Bad in both formats.
LINES = (
    ("a name alone", b"bad"),
    ("no number", b"bad x"),
    ("1e400", b"bad 1e400"),
    ("a hexadecimal number", b"bad 0x10"),
    ("digits with underscores", b"bad 1_000"),
    ("two signs", b"bad --1"),
    ("a point alone", b"bad ."),
    ("a time of text", b"bad 1 now"),
    ("20 digits of time", b"bad 1 18446744073709551616"),
    ("60000 digits of time", b"bad 1 " + b"9" * 60000),
    ("an exponent of time", b"bad 1 1e99999999999999999999"),
    ("two times", b"bad 1 1 1"),
    ("a dash in a name", b"bad-name 1"),
    ("no UTF-8 in a name", b"bad\xff 1"),
    ("no UTF-8 in a label", b'bad{a="\xc0\xaf"} 1'),
    ("a character that is cut", b'bad{a="\xe2\x82"} 1'),
    ("NUL in a name", b"bad\0 1"),
    ("braces never closed", b'bad{a="b"'),
    ("a quote never closed", b'bad{a="b} 1'),
    ("a quote that an escape keeps open", b'bad{a="b\\"} 1'),
    ("a label without quotes", b"bad{a=b} 1"),
    ("a label without value", b"bad{a} 1"),
    ("a label that begins with a digit", b'bad{1="b"} 1'),
    ("a label twice", b'bad{a="b",a="c"} 1'),
    ("the metric as a label", b'bad{__name__="c"} 1'),
    ("two metrics", b'{"bad","bad2"} 1'),
    ("no metric", b'{a="bad"} 1'),
    ("an empty metric", b'{"",a="bad"} 1'),
    ("a comma alone", b"bad{,} 1"),
    ("braces in braces", b"bad{{} 1"),
    ("1000 braces", b"bad" + b"{" * 1000),
    ("257 labels", b"bad{" + b",".join(b'l%d="x"' % i for i in range(257)) + b"} 1"),
    ("65 labels", b"bad{" + b",".join(b'l%d="x"' % i for i in range(65)) + b"} 1"),
    ("a label of 5 KB", b'bad{a="' + b"x" * 5000 + b'"} 1'),
    ("a metric of 600 bytes", b"bad" + b"x" * 600 + b" 1"),
    ("backslashes", b"\\" * 1001),
    ("an exemplar", b'bad 1 # {a="b"} 1'),
    ("an unknown type", b"# TYPE bad thing"),
    ("a type without name", b"# TYPE - gauge"),
)

# OpenMetrics only.
VIOLATIONS = (
    ("no end", b"bad 1\n", b"# EOF"),
    ("text behind the end", b"bad 1\n# EOF\nbad 1\n", b"behind # EOF"),
    ("an empty line", b"bad 1\n\n# EOF\n", b"line 2"),
    ("a comment", b"bad 1\n# bad\n# EOF\n", b"line 2"),
    ("two blanks", b"bad  1\n# EOF\n", b"line 1"),
    ("a tab", b"bad\t1\n# EOF\n", b"line 1"),
    ("a type twice", b"# TYPE bad gauge\n# TYPE bad counter\nbad 1\n# EOF\n", b"line 2"),
    ("a type behind", b"bad 1\n# TYPE bad gauge\n# EOF\n", b"line 2"),
    ("a counter without suffix", b"# TYPE bad counter\nbad 1\n# EOF\n", b"suffix"),
    ("a family in two pieces", b"bad 1\nbad2 1\nbad{a=\"b\"} 1\n# EOF\n", b"line 3"),
    ("a name of two families", b"# TYPE bad counter\nbad_total 1\n# TYPE bad_total gauge\n# EOF\n", b"bad_total"),
    ("a group in two pieces", b'bad{a="1"} 1\nbad{a="2"} 1\nbad{a="1"} 1\n# EOF\n', b"line 3"),
    ("a time that goes back", b"bad 1 2\nbad 1 1\n# EOF\n", b"line 2"),
    ("a negative counter", b"# TYPE bad counter\nbad_total -1\n# EOF\n", b"line 2"),
    ("buckets without order", b'# TYPE bad histogram\nbad_bucket{le="+Inf"} 1\nbad_bucket{le="1"} 1\n# EOF\n',
     b"order"),
    ("no last bucket", b'# TYPE bad histogram\nbad_bucket{le="1"} 1\n# EOF\n', b"+Inf"),
    ("an exemplar of 129 characters",
     b'# TYPE bad counter\nbad_total 1 # {a="' + b"x" * 128 + b'"} 1\n# EOF\n', b"128"),
    ("an exemplar of a gauge", b"# TYPE bad gauge\nbad 1 # {} 1\n# EOF\n", b"exemplars"),
    ("a unit that is no end", b"# TYPE bad gauge\n# UNIT bad seconds\nbad 1\n# EOF\n", b"unit"),
    ("100000 families, the last again", b"".join(b"bad%d 1\n" % i for i in range(100000)) + b"bad0{} 1\n# EOF\n",
     b"line 100001"),
)

PIECES = (
    ("64 MiB without line feed", b"x" * (64 << 20), (413, CUT)),
    ("a line of 64 KiB and one", b"bad" + b" " * 65534, (413,)),
    ("a quote over 2 MB", b'bad{a="' + b"y" * 2000000, (413,)),
    ("no line at all", b"", (204,)),
    ("line feeds", b"\n" * 100000, (204,)),
    ("comments", b"# bad 1 1\n" * 10000, (204,)),
    ("a line that is cut off", b"bad 1", (400,)),
    ("NUL", b"\0" * 1000, REFUSED),
    ("a byte order mark", b"\xef\xbb\xbfgood 1\n", (204,)),
    ("two byte order marks", b"\xef\xbb\xbf\xef\xbb\xbfbad 1\n", (400,)),
    ("a byte order mark behind a line", b"good 1\n\xef\xbb\xbfbad 1\n", (400,)),
    ("UTF-16", "bad 1\n".encode("utf-16"), REFUSED),
    ("100000 bad lines", b"bad\n" * 100000, (400,)),
    ("carriage returns only", b"bad 1\rbad 1\r", (400,)),
)

PATHS = ("/metrics/job", "/metrics/job/", "/metrics/x/y", "/metrics/job/a/b", "/metrics/job/a/1/b",
         "/metrics/job/a/__name__/b", "/metrics/job/a/b@base64/!", "/metrics/job/a/b@base64/gA",
         "/metrics/job/a/b/%FF", "/metrics/job/..%2f..%2fetc", "/metrics/" + "job/a/" * 500,
         "?extra_label=a", "?extra_label=__name__=b", "?extra_label=%FF=b", "?timestamp=x",
         "?timestamp=9223372036854775807", "?format=x")
# The label is bad, so every line is; or it is not, and is refused by its number or length.
MAY_BE_TAKEN = ("/metrics/job/..%2f..%2fetc", "/metrics/job/a/b/%FF", "?extra_label=%FF=b",
                "/metrics/" + "job/a/" * 500)


def push(body, target=PATH, headers=()):
    return request("POST", target, headers, body)


def cases():
    for name, line in LINES:
        yield Case(f"prometheus: {name}", push(line + b"\ngood 1\n"), (400,))
        yield Case(f"openmetrics: {name}", push(line + b"\n" + END, headers=OPENMETRICS), (400,))
        yield Case(f"atomic: {name}", push(line + b"\nbad_good 1\n", PATH + "?atomic=1"), (400,))
    for name, text, says in VIOLATIONS:
        yield Case(f"openmetrics: {name}", push(text, headers=OPENMETRICS), (400,), says=says)
    for name, body, expected in PIECES:
        yield Case(name, push(body), expected)
    whole = gzip.compress((b"bad 1\n" + b"# HELP a " + b"x" * 1000 + b"\n") * 70000, 1)
    yield Case("a whole of 67 MiB", push(whole, PATH + "?atomic=1", ("Content-Encoding: gzip",)), (413,))
    for path in PATHS:
        body = b"good 1\n" if path in MAY_BE_TAKEN else b"bad 1\n"
        yield Case(path[:60], push(body, PATH + path), ANSWERED if path in MAY_BE_TAKEN else (400,))
    text = b'# TYPE changed counter\nchanged_total{a="b\\n",c="d"} 1.5e3 17.25 # {e="f"} 1 17\n# EOF\n'
    for size, part in prefixes(text):
        yield Case(f"cut after {size} bytes", push(part, headers=OPENMETRICS),
                   ANSWERED if size >= len(text) - 1 else (400,))
    for name, part in mutants("openmetrics", text, 60):
        yield Case(name, push(part, headers=OPENMETRICS), ANSWERED)
    for name, part in mutants("prometheus", text, 60, alphabet=b' ,={}\\"\n#'):
        yield Case(name, push(part), ANSWERED)
