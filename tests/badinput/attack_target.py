# SPDX-License-Identifier: Apache-2.0
"""A running server as a target, over raw sockets, and the bytes of requests that are well formed."""

import json
import os
import socket
import struct
import subprocess
import time
import zlib

# A case that cannot come quick on a machine that builds at the same time, or under a sanitizer.
PATIENCE_S = 20.0
# Bytes that a client sends at once; the server may end the connection in the middle.
SEND_BYTES = 1 << 18
CUT = "cut"
HOST = b"Host: 127.0.0.1"

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

    def forget_peak(self):
        """From now on VmHWM is the peak since now; false where that cannot be had."""
        try:
            with open(f"/proc/{self.process.pid}/clear_refs", "w", encoding="ascii") as file:
                file.write("5")
            return True
        except OSError:
            return False

    def is_sanitized(self):
        """Address sanitizer reserves terabytes."""
        return self.status("VmSize") > 1 << 40

    def connect(self, source=None):
        link = socket.create_connection(("127.0.0.1", self.port), PATIENCE_S, source and (source, 0))
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

    def say_end(self, link):
        try:
            link.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # the server has ended the connection already

    def receive(self, link):
        """All bytes until the server ends the connection."""
        parts = []
        try:
            while part := link.recv(1 << 16):
                parts.append(part)
        except ConnectionResetError:
            pass
        return b"".join(parts)

    def ask(self, data, is_ended=False, source=None):
        """Send, and return (code or CUT, body, seconds from the last byte sent to the end)."""
        with self.connect(source) as link:
            self.send(link, data)
            if is_ended:
                self.say_end(link)
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
