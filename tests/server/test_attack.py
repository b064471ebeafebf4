# SPDX-License-Identifier: Apache-2.0
"""Attacks on the running server, from outside, over raw sockets.

Each case is bytes that a hostile or broken client sends, and what may come back: the class or code
of the answer, or CUT, the connection ended without one. After each case

  A1  the answer (or the end of the connection) was there within ANSWER_S, in one of three tries;
  A2  the server answers a known query as before, over a new connection;
  A3  its memory has not grown by more than RSS_GROWTH_MAX (not looked at under a sanitizer).

The program is $VARVE_PROGRAM.
"""

import concurrent.futures
import gzip
import json
import os
import socket
import struct
import subprocess
import sys
import tempfile
import time
import unittest
import zlib

ANSWER_S = 1.0
# A case that cannot come quick on a machine that builds at the same time, or under a sanitizer.
PATIENCE_S = 20.0
RSS_GROWTH_MAX = 64 << 20
# Bytes that a client sends at once; the server may end the connection in the middle.
SEND_BYTES = 1 << 18
CUT = "cut"
HOST = b"Host: 127.0.0.1"
LINE_BYTES_MAX = 1 << 20

KNOWN_LINES = b"known,host=a value=1.5,n=3i 1000000000\nknown,host=a value=2.5,n=4i 2000000000\n"
KNOWN_QUERY = b'{"select":"known","precision":"s"}'
KNOWN_ROWS = [[1, 3, 1.5], [2, 4, 2.5]]


def request(method="GET", target="/healthz", headers=(), body=b"", version="HTTP/1.1", length=True):
    """A well-formed request, unless its parts are not; it asks for the connection to end."""
    lines = [f"{method} {target} {version}", HOST.decode(), "Connection: close", *headers]
    if length and (body or method == "POST"):
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def write(body, headers=(), target="/write"):
    return request("POST", target, headers, body)


def load(body, headers=()):
    return request("POST", "/api/v1/import", headers, body)


def rows(body, headers=()):
    return request("POST", "/api/v1/rows", headers, body)


def head(*lines, body=b""):
    """A head of exactly these lines."""
    return b"".join(line + b"\r\n" for line in lines) + b"\r\n" + body


def chunked(*parts):
    return head(b"POST /write HTTP/1.1", HOST, b"Connection: close",
                b"Transfer-Encoding: chunked", body=b"".join(parts))


def zstd_frame(*blocks, window=0x38, descriptor=0):
    """A frame of (type, size, bytes) blocks: 0 is raw, 1 one byte repeated, 3 reserved."""
    frame = struct.pack("<IBB", 0xFD2FB528, descriptor, window)
    for index, (kind, size, data) in enumerate(blocks):
        word = (1 if index + 1 == len(blocks) else 0) | kind << 1 | size << 3
        frame += struct.pack("<I", word)[:3] + data
    return frame


def gzip_bomb(packed_size, piece):
    """About packed_size bytes that repeat piece without end; the last member is not finished."""
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = deflate.compress(piece) + deflate.flush(zlib.Z_FULL_FLUSH)
    return b"\x1f\x8b\x08\0\0\0\0\0\0\x03" + block * (packed_size // len(block))


class Server:
    """The program under attack."""

    def __init__(self, directory):
        program = os.environ.get("VARVE_PROGRAM", "build/varve")
        self.process = subprocess.Popen(
            [program, "serve", "--data", directory, "--listen", "127.0.0.1:0", "--sync", "none"],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        line = self.process.stdout.readline().decode()
        if not line.startswith("listening http http://"):
            raise RuntimeError(f"{program} does not serve: {line!r}")
        self.port = int(line.rsplit(":", 1)[1])

    def stop(self):
        self.process.terminate()
        code = self.process.wait(PATIENCE_S)
        self.process.stdout.close()
        return code

    def status(self, name):
        """A size of /proc/PID/status in bytes."""
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as file:
            for line in file:
                if line.startswith(name + ":"):
                    return int(line.split()[1]) << 10
        raise KeyError(name)

    def is_sanitized(self):
        """Address sanitizer reserves terabytes."""
        return self.status("VmSize") > 1 << 40

    def connect(self):
        link = socket.create_connection(("127.0.0.1", self.port), PATIENCE_S)
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return link

    def send(self, link, data):
        """Send what the server takes; false when it has ended the connection."""
        try:
            for begin in range(0, len(data), SEND_BYTES):
                link.sendall(data[begin:begin + SEND_BYTES])
            return True
        except OSError:
            return False

    def receive(self, link):
        """All bytes until the server ends the connection."""
        parts = []
        try:
            while part := link.recv(1 << 16):
                parts.append(part)
        except ConnectionResetError:
            pass
        return b"".join(parts)

    def ask(self, data, is_ended=False):
        """Send, and return (code or CUT, body, seconds from the last byte sent to the end)."""
        with self.connect() as link:
            self.send(link, data)
            if is_ended:
                link.shutdown(socket.SHUT_WR)
            begin = time.monotonic()
            answer = self.receive(link)
            seconds = time.monotonic() - begin
        if not answer.startswith(b"HTTP/1.1 "):
            return CUT, answer, seconds
        code = int(answer[9:12])
        while code == 100:
            answer = answer.split(b"\r\n\r\n", 1)[1]
            code = int(answer[9:12])
        return code, answer.split(b"\r\n\r\n", 1)[1], seconds

    def query(self, document):
        code, body, _ = self.ask(rows(document))
        if code != 200:
            raise AssertionError(f"a query is answered {code}: {body!r}")
        if body[:1] != b"{":  # in chunks
            body = b"".join(dechunk(body))
        return json.loads(body)

    def known_rows(self):
        return [row for part in self.query(KNOWN_QUERY)["data"] for row in part["rows"]]

    def count(self, metric):
        """How many values of its field `value` a metric has."""
        document = {"select": metric, "fields": [{"field": "value", "agg": "count"}], "group": "all"}
        data = self.query(json.dumps(document).encode())["data"]
        return sum(row[1] for part in data for row in part["rows"])


def dechunk(body):
    while body:
        size, rest = body.split(b"\r\n", 1)
        size = int(size.split(b";")[0], 16)
        yield rest[:size]
        body = rest[size + 2:]


class Attack(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.directory = tempfile.TemporaryDirectory(prefix="varve-attack-")
        cls.server = Server(os.path.join(cls.directory.name, "data"))
        code, body, _ = cls.server.ask(write(KNOWN_LINES))
        assert code == 204, body
        cls.is_slow = cls.server.is_sanitized()

    @classmethod
    def tearDownClass(cls):
        code = cls.server.stop()
        cls.directory.cleanup()
        assert code == 0, f"the server ended with {code}"

    def check_health(self, rss_before):
        self.assertIsNone(self.server.process.poll(), "the server has ended")
        self.assertEqual(self.server.known_rows(), KNOWN_ROWS)
        if not self.is_slow:
            growth = self.server.status("VmRSS") - rss_before
            self.assertLessEqual(growth, RSS_GROWTH_MAX, "memory has grown")

    def attack(self, name, data, *expected, within=ANSWER_S, says=b"", is_ended=False):
        """One case. expected: codes, classes (4 for 4xx), CUT. is_ended: nothing more comes."""
        with self.subTest(name):
            rss = self.server.status("VmRSS")
            code, body, seconds = self.server.ask(data, is_ended)
            for _ in range(2):  # the machine may have had something else to do
                if seconds > within:
                    code, body, seconds = self.server.ask(data, is_ended)
            answer = f"{code} after {seconds:.2f} s: {body[:200]!r}"
            is_expected = code in expected or (code != CUT and code // 100 in expected)
            self.assertTrue(is_expected, answer)
            self.assertIn(says, body)
            self.assertLessEqual(seconds, PATIENCE_S if self.is_slow else within, answer)
            if code != CUT and code >= 400 and body[:1] == b"{":
                json.loads(body)  # whatever was sent, errors are JSON in UTF-8
            self.check_health(rss)

    # ---- framing ----

    def test_lengths_that_say_two_things(self):
        post = (b"POST /write HTTP/1.1", HOST, b"Connection: close")
        body = b"a value=1 1\n"
        for name, *lines in (
                ("both", b"Content-Length: 12", b"Transfer-Encoding: chunked"),
                ("both, reversed", b"Transfer-Encoding: chunked", b"Content-Length: 12"),
                ("two that differ", b"Content-Length: 12", b"Content-Length: 13"),
                ("two that agree", b"Content-Length: 12", b"Content-Length: 12"),
                ("a list", b"Content-Length: 12, 12"),
                ("negative", b"Content-Length: -1"),
                ("a sign", b"Content-Length: +12"),
                ("hexadecimal", b"Content-Length: 0x0c"),
                ("a fraction", b"Content-Length: 12.0"),
                ("empty", b"Content-Length: "),
                ("a word", b"Content-Length: twelve"),
                ("2^64", b"Content-Length: 18446744073709551616"),
                ("100 digits", b"Content-Length: " + b"9" * 100),
                ("blank inside", b"Content-Length: 1 2"),
                ("blank before the colon", b"Content-Length : 12"),
                ("tab before the colon", b"Transfer-Encoding\t: chunked", b"Content-Length: 12"),
                ("two encodings", b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"),
                ("identity", b"Transfer-Encoding: identity"),
                ("gzip, chunked", b"Transfer-Encoding: gzip, chunked"),
                ("a misspelt one", b"Transfer-Encoding: xchunked"),
                ("vertical tab", b"Transfer-Encoding: \x0bchunked")):
            self.attack(f"length: {name}", head(*post, *lines, body=body), 4, CUT)
        self.assertEqual(self.server.count("a"), 0)

    def test_a_length_beyond_all_bodies(self):
        """It is no error to announce much; nothing is set aside for it."""
        for length in (2**63 - 1, 2**64 - 1, 2**40):
            data = head(b"POST /api/v1/rows HTTP/1.1", HOST, b"Connection: close",
                        b"Content-Length: %d" % length)
            self.attack(f"length {length}", data, 4, CUT)

    def test_chunks(self):
        good = b"c\r\nb value=1 1\n\r\n"
        for name, *parts in (
                ("17 digits", b"10000000000000000\r\n", b"x" * 100),
                ("negative", b"-1\r\n", b"x"),
                ("a sign", b"+c\r\nb value=1 1\n\r\n0\r\n\r\n"),
                ("0x", b"0xc\r\nb value=1 1\n\r\n0\r\n\r\n"),
                ("no size", b"\r\n", good),
                ("a word", b"twelve\r\n"),
                ("data longer than the size", b"2\r\nb value=1 1\n\r\n0\r\n\r\n"),
                ("1000 digits", b"0" * 1000 + b"z\r\n")):
            self.attack(f"chunk: {name}", chunked(*parts), 4, CUT)
        # Such a chunk may begin; what there is of it is a line without end.
        self.attack("chunk: 16 times F", chunked(b"FFFFFFFFFFFFFFFF\r\n", b"b" * 100), 4, CUT,
                    is_ended=True)
        # The answer of libmicrohttpd to a line that its buffer cannot hold.
        self.attack("chunk: an extension without end", chunked(b"c;" + b"e" * (256 << 10)), 4, 500,
                    CUT)
        self.assertEqual(self.server.count("b"), 0)
        self.attack("chunks of one byte", chunked(*(b"1\r\n%c\r\n" % c for c in b"bb value=1 1\n"),
                                                  b"0\r\n\r\n"), 204)
        self.assertEqual(self.server.count("bb"), 1)

    def test_heads(self):
        get = b"GET /healthz HTTP/1.1\r\n%s\r\nConnection: close\r\n" % HOST
        bare = get.replace(b"\r\n", b"\n")
        lines = b"".join(b"X-%d: y\r\n" % index for index in range(99))
        self.attack("100 fields", get + lines[:lines.rindex(b"X-")] + b"\r\n", 200)
        self.attack("101 fields", get + lines + b"\r\n", 431)
        self.attack("a head of 33 KiB",
                    get + b"".join(b"X-%d: %s\r\n" % (i, b"y" * 4096) for i in range(8)) +
                    b"Y: " + b"y" * 1024 + b"\r\n\r\n", 4)
        self.attack("a head of 1 MiB", get + b"X: " + b"y" * (1 << 20) + b"\r\n\r\n", 4, CUT)
        self.attack("a head without end", get + b"X: y\r\n" * 100000, 4, CUT)
        self.attack("a target of 8 KiB", request(target="/" + "a" * 8191), 404)
        self.attack("a target of 9 KiB", request(target="/" + "a" * 9215), 414)
        self.attack("a target of 1 MiB", request(target="/" + "a" * (1 << 20)), 4, CUT)
        self.attack("bare line feeds", bare + b"\n", 200, 4, CUT)
        # The value ends at the NUL, or is unfolded, before the server gets to see it.
        self.attack("NUL in a value", get + b"X: a\0b\r\n\r\n", 200, 4, CUT)
        self.attack("NUL in a name", get + b"X\0: b\r\n\r\n", 4, CUT)
        self.attack("a folded line", get + b"X: a\r\n b\r\n\r\n", 200, 4, CUT)
        self.attack("a folded length", get + b"Content-Length:\r\n 5\r\n\r\n12345", 200, 4, CUT)
        self.attack("a line without colon", get + b"X\r\n\r\n", 4, CUT)
        self.attack("an empty name", get + b": y\r\n\r\n", 200, 4, CUT)
        self.attack("a blank before the first line", b" " + get + b"\r\n", 4, CUT)
        self.attack("bytes above 127", get + b"X: \xff\xfe\r\n\r\n", 200, 4, CUT)

    def test_request_lines(self):
        for name, line, *expected in (
                ("absolute", b"GET http://x/healthz HTTP/1.1", 200, 4),
                ("an authority", b"CONNECT x:80 HTTP/1.1", 4, 501, CUT),
                ("a star", b"OPTIONS * HTTP/1.1", 2, 4, CUT),
                ("no target", b"GET HTTP/1.1", 4, CUT),
                ("no version", b"GET /healthz", 4, CUT, 505),
                ("version 2", b"GET /healthz HTTP/2.0", 4, 505, CUT),
                ("version 1.9", b"GET /healthz HTTP/1.9", 200, 4, 505, CUT),
                ("no such version", b"GET /healthz HTTQ/1.1", 4, 505, CUT),
                ("a method of its own", b"BREW /healthz HTTP/1.1", 4, 501),
                ("a long method", b"A" * 20000 + b" / HTTP/1.1", 4, 501, CUT),
                ("a NUL in the target", b"GET /heal\0thz HTTP/1.1", 4, CUT),
                ("an escaped NUL", b"GET /healthz%00 HTTP/1.1", 4),
                ("a cut escape", b"GET /healthz%2 HTTP/1.1", 400),
                ("no UTF-8", b"GET /%ff%fe HTTP/1.1", 400),
                ("overlong", b"GET /..%c0%af..%c0%afetc/passwd HTTP/1.1", 400),
                ("upwards", b"GET /../../etc/passwd HTTP/1.1", 4),
                ("escaped upwards", b"GET /%2e%2e%2f%2e%2e%2fetc%2fpasswd HTTP/1.1", 4),
                ("1024 parameters", b"GET /api/v1/labels?" + b"a&" * 1024 + b" HTTP/1.1", 200),
                ("1100 parameters", b"GET /api/v1/labels?" + b"a&" * 1100 + b" HTTP/1.1", 413, CUT),
                ("4000 parameters", b"GET /api/v1/labels?" + b"a&" * 4000 + b" HTTP/1.1", 413, CUT)):
            self.attack(f"line: {name}", head(line, HOST, b"Connection: close"), *expected)
        hello = bytes.fromhex("160301020001 0001fc0303".replace(" ", "")) + bytes(range(256)) * 2
        self.attack("TLS", hello + b"\r\n\r\n", 4, CUT)
        self.attack("HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(9), 4, 505, CUT)
        self.attack("an upgrade", request(headers=("Upgrade: h2c", "HTTP2-Settings: x")), 200)
        self.attack("another answer", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 4, 505, CUT)
        self.attack("nothing but line feeds", b"\r\n" * 3 + request(), 200, 4, CUT)

    def test_pages_of_other_sites(self):
        """What a browser sends for a page from elsewhere."""
        port = self.server.port
        line = b"foreign value=1 1\n"
        plain = write(line)
        for host in (b"evil.example", b"localhost.evil.example", b"127.0.0.1.evil.example:80",
                     b"localhost@evil.example", b"127.0.0.1\tevil.example", b"[::1].evil.example",
                     b"evil.example:127"):
            self.attack(f"host: {host}", plain.replace(HOST, b"Host: " + host), 4)
        for origin in ("null", "http://evil.example", "http://127.0.0.1.evil.example", "file://",
                       f"https://127.0.0.1:{port}", f"http://127.0.0.1:{port}@evil.example"):
            self.attack(f"origin: {origin}", write(line, (f"Origin: {origin}",)), 403)
        self.assertEqual(self.server.count("foreign"), 0)
        own = write(line, (f"Origin: http://127.0.0.1:{port}",))
        self.attack("its own page", own.replace(HOST, HOST + b":%d" % port), 204)
        self.assertEqual(self.server.count("foreign"), 1)

    def test_parameters(self):
        """Every parameter of every route that reads, with values that are none."""
        values = ["", "x", "-1", "0", "%00", "%ff", "%", "1e400", "NaN", "9" * 30, "-" + "9" * 30,
                  "9223372036854775807", "-9223372036854775808", "-9223372036854775808.5",
                  "18446744073709551615", "now-9999999999y", "2026-13-45", "{", "{}", "known",
                  "known%7Bhost%3D~%22(a%2B)%2B%24%22%7D", "known%7Bhost%3D~%22(%22%7D",
                  "%7Bhost%3D%22" + "%5C" * 500 + "%22%7D", "(" * 1000, "%E2%82%AC" * 100]
        targets = [f"{route}?{name}={value}"
                   for route in ("/api/v1/export", "/api/v1/series", "/api/v1/labels",
                                 "/api/v1/label/host/values")
                   for name in ("match[]", "start", "end", "limit", "precision", "timeout",
                                "max_rows_per_line", "split_fields")
                   for value in values]
        targets += [f"/api/v1/label/{value}/values" for value in values]
        rss = self.server.status("VmRSS")
        for target in targets:
            code, body, _ = self.server.ask(request(target=target))
            with self.subTest(target):
                self.assertIn(code, (200, 400, 404, 413, 422, 503), body)
                if code != 200:
                    self.assertEqual(json.loads(body)["status"], "error")
        self.check_health(rss)

    def test_a_client_may_leave_at_every_byte(self):
        rss = self.server.status("VmRSS")
        whole = request("POST", "/write", (), b"left value=1 1\n")
        for size in range(len(whole)):
            with self.server.connect() as link:
                self.server.send(link, whole[:size])
                if size % 2 == 0:  # without a word, and with a reset
                    link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.check_health(rss)
        self.assertEqual(self.server.count("left"), 0)

    def test_a_thousand_requests_at_once(self):
        rss = self.server.status("VmRSS")
        begin = time.monotonic()
        with self.server.connect() as link:
            lines = (b"piped value=%d %d\n" % (index, index) for index in range(1000))
            keep = [write(line).replace(b"Connection: close\r\n", b"") for line in lines]
            self.server.send(link, b"".join(keep) + request())
            answer = self.server.receive(link)
        self.assertEqual(answer.count(b"HTTP/1.1 204"), 1000)
        self.assertEqual(answer.count(b"HTTP/1.1 200"), 1)
        self.assertLess(time.monotonic() - begin, PATIENCE_S)
        self.check_health(rss)
        self.assertEqual(self.server.count("piped"), 1000)

    # ---- encodings ----

    def test_encoded_bodies(self):
        plain = b"packed value=1 1\npacked value=2 2\n" * 20
        packed = gzip.compress(plain)
        is_gzip = ("Content-Encoding: gzip",)
        is_zstd = ("Content-Encoding: zstd",)
        wrong = bytearray(packed)
        wrong[-5] ^= 1
        reserved = bytearray(packed)
        reserved[3] |= 0xE0
        self.attack("a wrong checksum", write(bytes(wrong), is_gzip), 400)
        self.attack("reserved flags", write(bytes(reserved), is_gzip), 400)
        self.attack("bytes behind the end", write(packed + b"more", is_gzip), 400)
        self.attack("a second member that is cut", write(packed * 2 + packed[:9], is_gzip), 400)
        for size in range(1, len(packed)):
            code, body, _ = self.server.ask(write(packed[:size], is_gzip))
            self.assertEqual(code, 400, (size, body))
        frame = zstd_frame((0, 30, b"packed value=3 3\n" + b"x value=1 1\n\n"))
        self.attack("a zstd frame", write(frame, is_zstd), 204)
        for size in range(1, len(frame)):
            code, body, _ = self.server.ask(write(frame[:size], is_zstd))
            self.assertEqual(code, 400, (size, body))
        self.attack("a window of 2 GiB", write(zstd_frame((1, 9, b"\n"), window=0xA8), is_zstd), 4)
        self.attack("a window of 16 MiB", write(zstd_frame((1, 9, b"\n"), window=0x70), is_zstd), 4)
        self.attack("a reserved block", write(zstd_frame((3, 9, b"\n")), is_zstd), 400)
        self.attack("a reserved bit", write(zstd_frame((1, 9, b"\n"), descriptor=8), is_zstd), 400)
        skipped = struct.pack("<II", 0x184D2A50, 0) * 100000
        self.attack("100000 frames to skip", write(skipped + frame, is_zstd), 204, within=3)
        twice = gzip.compress(packed)
        self.attack("packed twice, said once", write(twice, is_gzip), 400)
        self.attack("packed twice, said twice", write(twice, ("Content-Encoding: gzip, gzip",)), 415)
        self.attack("two headers", write(twice, is_gzip * 2), 415)
        self.attack("no such encoding", write(plain, ("Content-Encoding: br",)), 415)
        self.attack("no gzip at all", write(plain, is_gzip), 400)

    def test_bombs(self):
        is_gzip = ("Content-Encoding: gzip",)
        is_zstd = ("Content-Encoding: zstd",)
        # What is refused is read on up to 8 MiB, so that the client sees the answer.
        line = gzip_bomb(7 << 20, b"x" * (1 << 20))
        self.attack("gzip: one line of 7 GiB", write(line, is_gzip), 413)
        self.attack("gzip: one line of 16 GiB", write(line * 2 + line[10:], is_gzip), 413, CUT)
        self.attack("gzip: one line, imported", load(line, is_gzip), 413)
        self.attack("gzip: a document", rows(line, is_gzip), 413)
        blank = zstd_frame(*((1, 1 << 17, b"\n"),) * 4000)
        self.attack("zstd: 512 MiB in 16 KB", write(blank, is_zstd), 413)
        self.attack("zstd, imported", load(blank, is_zstd), 413)
        self.attack("zstd: a document", rows(blank, is_zstd), 413)

    # ---- lines ----

    def test_lines_as_long_as_may_be(self):
        most = b"#" + b"x" * (LINE_BYTES_MAX - 1)
        self.attack("a line of the limit", write(most + b"\nlong value=1 1\n"), 204)
        self.attack("one byte more", write(most + b"x\nlong value=2 2\n"), 413)
        self.assertEqual(self.server.count("long"), 1)
        self.attack("64 MiB without line feed", write(b"x" * (64 << 20)), 413, CUT, within=3)
        self.attack("64 MiB without, imported", load(b" " * (64 << 20)), 413, CUT, within=3)
        self.attack("a quote never closed", write(b'q value="' + b"y" * 2000000), 413)
        self.attack("a quote never closed, then lines",
                    write(b'q value="x\n' + b"q value=1 1\n" * 1000), 400)

    def test_line_protocol(self):
        for name, line in (
                ("no measurement", b",host=a value=1 1"),
                ("no field", b"bad,host=a 1"),
                ("no value", b"bad value= 1"),
                ("no name", b"bad =1 1"),
                ("a tag without value", b"bad,host value=1 1"),
                ("20 digits of time", b"bad value=1 18446744073709551616"),
                ("a time of text", b"bad value=1 now"),
                ("i beyond 64 bits", b"bad value=9223372036854775808i 1"),
                ("u below zero", b"bad value=-1u 1"),
                ("1e400", b"bad value=1e400 1"),
                ("a hexadecimal float", b"bad value=0x1p3 1"),
                ("no UTF-8 in a tag", b"bad,host=\xff\xfe value=1 1"),
                ("no UTF-8 in a measurement", b"bad\xc0\xaf value=1 1"),
                ("no UTF-8 in a name", b"bad v\xed\xa0\x80=1 1"),
                ("no UTF-8 in a string", b'bad value="\xf4\x90\x80\x80" 1'),
                ("300 tags", b"bad" + b"".join(b",t%d=x" % i for i in range(300)) + b" value=1 1"),
                ("1001 fields", b"bad " + b",".join(b"f%d=1" % i for i in range(1001)) + b" 1"),
                ("a tag of 128 KiB", b"bad,host=" + b"x" * (128 << 10) + b" value=1 1"),
                ("a name of 128 KiB", b"bad " + b"x" * (128 << 10) + b"=1 1"),
                ("a string of 128 KiB", b'bad value="' + b"x" * (128 << 10) + b'" 1'),
                ("text behind the time", b"bad value=1 1 1")):
            # The good line behind it is stored all the same.
            self.attack(f"line: {name}", write(line + b"\nnext value=1 1\n"), 400, says=b"line 1")
        self.assertEqual(self.server.count("bad"), 0)
        self.assertEqual(self.server.count("next"), 1)

    def test_names_that_would_be_taken_for_others(self):
        """Series are looked up by database and key: no two pairs may look the same."""
        self.attack("a database with NUL", write(b"c value=1 1\n", target="/write?db=a%00b"), 204)
        self.attack("a measurement with NUL", write(b"b\0c value=2 1\n", target="/write?db=a"), 204)
        self.attack("both in one", write(b"a\0b\0c value=3 1\n"), 204)
        self.attack("size first", write(b",a value=4 1\n", target="/write?db=x"), 400)
        for metric, value in (("c", 1.0), ("b\0c", 2.0), ("a\0b\0c", 3.0)):
            selector = json.dumps({"__name__": metric})
            text = json.dumps({"select": "{__name__=%s}" % json.dumps(metric)})
            data = self.server.query(text.replace("\\\\u0000", "\\u0000").encode())["data"]
            found = [row[1] for part in data for row in part["rows"]]
            self.assertEqual(found, [value], selector)

    # ---- JSON ----

    def test_json_documents(self):
        deep = b"[" * 100000
        for name, document, *expected in (
                ("depth 100000", b'{"select":' + deep, 4),
                ("objects 100000", b'{"a":' * 100000, 4),
                ("depth in a string is none", b'{"select":"nothing","zone":"' + b"[" * 1000 + b'"}', 4),
                ("1e400", b'{"start":1e400}', 400),
                ("10000 digits", b'{"limit":' + b"9" * 10000 + b"}", 4),
                ("a lone surrogate", b'{"select":"\\ud800"}', 400),
                ("a surrogate reversed", b'{"select":"\\udc00\\ud800"}', 400),
                ("no UTF-8", b'{"select":"\xff"}', 400),
                ("overlong", b'{"select":"\xc0\xaf"}', 400),
                ("a member cut in a character", b'{"' + b"x" * 63 + "\u20ac".encode() + b'":1}', 400),
                ("NUL", b'{"select":"a\0b"}', 400),
                ("an escaped NUL", b'{"select":"a\\u0000b"}', 400),
                ("NUL in a member", b'{"sel\\u0000ect":"a"}', 400),
                ("a byte order mark", b"\xef\xbb\xbf{}", 400),
                ("a trailing comma", b'{"select":"a",}', 400),
                ("twice the same", b'{"limit":1,"limit":2}', 400),
                ("nothing", b"", 400),
                ("a number", b"1", 400),
                ("two documents", b"{}{}", 400),
                ("a negative limit", b'{"limit":-1}', 400),
                ("a regex bomb", b'{"select":"known{host=~\\"(a+)+$\\"}"}', 200, 4),
                ("a large regex",
                 b'{"select":"known{host=~\\"((a{1,100}){1,100}){1,100}\\"}"}', 200, 4),
                ("steps of 1 ns over all time",
                 b'{"select":"known","fields":[{"field":"value","agg":"avg"}],"every":"1ns",'
                 b'"start":0,"end":"now"}', 200, 4),
                ("every member of a wrong type",
                 b'{"select":{},"fields":7,"where":"x","start":[],"every":{"width":"x"}}', 400)):
            self.attack(f"query: {name}", rows(document), *expected)
        many = b",".join(b"%d" % row for row in range(70000))
        self.attack("import: as many rows as a line holds",
                    load(b'{"metric":{"__name__":"manyj"},"values":[%s],"timestamps":[%s]}' %
                         (many, many)), 204)
        self.assertEqual(self.server.count("manyj"), 70000)
        whole = b'{"select":"known","fields":[{"field":"value","agg":"sum"}],"start":"-1h"}'
        for size in range(len(whole)):
            code, body, _ = self.server.ask(rows(whole[:size]))
            self.assertEqual(code, 400, (size, body))
        document = b'{"select":"nothing"}'
        self.attack("a document of the limit", rows(document.ljust(1 << 20)), 200)
        self.attack("a document one byte beyond", rows(document.ljust((1 << 20) + 1)), 413)

    def test_json_lines(self):
        good = b'{"metric":{"__name__":"nextj"},"values":[1],"timestamps":[1]}\n'
        for name, line in (
                ("depth 100000", b"[" * 100000),
                ("1e400", b'{"metric":{"__name__":"badj"},"values":[1e400],"timestamps":[1]}'),
                ("a lone surrogate",
                 b'{"metric":{"__name__":"badj","a":"\\ud800"},"values":[1],"timestamps":[1]}'),
                ("no UTF-8", b'{"metric":{"__name__":"badj\xff"},"values":[1],"timestamps":[1]}'),
                ("20 digits of time",
                 b'{"metric":{"__name__":"badj"},"values":[1],"timestamps":[18446744073709551616]}'),
                ("a time out of range",
                 b'{"metric":{"__name__":"badj"},"values":[1],"timestamps":[9223372036854775807]}'),
                ("lengths that differ",
                 b'{"metric":{"__name__":"badj"},"values":[1,2],"timestamps":[1]}'),
                ("no name", b'{"metric":{"a":"b"},"values":[1],"timestamps":[1]}'),
                ("an empty name", b'{"metric":{"__name__":""},"values":[1],"timestamps":[1]}'),
                ("base64 that is none",
                 b'{"metric":{"__name__":"badj"},"values":[{"bytes":"?"}],"timestamps":[1]}'),
                ("a histogram of lies",
                 b'{"metric":{"__name__":"badj"},"values":[{"histogram":{"schema":127,"sum":1,'
                 b'"zero_threshold":0,"count":1,"zero_count":0,"positive_spans":[[0,4294967295]],'
                 b'"positive_buckets":[1]}}],"timestamps":[1]}'),
                ("half a megabyte of lists", b'{"metric":' + b"[]," * 170000)):
            self.attack(f"import: {name}", load(line + b"\n" + good), 400, says=b"line 1")
        self.assertEqual(self.server.count("badj"), 0)
        self.assertEqual(self.server.count("nextj"), 1)

    # ---- many, slow and idle ----

    def test_honest_writers_among_idle_and_slow_clients(self):
        """Idle and dripping clients hold what one address may have, less what the honest need."""
        rss = self.server.status("VmRSS")
        idle = []
        for index in range(300):
            try:
                idle.append(self.server.connect())
            except OSError:
                break  # refused: as good
            if index % 10 == 0:
                self.server.send(idle[-1], b"POST /write HTTP/1.1\r\n%s\r\nContent-" % HOST)
        # What is beyond the bound for one address is closed by the server; that makes no room, so
        # the honest clients need some of the others to leave.
        for link in idle[:100]:
            link.close()
        drip = idle[150:160]

        def write_many(number):
            lost = 0
            for round_number in range(20):
                lines = b"".join(b"honest,writer=w%d value=%d %d\n" %
                                 (number, row, round_number * 50 + row) for row in range(50))
                for link in drip:
                    self.server.send(link, b"L")
                for _ in range(100):
                    code = self.ask_or_cut(write(lines))
                    if code == 204:
                        break
                    time.sleep(0.02)  # the server has yet to notice who has left
                else:
                    lost += 1
            return lost

        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            lost = sum(pool.map(write_many, range(4)))
        for link in idle:
            link.close()
        self.assertEqual(lost, 0)
        self.assertEqual(self.server.count("honest"), 4 * 20 * 50)
        self.check_health(rss)

    def ask_or_cut(self, data):
        try:
            return self.server.ask(data)[0]
        except OSError:
            return CUT


if __name__ == "__main__":
    unittest.main(verbosity=2 if "-v" in sys.argv else 1)
