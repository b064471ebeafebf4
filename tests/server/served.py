# SPDX-License-Identifier: Apache-2.0
"""A running server for tests, and one connection to it. The program is $VARVE_PROGRAM."""

import http.client
import json
import os
import signal
import subprocess
import tempfile
import unittest
import urllib.parse

PATIENCE_S = 60


class Served(unittest.TestCase):
    """One server for all tests of a class, on a directory of its own."""

    flags = ()

    @classmethod
    def setUpClass(cls):
        cls.directory = tempfile.TemporaryDirectory(prefix="varve-served-")
        program = os.environ.get("VARVE_PROGRAM", "build/varve")
        cls.process = subprocess.Popen(
            [program, "serve", "--data", os.path.join(cls.directory.name, "data"), "--listen",
             "127.0.0.1:0", "--sync", "none", *cls.flags], stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL)
        line = cls.process.stdout.readline().decode()
        if not line.startswith("listening http http://"):
            raise RuntimeError(f"{program} does not serve: {line!r}")
        cls.port = int(line.rsplit(":", 1)[1])
        cls.link = http.client.HTTPConnection("127.0.0.1", cls.port, timeout=PATIENCE_S)

    @classmethod
    def tearDownClass(cls):
        cls.link.close()
        cls.process.send_signal(signal.SIGTERM)
        code = cls.process.wait(PATIENCE_S)
        cls.process.stdout.close()
        cls.directory.cleanup()
        assert code == 0, f"the server ended with {code}"

    def ask(self, method, path, body=None, headers=None):
        """(code, headers, body), over the same connection as long as the server keeps it."""
        self.link.request(method, path, body, headers or {})
        answer = self.link.getresponse()
        return answer.status, answer.headers, answer.read()

    def get(self, path, *params):
        """(code, what the JSON of the answer says); params: (name, value)."""
        query = urllib.parse.urlencode(params)
        code, _, body = self.ask("GET", path + ("?" + query if query else ""))
        return code, json.loads(body) if body else None

    def post_form(self, path, *params):
        """The same parameters, as a form."""
        body = urllib.parse.urlencode(params).encode()
        code, _, body = self.ask("POST", path, body,
                                 {"Content-Type": "application/x-www-form-urlencoded"})
        return code, json.loads(body) if body else None

    def lines(self, *params):
        """The lines of an export."""
        code, _, body = self.ask("GET", "/api/v1/export?" + urllib.parse.urlencode(params))
        self.assertEqual(code, 200, body)
        return [json.loads(line) for line in body.splitlines()]

    def write(self, lines, **params):
        code, _, body = self.ask("POST", "/write?" + urllib.parse.urlencode(params), lines)
        self.assertEqual(code, 204, body)
