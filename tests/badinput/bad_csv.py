# SPDX-License-Identifier: Apache-2.0
"""CSV: records, and what is said of their columns."""

from urllib.parse import quote

from attack_case import ANSWERED, Case, mutants, prefixes
from attack_target import CUT, request

MINIMUM = 200
TARGET = "/api/v1/import/csv"
FORMAT = "1:time:unix_s,2:label:host,3:f64:usage,4:i64:cores,5:bool:ok,6:string:note"
RECORDS = (
    ("no number", b'1,a,x,1,true,""'),
    ("no integer", b'1,a,1,1.5,true,""'),
    ("an integer beyond 64 bits", b'1,a,1,9223372036854775808,true,""'),
    ("no bool", b'1,a,1,1,maybe,""'),
    ("a time of text", b'x,a,1,1,true,""'),
    ("a time of 30 digits", b"9" * 30 + b',a,1,1,true,""'),
    ("a time out of range", b'9223372036854775807,a,1,1,true,""'),
    ("1e400", b'1,a,1e400,1,true,""'),
    ("a number of 65 digits", b"1,a," + b"1" * 65 + b',1,true,""'),
    ("no UTF-8", b"1,\xff,1,1,true,x"),
    ("overlong UTF-8", b"1,\xc0\xaf,1,1,true,x"),
    ("too few columns", b"1,a"),
    ("text behind a quote", b'1,"a"b,1,1,true,x'),
    ("a label of 5000 bytes", b"1," + b"x" * 5000 + b",1,1,true,x"),
    ("1001 columns", b"1,a,1,1,true,x" + b"," * 1000),
)
FORMATS = ("", "x", "1", "1:", "1:time", "0:time:unix_s", "-1:time:unix_s", "1001:f64:a", "99999999999999999999:f64:a", "1:none:a",
           "1:f64:", "1:f64:a,1:f64:b", "1:f64:a,2:f64:a", "1:time:unix_s,2:time:unix_s", "1:time:%Q", "1:time:custom", "1:f64:a:b",
           "1:label:__name__", "1:label:", "1:metric:", "1:f64:%00", "1:f64:%ff", "1:f64:a,", ",1:f64:a", "1:f64:a%5C", "1:name:x",
           "1:skip:x", "1:time:" + "x" * 4096, ",".join(f"{index}:f64:f{index}" for index in range(1, 1002)))
PARAMETERS = ("metric=", "metric=%ff", "metric=" + "x" * 600, "header=2", "separator=", "separator=ab", "separator=%22", "separator=%0a",
              "separator=%00", "skip_lines=-1", "skip_lines=x", "skip_lines=99999999999999999999", "extra_label=", "extra_label=x",
              "extra_label==x", "precision=year")
WRITE = "metric=badc&format=" + quote(FORMAT)


def send(body, query=WRITE):
    return request("POST", f"{TARGET}?{query}", (), body)


def cases():
    taken = WRITE.replace("badc", "goodc")
    good = b"1,a,1,1,true,x\n"
    for name, record in RECORDS:
        yield Case(name, send(record + b"\n"), ANSWERED if name in ("too few columns", "text behind a quote") else (400, 413))
        yield Case(f"{name}, then a good one", send(record + b"\n" + good, taken), ANSWERED)
    for text in FORMATS:
        yield Case(f"format {text[:40]!r}", send(b"1,2,3\n", f"metric=taken&format={text}"), ANSWERED)
    for text in PARAMETERS:
        yield Case(f"parameter {text[:40]!r}", send(good, f"{text}&" + WRITE.replace("metric=badc", "x=y")
                                                    if text.startswith("metric") else f"{text}&{taken}"), ANSWERED)
    yield Case("a quote never closed", send(b'1,a,1,1,true,"' + b"x" * 2000000), (400, 413))
    yield Case("a quote over all records", send(b'1,a,1,1,true,"\n' + good * 100000), (400, 413))
    yield Case("32 MiB without line feed", send(b"x" * (32 << 20)), (400, 413, CUT))
    yield Case("32 MiB of commas", send(b"," * (32 << 20)), (400, 413, CUT))
    yield Case("line feeds", send(b"\n" * 1000000, taken), ANSWERED)
    yield Case("quotes", send(b'"' * 100000), ANSWERED)
    yield Case("carriage returns only", send(good.replace(b"\n", b"\r") * 100, taken), ANSWERED)
    yield Case("NUL", send(b"\0" * 1000), (400,))
    yield Case("UTF-16", send("1,a,1,1,true,x\n".encode("utf-16")), (400,))
    yield Case("nothing", send(b""), ANSWERED)
    yield Case("a header alone", request("POST", TARGET, (), b"time:unix_s,metric:name,usage:f64\n"), ANSWERED)
    yield Case("a header that lies", request("POST", TARGET, (), b"time:unix_s,metric:name,usage:f65\n1,badc,2\n"), ANSWERED)
    yield Case("a header of 1001 columns", request("POST", TARGET, (), b",".join([b"a:f64"] * 1001) + b"\n1\n"), (400, 413))
    whole = b'1700000000,"a ""b""",1.5,-2,true,"x,\ny"\n1700000001,c,2,3,false,\n'
    for size, part in prefixes(whole):
        yield Case(f"cut after {size} bytes", send(part, taken), ANSWERED)
    for name, part in mutants("csv", whole, 100):
        yield Case(name, send(part, taken), ANSWERED)
    header = b"time:unix_s,metric:name,host:label,usage:f64\n1700000000,goodc,a,1.5\n"
    for name, part in mutants("csv header", header.replace(b"goodc", b"taken"), 60):
        yield Case(name, request("POST", TARGET, (), part), ANSWERED)
