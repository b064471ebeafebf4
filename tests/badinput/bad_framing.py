# SPDX-License-Identifier: Apache-2.0
"""HTTP: lengths, chunks, heads, request lines, clients that leave."""

from attack_case import ANSWERED, REFUSED, Case
from attack_target import CUT, HOST, chunked, head, request, write

MINIMUM = 400
LINE = b"badframe value=1 1\n"
DOORS = (b"/write", b"/api/v1/import", b"/api/v1/rows")

LENGTHS = (
    ("both", b"Content-Length: 12", b"Transfer-Encoding: chunked"),
    ("both, reversed", b"Transfer-Encoding: chunked", b"Content-Length: 12"),
    ("two that differ", b"Content-Length: 12", b"Content-Length: 13"),
    ("two that agree", b"Content-Length: 12", b"Content-Length: 12"),
    ("a list", b"Content-Length: 12, 12"),
    ("negative", b"Content-Length: -1"),
    ("a sign", b"Content-Length: +12"),
    ("hexadecimal", b"Content-Length: 0x0c"),
    ("a fraction", b"Content-Length: 12.0"),
    ("an exponent", b"Content-Length: 1e1"),
    ("empty", b"Content-Length: "),
    ("a word", b"Content-Length: twelve"),
    ("2^63", b"Content-Length: 9223372036854775808"),
    ("2^64", b"Content-Length: 18446744073709551616"),
    ("100 digits", b"Content-Length: " + b"9" * 100),
    ("blank inside", b"Content-Length: 1 2"),
    ("blank before the colon", b"Content-Length : 12"),
    ("tab before the colon", b"Transfer-Encoding\t: chunked", b"Content-Length: 12"),
    ("two encodings", b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"),
    ("identity", b"Transfer-Encoding: identity"),
    ("gzip, chunked", b"Transfer-Encoding: gzip, chunked"),
    ("chunked, gzip", b"Transfer-Encoding: chunked, gzip"),
    ("a misspelt one", b"Transfer-Encoding: xchunked"),
    ("quoted", b'Transfer-Encoding: "chunked"'),
    ("vertical tab", b"Transfer-Encoding: \x0bchunked"),
    ("beyond all bodies", b"Content-Length: 18446744073709551615"),
    ("2^63 - 1", b"Content-Length: 9223372036854775807"),
    ("2^40", b"Content-Length: 1099511627776"),
)
ENDLESS = ("2^63", "beyond all bodies", "2^63 - 1", "2^40")

CHUNKS = (
    ("17 digits", b"10000000000000000\r\n" + b"x" * 100),
    ("negative", b"-1\r\nx"),
    ("a sign", b"+13\r\n" + LINE + b"\r\n0\r\n\r\n"),
    ("0x", b"0x13\r\n" + LINE + b"\r\n0\r\n\r\n"),
    ("no size", b"\r\n13\r\n" + LINE + b"\r\n"),
    ("a word", b"twelve\r\n"),
    ("a blank size", b" \r\n"),
    ("data longer than the size", b"2\r\n" + LINE + b"\r\n0\r\n\r\n"),
    ("1000 digits", b"0" * 1000 + b"z\r\n"),
    ("a NUL in the size", b"1\x003\r\n" + LINE),
    ("a semicolon alone", b";\r\n" + LINE),
)

REQUEST_LINES = (
    ("absolute", b"GET http://x/healthz HTTP/1.1", 200, 4),
    ("an authority", b"CONNECT x:80 HTTP/1.1", 4, 501, CUT),
    ("a star", b"OPTIONS * HTTP/1.1", 2, 4, CUT),
    ("no target", b"GET HTTP/1.1", 4, CUT),
    ("no version", b"GET /healthz", 4, CUT, 505),
    ("version 0.9", b"GET /healthz HTTP/0.9", 200, 4, 505, CUT),
    ("version 2", b"GET /healthz HTTP/2.0", 4, 505, CUT),
    ("version 1.9", b"GET /healthz HTTP/1.9", 200, 4, 505, CUT),
    ("version 11", b"GET /healthz HTTP/11", 4, 505, CUT),
    ("no such version", b"GET /healthz HTTQ/1.1", 4, 505, CUT),
    ("small letters", b"get /healthz http/1.1", 4, 501, 505, CUT),
    ("a method of its own", b"BREW /healthz HTTP/1.1", 4, 501),
    ("a long method", b"A" * 20000 + b" / HTTP/1.1", 4, 501, CUT),
    ("two blanks", b"GET  /healthz  HTTP/1.1", 2, 4, 505, CUT),
    ("tabs", b"GET\t/healthz\tHTTP/1.1", 2, 4, 501, 505, CUT),
    ("a fourth word", b"GET /healthz HTTP/1.1 x", 4, 505, CUT),
    ("a NUL in the target", b"GET /heal\0thz HTTP/1.1", 4, CUT),
    ("an escaped NUL", b"GET /healthz%00 HTTP/1.1", 4),
    ("a cut escape", b"GET /healthz%2 HTTP/1.1", 400),
    ("no UTF-8", b"GET /%ff%fe HTTP/1.1", 400),
    ("a fragment", b"GET /healthz#x HTTP/1.1", 200, 4),
    ("a target of 8 KiB", b"GET /" + b"a" * 8191 + b" HTTP/1.1", 404),
    ("a target of 9 KiB", b"GET /" + b"a" * 9215 + b" HTTP/1.1", 414),
    ("a target of 1 MiB", b"GET /" + b"a" * (1 << 20) + b" HTTP/1.1", 4, CUT),
    ("1024 parameters", b"GET /api/v1/labels?" + b"a&" * 1024 + b" HTTP/1.1", 200),
    ("1100 parameters", b"GET /api/v1/labels?" + b"a&" * 1100 + b" HTTP/1.1", 413, CUT),
    ("4000 parameters", b"GET /api/v1/labels?" + b"a&" * 4000 + b" HTTP/1.1", 413, CUT),
)


def lengths():
    for door in DOORS:
        post = (b"POST " + door + b" HTTP/1.1", HOST, b"Connection: close")
        for name, *lines in LENGTHS:
            # A body that may be so long is waited for until the client ends.
            is_ended = name in ENDLESS
            yield Case(f"length {name} at {door.decode()}", head(*post, *lines, body=LINE), REFUSED,
                       is_ended=is_ended)


def chunks():
    for door in DOORS:
        for name, part in CHUNKS:
            yield Case(f"chunk {name} at {door.decode()}",
                       chunked(part).replace(b"/write", door), REFUSED)
    # Such a chunk may begin; what there is of it is a line without end.
    yield Case("chunk of 16 times F", chunked(b"FFFFFFFFFFFFFFFF\r\n", b"b" * 100), REFUSED, is_ended=True)
    # The answer of libmicrohttpd to a line that its buffer cannot hold.
    yield Case("an extension without end", chunked(b"c;" + b"e" * (256 << 10)), (4, 500, CUT))
    yield Case("chunks of one byte", chunked(*(b"1\r\n%c\r\n" % c for c in b"good value=1 1\n"), b"0\r\n\r\n"),
               (204,))
    yield Case("trailers", chunked(b"f\r\ngood value=1 1\n\r\n0\r\nContent-Length: 5\r\n\r\n"), ANSWERED)
    yield Case("a short chunk, then the end", chunked(b"ff\r\n" + LINE), REFUSED, is_ended=True)


def heads():
    get = b"GET /healthz HTTP/1.1\r\n%s\r\nConnection: close\r\n" % HOST
    bare = get.replace(b"\r\n", b"\n")
    lines = b"".join(b"X-%d: y\r\n" % index for index in range(99))
    yield Case("100 fields", get + lines[:lines.rindex(b"X-")] + b"\r\n", (200,))
    yield Case("101 fields", get + lines + b"\r\n", (431,))
    yield Case("a head of 33 KiB", get + b"".join(b"X-%d: %s\r\n" % (i, b"y" * 4096) for i in range(8)) +
               b"Y: " + b"y" * 1024 + b"\r\n\r\n", (4,))
    yield Case("a head of 1 MiB", get + b"X: " + b"y" * (1 << 20) + b"\r\n\r\n", REFUSED)
    yield Case("a head without end", get + b"X: y\r\n" * 100000, REFUSED)
    yield Case("bare line feeds", bare + b"\n", (200, 4, CUT))
    yield Case("bare carriage returns", get.replace(b"\r\n", b"\r") + b"\r", REFUSED, is_ended=True)
    yield Case("a folded line", get + b"X: a\r\n b\r\n\r\n", (200, 4, CUT))
    yield Case("a folded length", get + b"Content-Length:\r\n 5\r\n\r\n12345", (200, 4, CUT))
    yield Case("a line without colon", get + b"X\r\n\r\n", REFUSED)
    yield Case("an empty name", get + b": y\r\n\r\n", (200, 4, CUT))
    yield Case("a blank before the first line", b" " + get + b"\r\n", REFUSED)
    yield Case("no host", b"GET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n", REFUSED)
    yield Case("two hosts", get + HOST + b"\r\n\r\n", REFUSED)
    yield Case("an upgrade", request(headers=("Upgrade: h2c", "HTTP2-Settings: x")), (200,))
    yield Case("an expectation that is none", request(headers=("Expect: 200-ok",)), (200, 4, CUT))
    for byte in (*range(0, 32), 127, 128, 255):
        # The value ends at a NUL, or is unfolded, before the server gets to see it.
        yield Case(f"byte {byte} in a value", get + b"X: a%cb\r\n\r\n" % byte, (200, 4, CUT))
        yield Case(f"byte {byte} in a name", get + b"X%cY: b\r\n\r\n" % byte, (200, 4, CUT))


def request_lines():
    for name, line, *expected in REQUEST_LINES:
        yield Case(f"line: {name}", head(line, HOST, b"Connection: close"), tuple(expected))
    hello = bytes.fromhex("1603010200010001fc0303") + bytes(range(256)) * 2
    yield Case("TLS", hello + b"\r\n\r\n", REFUSED)
    yield Case("HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(9), (4, 505, CUT))
    yield Case("an answer", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", (4, 505, CUT))
    yield Case("line feeds first", b"\r\n" * 3 + request(), (200, 4, CUT))
    yield Case("nothing at all", b"", (CUT,), is_ended=True)
    yield Case("zero bytes", bytes(4096), REFUSED, is_ended=True)
    for method in ("PUT", "DELETE", "PATCH", "TRACE"):
        for path in ("/write", "/api/v1/import", "/api/v1/rows", "/api/v1/series", "/metrics", "/", "/none"):
            yield Case(f"{method} {path}", request(method, path, length=False), (404, 405, 501))


def leavers():
    """Clients that go without an answer, at every byte of a request; the length says one byte more."""
    whole = write(LINE[:-1] + b" ").replace(b"Connection: close\r\n", b"")
    for size in range(len(whole)):
        for how in ("close", "reset"):
            yield Case(f"{how} after {size} bytes", whole[:size], (), leaves=how)


def cases():
    yield from lengths()
    yield from chunks()
    yield from heads()
    yield from request_lines()
    yield from leavers()
