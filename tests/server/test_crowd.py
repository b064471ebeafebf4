# SPDX-License-Identifier: Apache-2.0
"""Honest writers among idle clients, one that reads slowly and one that sends rubbish.

The counts are exact at the end, and nobody honest sees an error. The program is $VARVE_PROGRAM.
"""

import http.client
import random
import socket
import sys
import threading
import unittest

from served import PATIENCE_S, Served

IDLE = 256
WRITERS = 64
REQUESTS = 6
ROWS = 50
SEED = 20261120


class Crowd(Served):
    # All come from one address here; the clients of a real server do not. Time is none of this
    # test's concern.
    flags = ("--connections-per-address-max", "512", "--header-timeout", "5m", "--stall-timeout", "5m")

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.port), PATIENCE_S)

    def write_many(self, number, errors):
        link = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        try:
            for request in range(REQUESTS):
                lines = "".join(f"honest,writer=w{number} value={row} {request * ROWS + row}\n"
                                for row in range(ROWS))
                link.request("POST", "/write", lines.encode())
                answer = link.getresponse()
                text = answer.read()
                if answer.status != 204:
                    errors.append((number, answer.status, text))
        except OSError as error:
            errors.append((number, repr(error)))
        finally:
            link.close()

    def read_slowly(self, is_over):
        """A large export, of which little is taken at a time."""
        link = self.connect()
        link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        link.sendall(b"GET /api/v1/export?match[]=large HTTP/1.1\r\nHost: localhost\r\n\r\n")
        link.recv(16)
        while not is_over.wait(0.01):
            link.recv(16)
        link.close()

    def send_rubbish(self, is_over):
        chance = random.Random(SEED)
        begins = (b"", b"POST /write HTTP/1.1\r\nHost: localhost\r\nContent-Length: 300\r\n\r\n",
                  b"POST /write HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n",
                  b"GET /api/v1/export?match[]=", b"POST /api/v1/rows HTTP/1.1\r\n")
        while not is_over.is_set():
            with self.connect() as link:
                try:
                    link.sendall(chance.choice(begins) + chance.randbytes(300))
                except OSError:
                    pass  # the server has heard enough

    def test_the_honest_are_served(self):
        print(f"seed {SEED}")
        self.write("".join(f"large value={row}.25 {row}\n" for row in range(100000)).encode())
        idle = [self.connect() for _ in range(IDLE)]
        is_over = threading.Event()
        errors = []
        others = [threading.Thread(target=self.read_slowly, args=(is_over,)),
                  threading.Thread(target=self.send_rubbish, args=(is_over,))]
        writers = [threading.Thread(target=self.write_many, args=(number, errors))
                   for number in range(WRITERS)]
        for thread in others + writers:
            thread.start()
        for thread in writers:
            thread.join()
        is_over.set()
        for thread in others:
            thread.join()
        self.assertEqual(errors, [])
        # Those that were idle all the time are served as well.
        for link in idle[:4]:
            link.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            self.assertTrue(link.recv(12).startswith(b"HTTP/1.1 200"))
        for link in idle:
            link.close()
        lines = self.lines(("match[]", "honest"))
        counts = {}
        for line in lines:
            name = line["metric"]["writer"]
            counts[name] = counts.get(name, 0) + len(line["timestamps"])
        self.assertEqual(counts, {f"w{number}": REQUESTS * ROWS for number in range(WRITERS)})


if __name__ == "__main__":
    unittest.main(verbosity=2 if "-v" in sys.argv else 1)
