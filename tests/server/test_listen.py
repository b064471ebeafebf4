# SPDX-License-Identifier: Apache-2.0
"""Addresses, prefix and origins as flags of the program. The program is $VARVE_PROGRAM."""

import http.client
import os
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import unittest

PATIENCE_S = 60


class Local(http.client.HTTPConnection):
    """HTTP over a socket of this machine."""

    def __init__(self, path):
        super().__init__("localhost", timeout=PATIENCE_S)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(PATIENCE_S)
        self.sock.connect(self.path)


class Listen(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.TemporaryDirectory(prefix="varve-listen-")
        self.process = None

    def tearDown(self):
        if self.process is not None:
            self.stop(signal.SIGKILL)
        self.directory.cleanup()

    def path(self, name):
        return os.path.join(self.directory.name, name)

    def start(self, *flags, lines=1):
        """What the program says about its addresses."""
        program = os.environ.get("VARVE_PROGRAM", "build/varve")
        self.process = subprocess.Popen(
            [program, "serve", "--data", self.path("data"), "--sync", "none", *flags],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        said = [self.process.stdout.readline().decode().rstrip("\n") for _ in range(lines)]
        return [line.removeprefix("listening http ") for line in said]

    def stop(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        code = self.process.wait(PATIENCE_S)
        self.process.stdout.close()
        self.process = None
        return code

    def get(self, link, path, headers=None):
        link.request("GET", path, headers=headers or {})
        answer = link.getresponse()
        answer.read()
        return answer

    def test_every_address_has_a_line_and_is_served(self):
        name = self.path("http.sock")
        said = self.start("--listen", "127.0.0.1:0", "--listen", f"unix:{name}", "--listen",
                          "127.0.0.1:0", lines=3)
        self.assertEqual(said[1], f"unix:{name}")
        for url in (said[0], said[2]):
            self.assertTrue(url.startswith("http://127.0.0.1:"), url)
            link = http.client.HTTPConnection(url.removeprefix("http://"), timeout=PATIENCE_S)
            self.assertEqual(self.get(link, "/healthz").status, 200)
            link.close()
        link = Local(name)
        self.assertEqual(self.get(link, "/healthz", {"Host": "any.example"}).status, 200)
        link.close()
        self.assertEqual(stat.S_IMODE(os.stat(name).st_mode), 0o660)
        self.assertEqual(self.stop(), 0)
        self.assertFalse(os.path.exists(name))

    def test_what_a_killed_server_left_is_replaced(self):
        name = self.path("http.sock")
        flags = ("--listen", f"unix:{name}", "--listen-mode", "0600")
        self.start(*flags)
        self.assertEqual(self.stop(signal.SIGKILL), -signal.SIGKILL)
        self.assertTrue(os.path.exists(name))
        self.assertEqual(self.start(*flags), [f"unix:{name}"])
        self.assertEqual(stat.S_IMODE(os.stat(name).st_mode), 0o600)
        link = Local(name)
        self.assertEqual(self.get(link, "/healthz").status, 200)
        link.close()
        self.assertEqual(self.stop(), 0)

    def test_prefix_and_origins(self):
        origin = "https://dashboards.example"
        url, = self.start("--listen", "127.0.0.1:0", "--http-prefix", "/varve",
                          "--http-cors-origin", "https://other.example", "--http-cors-origin", origin)
        link = http.client.HTTPConnection(url.removeprefix("http://"), timeout=PATIENCE_S)
        self.assertEqual(self.get(link, "/healthz").status, 404)
        answer = self.get(link, "/varve/healthz", {"Origin": origin})
        self.assertEqual(answer.status, 200)
        self.assertEqual(answer.headers["Access-Control-Allow-Origin"], origin)
        answer = self.get(link, "/varve/healthz", {"Origin": "https://else.example"})
        self.assertIsNone(answer.headers["Access-Control-Allow-Origin"])
        link.close()
        self.assertEqual(self.stop(), 0)

    def test_what_cannot_be_listened_on_is_a_failure(self):
        open(self.path("file"), "wb").close()
        program = os.environ.get("VARVE_PROGRAM", "build/varve")
        for flags, exit_code, says in (
                (("--listen", "unix:" + self.path("file")), 1, "no socket"),
                (("--listen", "unix:" + self.path("none/s")), 1, "cannot listen"),
                (("--listen", "unix:" + self.path("x" * 200)), 2, "no path of a socket"),
                (("--listen", "127.0.0.1:0", "--listen", "somewhere:1"), 2, "numeric"),
                (("--listen", "0.0.0.0:0"), 2, "other machines"),
                (("--http-prefix", "varve"), 2, "no prefix"),
                (("--http-cors-origin", "*"), 2, "no origin")):
            with self.subTest(flags):
                ended = subprocess.run([program, "serve", "--data", self.path("data"), *flags],
                                       timeout=PATIENCE_S, capture_output=True, text=True)
                self.assertEqual(ended.returncode, exit_code, ended.stderr)
                self.assertIn(says, ended.stderr)
                self.assertEqual(ended.stdout, "")
                self.assertFalse(os.path.exists(self.path("data")))  # nothing is made before

    def test_an_address_in_use_makes_no_database(self):
        address = self.start("--listen", "127.0.0.1:0")[0].removeprefix("http://")
        program = os.environ.get("VARVE_PROGRAM", "build/varve")
        ended = subprocess.run([program, "serve", "--data", self.path("other"), "--listen", address],
                               timeout=PATIENCE_S, capture_output=True, text=True)
        self.assertEqual((1, ""), (ended.returncode, ended.stdout))
        self.assertIn(f"cannot listen on {address}: address already in use", ended.stderr)
        self.assertFalse(os.path.exists(self.path("other")))
        self.assertEqual(self.stop(), 0)


if __name__ == "__main__":
    unittest.main(verbosity=2 if "-v" in sys.argv else 1)
