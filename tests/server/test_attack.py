# SPDX-License-Identifier: Apache-2.0
"""Requests over raw sockets that are unusual and right, or whose harm shows in what is stored.

What is to be refused is in tests/badinput. The program is $VARVE_PROGRAM.
"""

import json
import os
import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "badinput"))
from attack_target import Server, load, request, write  # noqa: E402 (the path is set above)


class Attack(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.directory = tempfile.TemporaryDirectory(prefix="varve-attack-")
        cls.server = Server(os.path.join(cls.directory.name, "data"))

    @classmethod
    def tearDownClass(cls):
        code = cls.server.stop()
        cls.directory.cleanup()
        assert code == 0, f"the server ended with {code}"

    def ask(self, data, expected):
        code, body, _ = self.server.ask(data)
        self.assertEqual(expected, code, body)

    def test_a_thousand_requests_at_once(self):
        with self.server.connect() as link:
            lines = (b"piped value=%d %d\n" % (index, index) for index in range(1000))
            keep = [write(line).replace(b"Connection: close\r\n", b"") for line in lines]
            self.server.send(link, b"".join(keep) + request())
            answer = self.server.receive(link)
        self.assertEqual(answer.count(b"HTTP/1.1 204"), 1000)
        self.assertEqual(answer.count(b"HTTP/1.1 200"), 1)
        self.assertEqual(self.server.count("piped"), 1000)

    def test_names_that_would_be_taken_for_others(self):
        """Series are looked up by database and key: no two pairs may look the same."""
        self.ask(write(b"c value=1 1\n", target="/write?db=a%00b"), 204)
        self.ask(write(b"b\0c value=2 1\n", target="/write?db=a"), 204)
        self.ask(write(b"a\0b\0c value=3 1\n"), 204)
        self.ask(write(b",a value=4 1\n", target="/write?db=x"), 400)
        for metric, value in (("c", 1.0), ("b\0c", 2.0), ("a\0b\0c", 3.0)):
            selector = json.dumps({"__name__": metric})
            text = json.dumps({"select": "{__name__=%s}" % json.dumps(metric)})
            data = self.server.query(text.replace("\\\\u0000", "\\u0000").encode())["data"]
            found = [row[1] for part in data for row in part["rows"]]
            self.assertEqual(found, [value], selector)

    def test_a_line_of_as_many_rows_as_it_holds(self):
        many = b",".join(b"%d" % row for row in range(70000))
        self.ask(load(b'{"metric":{"__name__":"manyj"},"values":[%s],"timestamps":[%s]}' % (many, many)), 204)
        self.assertEqual(self.server.count("manyj"), 70000)


if __name__ == "__main__":
    unittest.main(verbosity=2 if "-v" in sys.argv else 1)
