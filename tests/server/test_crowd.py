# SPDX-License-Identifier: Apache-2.0
"""A crowd at one server: idle connections, writers, a slow reader and a sender of rubbish, all at once.

The honest ones (all but the last) lose nothing and see no error. Each kind comes from a loopback address of its own,
since connections are bounded for each address. Nothing is timed. The program is $VARVE_PROGRAM.
"""

import concurrent.futures
import itertools
import json
import os
import socket
import sys
import tempfile
import threading
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "badinput"))
import bad_framing  # noqa: E402 (the path is set above)
import bad_json  # noqa: E402
import bad_lines  # noqa: E402
from attack_target import CUT, Server, dechunk, request, write  # noqa: E402

IDLE = 256
WRITERS = 64
REQUESTS = 12  # of each writer
ROWS = 50      # of each request
LONG_ROWS = 100000
RUBBISH_BYTES_MAX = 1 << 16
PIECE_BYTES = 4096


class Crowd(unittest.TestCase):
    def setUp(self):
        holder = tempfile.TemporaryDirectory(prefix="varve-crowd-")
        self.addCleanup(holder.cleanup)
        self.server = Server(os.path.join(holder.name, "data"))
        self.is_done = threading.Event()

    def connect(self, address, receive_bytes=None):
        link = socket.socket()
        self.addCleanup(link.close)
        if receive_bytes:
            link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        link.settimeout(60)
        link.bind((address, 0))
        link.connect(("127.0.0.1", self.server.port))
        return link

    def answer(self, link):
        """The head of one answer without a body."""
        seen = b""
        while b"\r\n\r\n" not in seen:
            part = link.recv(1 << 16)
            if not part:
                break
            seen += part
        return seen

    def write_rows(self, number):
        """One writer, over one connection; returns the answers that were not 204."""
        link = self.connect("127.0.0.1")
        bad = []
        for begin in range(0, REQUESTS * ROWS, ROWS):
            lines = b"".join(b"crowd,writer=w%d value=%d %d\n" % (number, row, row)
                             for row in range(begin, begin + ROWS))
            link.sendall(write(lines).replace(b"Connection: close\r\n", b""))
            answer = self.answer(link)
            if not answer.startswith(b"HTTP/1.1 204"):
                bad.append(answer)
        return bad

    def read_slowly(self):
        """An export in small pieces, one whenever a moment has passed, and the rest when all others are done."""
        link = self.connect("127.0.0.2", receive_bytes=PIECE_BYTES)
        link.sendall(request(target="/api/v1/export?match[]=long"))
        parts = []
        while not self.is_done.wait(0.01):
            parts.append(link.recv(PIECE_BYTES))
        while part := link.recv(1 << 16):
            parts.append(part)
        head, body = b"".join(parts).split(b"\r\n\r\n", 1)
        self.assertTrue(head.startswith(b"HTTP/1.1 200"), head)
        text = b"".join(dechunk(body)) if b"chunked" in head else body
        return sum(len(json.loads(line)["values"]) for line in text.splitlines())

    def send_rubbish(self):
        """Cases of the corpus, over and over; returns how many the server answered or cut."""
        cases = itertools.chain(bad_framing.cases(), bad_json.cases(), bad_lines.cases())
        data = [case.data for case in cases if len(case.data) <= RUBBISH_BYTES_MAX and not case.leaves]
        count = 0
        for part in itertools.cycle(data):
            if self.is_done.is_set():
                return count
            code, _, _ = self.server.ask(part, is_ended=True, source="127.0.0.3")
            count += code == CUT or code >= 200
        return count

    def test_the_honest_lose_nothing(self):
        long_rows = b"".join(b"long value=%d %d\n" % (row, row) for row in range(LONG_ROWS))
        self.assertEqual(204, self.server.ask(write(long_rows))[0])
        idle = [self.connect("127.0.0.4") for _ in range(IDLE)]
        with concurrent.futures.ThreadPoolExecutor(WRITERS + 2) as pool:
            reader = pool.submit(self.read_slowly)
            rubbish = pool.submit(self.send_rubbish)
            try:
                refused = list(itertools.chain.from_iterable(pool.map(self.write_rows, range(WRITERS))))
            finally:
                self.is_done.set()
            self.assertEqual([], refused)
            self.assertEqual(LONG_ROWS, reader.result())
            self.assertGreater(rubbish.result(), 0)
        self.assertEqual(WRITERS * REQUESTS * ROWS, self.server.count("crowd"))
        # Those that only waited are served as well.
        for link in idle:
            link.sendall(request())
            self.assertTrue(self.answer(link).startswith(b"HTTP/1.1 200"))
        self.assertEqual(0, self.server.stop())


if __name__ == "__main__":
    unittest.main()
