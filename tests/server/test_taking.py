# SPDX-License-Identifier: Apache-2.0
"""What is taken in, by files and over HTTP alike: `__name__`, which is the metric and no label; and how much it was."""

import json
import socket
import subprocess
import sys
import unittest
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from commands import PROGRAM, Commands  # noqa: E402 (the path is set above)

# Format, options of the command line, path over HTTP, text, and what is said; None: it is the metric x.
CASES = (
    ("lp", [], "/write", "m,__name__=x v=1 1\n", 'the tag "__name__" is the measurement\'s'),
    ("prom", [], "/api/v1/import/prometheus", 'm{__name__="x"} 1 1\n', 'the label "__name__" is the metric\'s'),
    ("prom", [], "/api/v1/import/prometheus", '{__name__="x"} 1 1\n', 'the label "__name__" is the metric\'s'),
    ("openmetrics", [], "/api/v1/import/prometheus#om", '# TYPE m gauge\nm{__name__="x"} 1 1\n# EOF\n',
     'the label "__name__" is the metric\'s'),
    ("jsonl", [], "/api/v1/import", '{"metric":{"__name__":"x"},"values":[1],"timestamps":[1]}\n', None),
    ("jsonl", [], "/api/v1/import", '{"metric":{"__name__":"y","__name__":"x"},"values":[1],"timestamps":[1]}\n',
     "duplicate object key"),
    ("jsonl", [], "/api/v1/import", '{"metric":{"a":"x"},"values":[1],"timestamps":[1]}\n', 'has no "__name__"'),
    ("csv", ["--labels", "__name__", "--metric", "m"], "/api/v1/import/csv?format=1:time:rfc3339,2:label:__name__,3:f64:v&metric=m&header=1",
     "time,__name__,v\n2026-01-01,x,1\n", "the metric is no label"),
    ("csv", ["--metric-column", "__name__"], "/api/v1/import/csv?format=1:time:rfc3339,2:name,3:i64:v&header=1",
     "time,__name__,v\n2026-01-01,x,1\n", None),
    ("csv", [], "/api/v1/import/csv", "time:unix_s,metric:name,__name__:label,v:f64\n1,m,x,1\n", "the metric is no label"),
)


class Taking(Commands):
    def post(self, path, text):
        path, _, kind = path.partition("#")
        kind = {"om": "application/openmetrics-text; version=1.0.0"}.get(kind, "text/plain")
        request = urllib.request.Request(self.url + path, text.encode(), {"Content-Type": kind})
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, ""
        except urllib.error.HTTPError as refused:
            with refused:
                return refused.code, refused.read().decode()

    def test_files_and_requests_are_answered_alike(self):
        for number, (form, words, path, text, said) in enumerate(CASES):
            for place in (["--data", f"d{number}"], ["--url", self.url]):
                done = self.run_bare("import", "-", "--format", form, *words, *place, stdin=text)
                if said is None:
                    self.assertEqual(0, done.returncode, done.stderr)
                    self.assertIn("x", self.run_bare("series", *place).stdout.split())
                else:
                    self.assertIn(done.returncode, (1, 2, 3), text)
                    self.assertIn(said, done.stderr, text)
            code, answer = self.post(path, text)
            self.assertEqual(204 if said is None else 400, code, (path, answer))
            self.assertIn((said or "").replace('"', '\\"'), answer, path)
        self.assertNotIn("__name__", self.output("series", on="url"))

    def test_extra_labels_are_no_metrics(self):
        for place in (["--data", "extra"], ["--url", self.url]):
            done = self.run_bare("import", "-", "--format", "lp", "--extra-label", "__name__=x", *place, stdin="a v=1 1\n")
            self.assertEqual((2, ""), (done.returncode, done.stdout))
            self.assertIn('"__name__" is the metric', done.stderr)
        code, answer = self.post("/write?extra_label=__name__=x", "a v=1 1\n")
        self.assertEqual(400, code)
        self.assertIn("is the metric's", answer)

    def test_written_lines_too(self):
        for on in ("data", "url"):
            place = ["--data", "lines"] if on == "data" else ["--url", self.url]
            done = self.run_bare("write", "m,__name__=x v=1 1", *place)
            self.assertEqual(3, done.returncode)
            self.assertIn('the tag "__name__" is the measurement\'s', done.stderr)

    def test_imports_tell_how_many_rows_on_a_server_too(self):
        for place in (["--data", "counted"], ["--url", self.url]):
            for verb, words, said in (("import", ["-", "--format", "lp"], 0), ("write", [], 0),
                                      ("import", ["-", "--format", "jsonl"], 3)):
                text = "counted v=1 1\ncounted v=2 2\n" if said == 0 else \
                    '{"metric":{"__name__":"counted"},"fields":{"v":[1,2]},"timestamps":[1,2]}\nbad\n'
                done = self.run_bare(verb, *words, *place, "--json", stdin=text)
                answer = json.loads(done.stdout)
                self.assertEqual((said, 2, 1 if said else 0), (done.returncode, answer["rows"], answer["rejected"]))
            done = self.run_bare("import", "-", "--format", "lp", *place, stdin="counted v=1 1\n")
            self.assertTrue(done.stdout.startswith("1 rows stored, 0 left out, "), done.stdout)

    def test_a_server_that_does_not_count_is_not_guessed_for(self):
        with socket.create_server(("127.0.0.1", 0)) as server:
            running = subprocess.Popen([PROGRAM, "write", "a v=1 1", "--json", "--url",
                                        "http://127.0.0.1:%d" % server.getsockname()[1]], text=True,
                                       stdout=subprocess.PIPE, env=self.environment)
            link, _ = server.accept()
            with link:
                body = b""
                while not body.endswith(b"0\r\n\r\n"):
                    body += link.recv(65536)
                link.sendall(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
            answer = json.loads(running.communicate(timeout=60)[0])
        self.assertEqual((0, {"rejected", "seconds"}), (running.returncode, set(answer)))


if __name__ == "__main__":
    unittest.main()
