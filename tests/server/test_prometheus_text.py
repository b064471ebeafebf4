# SPDX-License-Identifier: Apache-2.0
"""Prometheus text and OpenMetrics into the running program: over HTTP and by `varve import`.

The program is $VARVE_PROGRAM.
"""

import base64
import gzip
import http.client
import json
import os
import signal
import subprocess
import sys
import tempfile
import unittest
import urllib.parse

PROGRAM = os.environ["VARVE_PROGRAM"]
PATH = "/api/v1/import/prometheus"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
WHOLE_BYTES_MAX = 64 << 20


class Server:
    """One server with a directory of its own."""

    def __init__(self, *flags):
        self.directory = tempfile.TemporaryDirectory()
        self.process = subprocess.Popen(
            [PROGRAM, "serve", "--listen", "127.0.0.1:0", "--data", self.directory.name + "/data", *flags],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.url = self.process.stdout.readline().split()[-1]
        self.port = int(self.url.rsplit(":", 1)[1])

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()
        self.process.stdout.close()
        self.directory.cleanup()

    def call(self, method, target, body=b"", headers=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, target, body, headers or {})
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read().decode()
        finally:
            connection.close()

    def post(self, body, target=PATH, content_type=None, **headers):
        if content_type is not None:
            headers["Content-Type"] = content_type
        return self.call("POST", target, body if isinstance(body, bytes) else body.encode(), headers)

    def series(self, selector='{__name__!=""}'):
        """{series: [(ms, value)]} of what is stored."""
        status, _, text = self.call("GET", "/api/v1/export?match[]=" + urllib.parse.quote(selector))
        assert status == 200, text
        found = {}
        for line in text.splitlines():
            row = json.loads(line)
            key = ",".join(f"{k}={v}" for k, v in sorted(row["metric"].items()))
            found[key] = list(zip(row["timestamps"], row["values"]))
        return found


class Http(unittest.TestCase):
    def setUp(self):
        self.server = Server()

    def tearDown(self):
        self.server.stop()

    def test_samples_are_rows_of_the_field_value(self):
        code, headers, _ = self.server.post('# TYPE a counter\na{b="c"} 5 1000\n{"x.y"} NaN 2000\n')
        self.assertEqual(code, 204)
        self.assertEqual(headers["X-Varve-Ack"], "DURABLE")
        self.assertEqual(self.server.series(), {"__name__=a,b=c": [(1000, 5.0)],
                                                "__name__=x.y": [(2000, "NaN")]})

    def test_good_lines_stay_and_the_answer_tells_the_rest(self):
        text = 'a 1 1\nbad\na 2 2\na{b="c",b="d"} 1 1\ncut 1'
        code, _, body = self.server.post(text)
        self.assertEqual(code, 400)
        answer = json.loads(body)
        self.assertEqual(answer["data"], {"line": 2, "written": 2, "rejected": 3})
        self.assertIn("line 2: no value", answer["error"])
        code, headers, _ = self.server.post(text, PATH + "?strict=0")
        self.assertEqual((code, headers["X-Varve-Rejected-Lines"]), (204, "3"))
        self.assertEqual(self.server.series(), {"__name__=a": [(1, 1.0), (2, 2.0)]})

    def test_an_atomic_text_is_stored_whole_or_not_at_all(self):
        code, _, body = self.server.post("a 1 1\nbad\n", PATH + "?atomic=1")
        self.assertEqual((code, json.loads(body)["error"]),
                         (400, "line 2: no value at byte 4; nothing is stored"))
        self.assertEqual(self.server.series(), {})
        self.assertEqual(self.server.post("a 1 1\nb 1 1\n", PATH + "?atomic=1")[0], 204)
        self.assertEqual(len(self.server.series()), 2)
        # A type that differs is found by the database; that too leaves nothing.
        self.assertEqual(self.server.post('c value="text" 1\n', "/write?precision=ms")[0], 204)
        code, _, body = self.server.post("d 1 1\nc 1 2\n", PATH + "?atomic=1")
        self.assertEqual(code, 400)
        self.assertIn('line 2: field \\"value\\" of \\"c\\"', body)
        self.assertNotIn("__name__=d", self.server.series())

    def test_openmetrics_is_good_as_a_whole_or_not_at_all(self):
        good = '# TYPE a counter\na_total{b="c"} 5 1.25 # {t="u"} 1\na_created{b="c"} 1 1.25\n'
        code, _, body = self.server.post(good, content_type=OPENMETRICS)
        self.assertEqual(code, 400)
        self.assertIn("line 4: the text does not end with # EOF", body)
        self.assertEqual(self.server.series(), {})
        for content_type, target in ((OPENMETRICS, PATH), ("text/plain", PATH + "?format=openmetrics"),
                                     ("Application/OpenMetrics-Text", PATH)):
            self.assertEqual(self.server.post(good + "# EOF\n", target, content_type)[0], 204)
        self.assertEqual(self.server.series(), {"__name__=a_total,b=c": [(1250, 5.0)]})
        # The same bytes as Prometheus text: the exemplar is no part of that.
        code, _, body = self.server.post(good, PATH + "?format=prometheus", OPENMETRICS)
        self.assertEqual((code, json.loads(body)["data"]["line"]), (400, 2))
        self.assertEqual(self.server.post(good, PATH + "?format=xml")[0], 400)

    def test_more_than_64_mib_is_no_whole(self):
        text = b"a 1 1\n" + b"# HELP a " + b"x" * 1000 + b"\n"
        packed = gzip.compress(text * (WHOLE_BYTES_MAX // len(text) + 1), 1)
        headers = {"Content-Encoding": "gzip"}
        code, _, _ = self.server.post(packed, PATH + "?atomic=1", **headers)
        self.assertEqual(code, 413)
        self.assertEqual(self.server.series(), {})
        # In parts it is nothing special.
        self.assertEqual(self.server.post(packed, PATH, **headers)[0], 204)
        self.assertEqual(self.server.series(), {"__name__=a": [(1, 1.0)]})

    def test_a_text_that_ends_badly_tells_how_much_is_stored(self):
        code, _, body = self.server.post("a 1 1\n\na 2 2\n" + "x" * 70000)
        self.assertEqual(code, 413)
        self.assertIn("; 2 rows are stored, of lines 1 to 3", json.loads(body)["error"])
        self.assertEqual(self.server.series(), {"__name__=a": [(1, 1.0), (2, 2.0)]})

    def test_extra_labels_win_over_those_of_path_and_text(self):
        target = PATH + "/metrics/job/path/zone/path?extra_label=zone=first&extra_label=zone=last"
        self.assertEqual(self.server.post('a{job="text",zone="text",own="text"} 1 1\n', target)[0], 204)
        self.assertEqual(self.server.series(),
                         {"__name__=a,job=path,own=text,zone=last": [(1, 1.0)]})
        for bad in ("/metrics/zone/x?extra_label=job=a", "/metrics/zone/x"):
            self.assertEqual(self.server.post("a 1 1\n", PATH + bad)[0], 400)

    def test_labels_of_the_path_win(self):
        encoded = base64.urlsafe_b64encode("/tmp/ü".encode()).decode().rstrip("=")
        target = f"{PATH}/metrics/job/backup/path@base64/{encoded}/empty@base64/="
        self.assertEqual(self.server.post('a{job="other",x="y"} 1 1\n', target)[0], 204)
        self.assertEqual(self.server.series(),
                         {"__name__=a,job=backup,path=/tmp/ü,x=y": [(1, 1.0)]})
        self.assertEqual(self.server.call("PUT", PATH + "/metrics/job/b", b"c 1 1\n")[0], 204)
        self.assertIn("__name__=c,job=b", self.server.series())
        for bad in ("/metrics/job", "/metrics/job/", "/metrics/x/y", "/metrics/job/a/b",
                    "/metrics/job/a/1b/c", "/metrics/job/a/__b/c", "/metrics/job@base64/%3D",
                    "/metrics/job/a/b@base64/!", "/metrics/job/a/b@base64/gA"):
            code, _, body = self.server.post("z 1 1\n", PATH + bad)
            self.assertEqual(code, 400, (bad, body))
        self.assertEqual(self.server.post("z 1 1\n", PATH + "/metrics/")[0], 404)
        self.assertNotIn("__name__=z", self.server.series())

    def test_parameters(self):
        target = PATH + "?timestamp=5000&extra_label=a=1&extra_label=x=2"
        self.assertEqual(self.server.post('m{x="y"} 1\nm 2 7\n', target)[0], 204)
        self.assertEqual(self.server.series(), {"__name__=m,a=1,x=2": [(7, 2.0), (5000, 1.0)]})
        for bad in ("timestamp=now", "timestamp=9223372036854775807", "extra_label=a",
                    "extra_label=__name__=b", "extra_label==b"):
            self.assertEqual(self.server.post("m 1\n", PATH + "?" + bad)[0], 400, bad)
        labels = "&".join(f"extra_label=l{i}=v" for i in range(33))
        self.assertEqual(self.server.post("m 1\n", PATH + "?" + labels)[0], 400)
        labels = labels.rsplit("&", 1)[0]
        self.assertEqual(self.server.post("m 1\n", PATH + "?" + labels)[0], 204)

    def test_the_same_key_is_another_series_behind_another_door(self):
        self.server.post("m,a=b value=1 1\n", "/write?precision=ms")
        self.server.post("m 2 2\n")
        self.server.post("m 3 3\n", PATH + "?extra_label=a=b")
        self.assertEqual(self.server.post("m value=4 4\n", "/write?precision=ms")[0], 204)
        self.assertEqual(self.server.series(), {"__name__=m": [(2, 2.0), (4, 4.0)],
                                                "__name__=m,a=b": [(1, 1.0), (3, 3.0)]})

    def test_lines_are_as_long_as_64_kib(self):
        line = b'a{b="' + b"x" * 1000 + b'"} 1 1'
        self.assertEqual(self.server.post(line.ljust(65536) + b"\n")[0], 204)
        self.assertEqual(self.server.post(line.ljust(65537) + b"\n")[0], 413)

    def test_what_is_taken_is_counted(self):
        self.server.post("a 1 1\nb 1 1\nbad\n")
        text = self.server.call("GET", "/metrics")[2]
        self.assertIn('varve_ingest_samples_total{protocol="prometheus"} 2\n', text)
        self.assertIn('varve_ingest_rejected_total{protocol="prometheus",reason="invalid"} 1\n', text)
        self.assertIn('varve_ingest_bytes_total{protocol="prometheus"} 16\n', text)
        # What the server says of itself is a text that it takes.
        self.assertEqual(self.server.post(text)[0], 204)
        self.assertIn("__name__=varve_ingest_bytes_total,protocol=prometheus", self.server.series())


class Created(unittest.TestCase):
    def test_created_becomes_a_series_when_asked(self):
        server = Server("--ingest-created-as-series")
        try:
            text = "# TYPE a counter\na_total 5 1\na_created 7 1\n# EOF\n"
            self.assertEqual(server.post(text, content_type=OPENMETRICS)[0], 204)
            self.assertEqual(set(server.series()), {"__name__=a_total", "__name__=a_created"})
        finally:
            server.stop()


class CommandLine(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.TemporaryDirectory()
        self.data = self.directory.name + "/data"

    def tearDown(self):
        self.directory.cleanup()

    def run_varve(self, *arguments, text=None):
        done = subprocess.run([PROGRAM, *arguments], input=text, capture_output=True, check=False)
        return done.returncode, done.stdout.decode(), done.stderr.decode()

    def load(self, text, *arguments, target=None):
        target = target or ("--data", self.data)
        return self.run_varve("import", *target, *arguments, text=text)

    def stored(self):
        code, text, err = self.run_varve("export", "--data", self.data, "--precision", "ms")
        self.assertEqual(code, 0, err)
        return text

    def test_the_name_of_a_file_tells_its_format(self):
        prom = b'a{b="c"} 5 1000\n'
        om = b"# TYPE d counter\nd_total 6 1.5\n# EOF\n"
        for name, text in (("x.prom", prom), ("x.metrics.txt", prom), ("x.prom.gz", gzip.compress(prom)),
                           ("x.om", om), ("x.openmetrics.gz", gzip.compress(om))):
            path = f"{self.directory.name}/{name}"
            with open(path, "wb") as file:
                file.write(text)
            code, out, err = self.run_varve("import", "--data", self.data, path)
            self.assertEqual((code, out.split(",")[0]), (0, "1 rows stored"), err)
        self.assertEqual(self.stored(),
                         '{"metric":{"__name__":"a","b":"c"},"values":[5.0],"timestamps":[1000]}\n'
                         '{"metric":{"__name__":"d_total"},"values":[6.0],"timestamps":[1500]}\n')

    def test_standard_input_may_be_packed(self):
        self.assertEqual(self.load(gzip.compress(b"a 1 1\n"), "--format", "prom")[0], 0)
        self.assertEqual(self.load(gzip.compress(b"m v=1 1\n"), "--format", "lp")[0], 0)
        self.assertEqual(self.stored().count("\n"), 2)
        code, _, err = self.load(gzip.compress(b"a 1 1\n" * 9999)[:-20], "--format", "prom")
        self.assertEqual(code, 1)
        self.assertIn("standard input", err)

    def test_bad_lines_are_left_out_and_labels_are_added(self):
        code, out, err = self.load(b"a 1 1\nbad\n", "--format", "prom", "--extra-label", "x=y",
                                   "--extra-label", "z=1=2")
        self.assertEqual((code, out.split(",")[0]), (3, "1 rows stored"))
        self.assertIn("left out 1; the first at line 2: no value", err)
        self.assertIn('{"__name__":"a","x":"y","z":"1=2"}', self.stored())
        for bad in ("x", "=y", "x="):
            self.assertEqual(self.load(b"", "--format", "prom", "--extra-label", bad)[0], 2)
        code, _, err = self.load(b"", "--format", "prom", "--precision", "s")
        self.assertEqual(code, 2)
        self.assertIn("prom", err)

    def test_openmetrics_that_is_bad_leaves_nothing(self):
        code, _, err = self.load(b"a 1 1\nb 1 1 1\n# EOF\n", "--format", "openmetrics")
        self.assertEqual(code, 1)
        self.assertIn("line 2: unexpected text behind the sample", err)
        self.assertEqual(self.stored(), "")
        text = b"# TYPE a counter\na_total 1 1\na_created 1 1\n# EOF\n"
        self.assertEqual(self.load(text, "--format", "om", "--ingest-created-as-series")[0], 0)
        self.assertIn("a_created", self.stored())

    def test_a_server_takes_the_same(self):
        server = Server()
        try:
            target = ("--url", server.url)
            code, _, err = self.load(b"a 1 1\nbad\n", "--format", "prom", "--extra-label", "x=y/&",
                                     target=target)
            self.assertEqual(code, 3)
            self.assertIn("left out 1; the first at line 2: no value", err)
            code, _, err = self.load(b"a 1 1\n", "--format", "openmetrics", target=target)
            self.assertEqual(code, 1)
            self.assertIn("# EOF", err)
            self.assertEqual(self.load(b"b 1 1\n# EOF\n", "--format", "openmetrics", target=target)[0], 0)
            self.assertEqual(server.series(), {"__name__=a,x=y/&": [(1, 1.0)],
                                               "__name__=b": [(1000, 1.0)]})
        finally:
            server.stop()


if __name__ == "__main__":
    unittest.main(argv=sys.argv)
