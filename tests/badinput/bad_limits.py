# SPDX-License-Identifier: Apache-2.0
"""Limits: at the limit taken, one beyond refused."""

import time

from attack_case import Case
from attack_target import load, request, rows, write

MINIMUM = 50
LINE_BYTES = 1 << 20


def line_of(metric=b"good", tags=b"", fields=b"value=1"):
    return metric + tags + b" " + fields + b" 1\n"


def tags(count):
    return b"".join(b",l%d=x" % index for index in range(count))


def json_line(metric=b"goodj", labels=b"", values=b"[1]", times=b"[1]"):
    return b'{"metric":{"__name__":"%s"%s},"values":%s,"timestamps":%s}\n' % (metric, labels, values, times)


def pairs():
    """(name, request at the limit, its answer, request beyond it, its answer)"""
    document = b'{"select":"nothing"}'
    yield ("bytes of a line", write(b"#" + b"x" * (LINE_BYTES - 1) + b"\n"), 204,
           write(b"#" + b"x" * LINE_BYTES + b"\n"), 413)
    yield ("bytes of a line of JSON", load(json_line().rstrip().ljust(LINE_BYTES) + b"\n"), 204,
           load(json_line(b"badj").rstrip().ljust(LINE_BYTES + 1) + b"\n"), 413)
    yield ("bytes of a document", rows(document.ljust(1 << 20)), 200, rows(document.ljust((1 << 20) + 1)), 413)
    yield "labels", write(line_of(tags=tags(64))), 204, write(line_of(b"bad", tags(65))), 400
    yield ("bytes of a metric", write(line_of(b"g" * 512)), 204, write(line_of(b"bad" + b"g" * 510)), 400)
    yield ("bytes of a label's name", write(line_of(tags=b"," + b"n" * 256 + b"=x")), 204,
           write(line_of(b"bad", b"," + b"n" * 257 + b"=x")), 400)
    yield ("bytes of a label's value", write(line_of(tags=b",l=" + b"v" * 4096)), 204,
           write(line_of(b"bad", b",l=" + b"v" * 4097)), 400)
    yield ("bytes of a label's value in JSON", load(json_line(labels=b',"l":"%s"' % (b"v" * 4096))), 204,
           load(json_line(b"badj", b',"l":"%s"' % (b"v" * 4097))), 400)
    yield ("fields", write(line_of(fields=b",".join(b"f%d=1" % i for i in range(1000)))), 204,
           write(line_of(b"bad", fields=b",".join(b"f%d=1" % i for i in range(1001)))), 400)
    yield ("bytes of a string", write(line_of(fields=b's="%s"' % (b"x" * (64 << 10)))), 204,
           write(line_of(b"bad", fields=b's="%s"' % (b"x" * ((64 << 10) + 1)))), 400)
    yield ("bytes of a string in JSON", load(json_line(b"goodjs", values=b'["%s"]' % (b"x" * (64 << 10)))), 204,
           load(json_line(b"badj", values=b'["%s"]' % (b"x" * ((64 << 10) + 1)))), 400)
    yield ("bytes in JSON", load(json_line(b"goodb", values=b'[{"bytes":"%s=="}]' % (b"A" * 87382))), 204,
           load(json_line(b"badj", values=b'[{"bytes":"%s="}]' % (b"A" * 87383))), 400)
    day = int(time.time()) + 86400
    yield ("a time ahead", write(b"limit_t value=1 %d" % (day - 600), target="/write?precision=s"), 204,
           write(b"badt value=1 %d" % (day + 600), target="/write?precision=s"), 400)
    yield ("header fields", request(headers=[f"X-{i}: y" for i in range(98)]), 200,
           request(headers=[f"X-{i}: y" for i in range(99)]), 431)
    yield "bytes of a target", request(target="/" + "a" * 8191), 404, request(target="/" + "a" * 8192), 414
    yield ("parameters", request(target="/api/v1/labels?" + "&".join(["a"] * 1024)), 200,
           request(target="/api/v1/labels?" + "&".join(["a"] * 1025)), 413)
    yield ("an i64", write(line_of(b"limit_i", fields=b"value=9223372036854775807i")), 204,
           write(line_of(b"badi", fields=b"value=9223372036854775808i")), 400)
    yield ("a u64", write(line_of(b"limit_u", fields=b"value=18446744073709551615u")), 204,
           write(line_of(b"badu", fields=b"value=18446744073709551616u")), 400)
    yield ("a double", write(line_of(b"limit_d", fields=b"value=1.7976931348623157e308")), 204,
           write(line_of(b"badd", fields=b"value=1.8e308")), 400)

    prometheus, csv = "/api/v1/import/prometheus", "/api/v1/import/csv"

    def post(target, body):
        return request("POST", target, (), body)

    yield ("bytes of a line of Prometheus text", post(prometheus, b"# " + b"x" * 65534 + b"\n"), 204,
           post(prometheus, b"# " + b"x" * 65535 + b"\n"), 413)
    openmetrics = prometheus + "?format=openmetrics"

    def families(name, count):
        return b"".join(b"# TYPE %s%d gauge\n" % (name, i) for i in range(count)) + b"# EOF\n"

    yield ("names of OpenMetrics", post(openmetrics, families(b"good", 100000)), 204,
           post(openmetrics, families(b"bad", 100001)), 400)
    yield ("bytes of a string in CSV", post(csv, b"metric:name,s:string\ngoods,%s\n" % (b"x" * (64 << 10))), 204,
           post(csv, b"metric:name,s:string\nbads,%s\n" % (b"x" * ((64 << 10) + 1))), 400)
    yield ("labels of a sample", post(prometheus, b"goodp{" + tags(64)[1:].replace(b"=x", b'="x"') + b"} 1\n"), 204,
           post(prometheus, b"badp{" + tags(65)[1:].replace(b"=x", b'="x"') + b"} 1\n"), 400)
    yield ("columns", post(csv, b",".join([b"time:unix_s,metric:name"] + [b"f%d:f64" % i for i in range(998)]) + b"\n"), 204,
           post(csv, b",".join([b"time:unix_s,metric:name"] + [b"f%d:f64" % i for i in range(999)]) + b"\n"), 400)
    record = b"time:unix_s,metric:name,value:f64\n1,%s,%s\n"
    yield ("characters of a number", post(csv, record % (b"goodc", b"1" + b"0" * 63)), 204,
           post(csv, record % (b"badc", b"1" + b"0" * 64)), 400)
    yield ("matchers", request(target="/api/v1/series?match[]=good{" + ",".join(["a!=%22b%22"] * 256) + "}"), 200,
           request(target="/api/v1/series?match[]=good{" + ",".join(["a!=%22b%22"] * 257) + "}"), 422)
    yield ("bytes of a pattern", rows(b'{"select":"known{host=~\\"%s\\"}"}' % (b"a" * 4095 + b"+")), 200,
           rows(b'{"select":"known{host=~\\"%s\\"}"}' % (b"a" * 4096 + b"+")), 422)


def cases():
    for name, inside, answer, beyond, refusal in pairs():
        yield Case(f"{name}, at the limit", inside, (answer,))
        yield Case(f"{name}, one beyond", beyond, (refusal,))
