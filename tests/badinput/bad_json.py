# SPDX-License-Identifier: Apache-2.0
"""JSON: documents that ask for rows, and JSON lines."""

from attack_case import ANSWERED, Case, mutants, prefixes
from attack_target import load, rows

MINIMUM = 400
GOOD_LINE = b'{"metric":{"__name__":"goodj"},"values":[1],"timestamps":[1]}\n'
BAD = b'{"metric":{"__name__":"badj"},"values":%s,"timestamps":%s}'

DOCUMENTS = (
    ("depth 100000", b'{"select":' + b"[" * 100000, 4),
    ("objects 100000", b'{"a":' * 100000, 4),
    ("depth 65", b'{"select":' + b"[" * 65 + b"]" * 65 + b"}", 4),
    ("depth in a string is none", b'{"select":"nothing","zone":"' + b"[" * 1000 + b'"}', 4),
    ("1e400", b'{"start":1e400}', 400),
    ("10000 digits", b'{"limit":' + b"9" * 10000 + b"}", 4),
    ("100000 digits behind a point", b'{"start":0.' + b"9" * 100000 + b"}", 4),
    ("a lone surrogate", b'{"select":"\\ud800"}', 400),
    ("a surrogate reversed", b'{"select":"\\udc00\\ud800"}', 400),
    ("a cut escape", b'{"select":"\\u00"}', 400),
    ("no such escape", b'{"select":"\\x41"}', 400),
    ("no UTF-8", b'{"select":"\xff"}', 400),
    ("overlong", b'{"select":"\xc0\xaf"}', 400),
    ("a surrogate in UTF-8", b'{"select":"\xed\xa0\x80"}', 400),
    ("beyond U+10FFFF", b'{"select":"\xf4\x90\x80\x80"}', 400),
    ("a member cut in a character", b'{"' + b"x" * 63 + "\u20ac".encode() + b'":1}', 400),
    ("NUL", b'{"select":"a\0b"}', 400),
    ("an escaped NUL", b'{"select":"a\\u0000b"}', 400),
    ("NUL in a member", b'{"sel\\u0000ect":"a"}', 400),
    ("a line feed in a string", b'{"select":"a\nb"}', 400),
    ("a byte order mark", b"\xef\xbb\xbf{}", 400),
    ("UTF-16", '{"select":"known"}'.encode("utf-16"), 400),
    ("a trailing comma", b'{"select":"a",}', 400),
    ("twice the same", b'{"limit":1,"limit":2}', 400),
    ("nothing", b"", 400),
    ("blanks", b" " * 1000, 400),
    ("a number", b"1", 400),
    ("a string", b'"known"', 400),
    ("null", b"null", 400),
    ("an array", b'["known"]', 400),
    ("two documents", b"{}{}", 400),
    ("text behind the end", b'{"select":"known"} x', 400),
    ("single quotes", b"{'select':'known'}", 400),
    ("a comment", b'{"select":"known"/* all */}', 400),
    ("NaN", b'{"start":NaN}', 400),
    ("a leading zero", b'{"limit":01}', 400),
    ("a plus sign", b'{"limit":+1}', 400),
    ("a hexadecimal number", b'{"limit":0x10}', 400),
    ("a member of no such name", b'{"selekt":"known"}', 400),
    ("a negative limit", b'{"limit":-1}', 400),
    ("a limit of 2^64", b'{"limit":18446744073709551616}', 400),
    ("an empty selection", b'{"select":""}', 400),
    ("a selector without end", b'{"select":"known{host="}', 400),
    ("a selector of 1 MB", b'{"select":"known{host=\\"' + b"x" * 1000000 + b'\\"}"}', 200, 4),
    ("10000 selections", b'{"select":[' + b",".join([b'"known"'] * 10000) + b"]}", 200, 4),
    ("a regex bomb", b'{"select":"known{host=~\\"(a+)+$\\"}"}', 200, 4),
    ("a large regex", b'{"select":"known{host=~\\"((a{1,100}){1,100}){1,100}\\"}"}', 200, 4),
    ("a regex that looks back", b'{"select":"known{host=~\\"(?<=a)b\\"}"}', 4),
    ("a regex that calls itself", b'{"select":"known{host=~\\"(?R)\\"}"}', 4),
    ("a regex of 100000 alternatives", b'{"select":"known{host=~\\"' + b"a|" * 100000 + b'\\"}"}', 4),
    ("a regex of brackets", b'{"select":"known{host=~\\"' + b"(" * 10000 + b'\\"}"}', 4),
    ("every 0", b'{"select":"known","fields":[{"field":"value","agg":"avg"}],"every":"0s"}', 400),
    ("every -1s", b'{"select":"known","fields":[{"field":"value","agg":"avg"}],"every":"-1s"}', 400),
    ("every 9999999999y", b'{"select":"known","fields":[{"field":"value","agg":"avg"}],"every":"9999999999y"}', 400),
    ("steps of 1 ns over all time", b'{"select":"known","fields":[{"field":"value","agg":"avg"}],"every":"1ns",'
     b'"start":0,"end":"now"}', 200, 4),
    ("no such aggregation", b'{"select":"known","fields":[{"field":"value","agg":"nope"}]}', 400),
    ("100000 outputs", b'{"select":"known","fields":[' + b",".join([b'{"field":"value"}'] * 50000) + b"]}", 4),
    ("a zone that is a path", b'{"select":"known","zone":"../../etc/passwd"}', 4),
    ("a start behind the end", b'{"select":"known","start":2,"end":1}', 400),
    ("every member of a wrong type",
     b'{"select":{},"fields":7,"where":"x","start":[],"every":{"width":"x"}}', 400),
)

LINES = (
    ("depth 100000", b"[" * 100000),
    ("1e400", BAD % (b"[1e400]", b"[1]")),
    ("a lone surrogate", b'{"metric":{"__name__":"badj","a":"\\ud800"},"values":[1],"timestamps":[1]}'),
    ("no UTF-8", b'{"metric":{"__name__":"badj\xff"},"values":[1],"timestamps":[1]}'),
    ("20 digits of time", BAD % (b"[1]", b"[18446744073709551616]")),
    ("a time out of range", BAD % (b"[1]", b"[9223372036854775807]")),
    ("a time of text", BAD % (b"[1]", b'["1"]')),
    ("a time of null", BAD % (b"[1]", b"[null]")),
    ("lengths that differ", BAD % (b"[1,2]", b"[1]")),
    ("no times", BAD % (b"[1]", b"[]")),
    ("no array", BAD % (b"1", b"1")),
    ("a value of an array", BAD % (b"[[1]]", b"[1]")),
    ("a value of an object", BAD % (b'[{"x":1}]', b"[1]")),
    ("no name", b'{"metric":{"a":"b"},"values":[1],"timestamps":[1]}'),
    ("an empty name", b'{"metric":{"__name__":""},"values":[1],"timestamps":[1]}'),
    ("a name that is a number", b'{"metric":{"__name__":1},"values":[1],"timestamps":[1]}'),
    ("a label that is null", b'{"metric":{"__name__":"badj","a":null},"values":[1],"timestamps":[1]}'),
    ("a label of no name", b'{"metric":{"__name__":"badj","":"x"},"values":[1],"timestamps":[1]}'),
    ("a label twice", b'{"metric":{"__name__":"badj","a":"1","a":"2"},"values":[1],"timestamps":[1]}'),
    ("65 labels", b'{"metric":{"__name__":"badj"' + b"".join(b',"l%d":"x"' % i for i in range(65)) +
     b'},"values":[1],"timestamps":[1]}'),
    ("no metric", b'{"values":[1],"timestamps":[1]}'),
    ("no values", b'{"metric":{"__name__":"badj"},"timestamps":[1]}'),
    ("an array of lines", b"[]"),
    ("a number", b"1"),
    ("a string", b'"x"'),
    ("base64 that is none", BAD % (b'[{"bytes":"?"}]', b"[1]")),
    ("base64 that is cut", BAD % (b'[{"bytes":"QUJ"}]', b"[1,2]")),
    ("a histogram of nothing", BAD % (b'[{"histogram":{}}]', b"[1]")),
    ("a histogram of lies", BAD % (
        b'[{"histogram":{"schema":127,"sum":1,"zero_threshold":0,"count":1,"zero_count":0,'
        b'"positive_spans":[[0,4294967295]],"positive_buckets":[1]}}]', b"[1]")),
    ("a histogram of many spans", BAD % (
        b'[{"histogram":{"schema":0,"sum":1,"zero_threshold":0,"count":1,"zero_count":0,"positive_spans":[' +
        b",".join([b"[0,0]"] * 50000) + b'],"positive_buckets":[1]}}]', b"[1]")),
    ("half a megabyte of lists", b'{"metric":' + b"[]," * 170000),
    ("twice the values", b'{"metric":{"__name__":"badj"},"values":[1],"values":[2],"timestamps":[1]}'),
    ("fields and values", b'{"metric":{"__name__":"badj"},"values":[1],"fields":{"a":[1]},"timestamps":[1]}'),
    ("a field of no name", b'{"metric":{"__name__":"badj"},"fields":{"":[1]},"timestamps":[1]}'),
    ("a type that is none", b'{"metric":{"__name__":"badj"},"types":{"value":"f65"},"values":[1],"timestamps":[1]}'),
    ("an i64 that is text", b'{"metric":{"__name__":"badj"},"types":{"value":"i64"},"values":["x"],"timestamps":[1]}'),
    ("an i64 beyond 64 bits",
     b'{"metric":{"__name__":"badj"},"types":{"value":"i64"},"values":[9223372036854775808],"timestamps":[1]}'),
    ("a bool that is a number",
     b'{"metric":{"__name__":"badj"},"types":{"value":"bool"},"values":[2],"timestamps":[1]}'),
    ("an unfinished object", b'{"metric":{"__name__":"badj"}'),
    ("text behind the end", BAD % (b"[1]", b"[1]") + b" x"),
)


def cases():
    for name, document, *expected in DOCUMENTS:
        yield Case(f"query: {name}", rows(document), tuple(expected))
    whole = b'{"select":"known","fields":[{"field":"value","agg":"sum"}],"start":"-1h"}'
    for size, part in prefixes(whole):
        yield Case(f"query cut after {size} bytes", rows(part), (400,))
    for name, part in mutants("query", whole, 120):
        yield Case(name, rows(part), ANSWERED)
    for name, line in LINES:
        # The good line behind it is stored all the same.
        yield Case(f"import: {name}", load(line + b"\n" + GOOD_LINE), (400,), says=b"line 1")
    sound = BAD % (b"[1]", b"[1]")
    for size, part in prefixes(sound):
        yield Case(f"import cut after {size} bytes", load(part), (400,) if size else ANSWERED)
    whole = b'{"metric":{"__name__":"changed","a":"b"},"types":{"value":"i64"},"values":[1,-2],"timestamps":[1,2]}'
    for name, part in mutants("import", whole, 120):
        yield Case(name, load(part), ANSWERED)
