# SPDX-License-Identifier: Apache-2.0
"""Every route of src/server/routes.def with every method.

  M1  a method that a route does not take is 405, and `Allow` names those that it takes
  M2  HEAD is taken wherever GET is, and answered without a body
  M3  OPTIONS of a route under /api/ is 204 with `Allow`; elsewhere it is a method like others
  M4  the same holds behind every alias of paths, and nowhere else
  M5  every answer has an id, and every one with a body says what it is and that nobody is to guess

The program is $VARVE_PROGRAM.
"""

import re
import sys
import unittest
from pathlib import Path

from served import Served

ROOT = Path(__file__).resolve().parent.parent.parent
METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW")
ALIASES = ("/prometheus", "/influx", "/opentsdb", "/graphite")
ROW = re.compile(r'^VV_ROUTE\((\w+),\s*"([^"]+)",\s*([^,]+),', re.MULTILINE)
# Routes whose good answer would end the test.
UNTOUCHED = ("/-/quit", "/-/reload")


def routes():
    """[(path, {methods of the row})]"""
    text = (ROOT / "src/server/routes.def").read_text(encoding="utf-8")
    rows = [(path.replace("*", "job"), set(re.findall(r"VV_([A-Z]+)", methods)))
            for _, path, methods in ROW.findall(text)]
    assert len(rows) == text.count("\nVV_ROUTE("), "a row that this test cannot read"
    return rows


class Methods(Served):
    def allowed(self, headers):
        return set((headers["Allow"] or "").split(", "))

    def check(self, method, path, methods, is_api):
        """One request, against M1 to M3 and M5."""
        code, headers, body = self.ask(method, path, b"" if method in ("POST", "PUT") else None)
        allowed = methods | ({"HEAD"} if "GET" in methods else set())
        allowed |= {"OPTIONS"} if is_api else set()
        self.assertTrue(headers["X-Request-Id"])
        if method == "HEAD" or code == 204:
            self.assertEqual(body, b"")
        if code != 204 and method != "HEAD":
            self.assertTrue(headers["Content-Type"])
        if headers["Content-Type"]:
            self.assertEqual(headers["X-Content-Type-Options"], "nosniff")
            self.assertIn("frame-ancestors 'none'", headers["Content-Security-Policy"])
        if method == "OPTIONS" and is_api:
            self.assertEqual(code, 204)
            self.assertEqual(self.allowed(headers), allowed)
        elif method in allowed:
            self.assertNotIn(code, (404, 405, 501))
        else:
            self.assertEqual(code, 405)
            self.assertEqual(self.allowed(headers), allowed)

    def test_every_route_with_every_method(self):
        for path, methods in routes():
            for method in METHODS:
                if path in UNTOUCHED and method in methods:
                    continue
                with self.subTest(path=path, method=method):
                    self.check(method, path, methods, path.startswith("/api/"))

    def test_every_route_behind_every_alias(self):
        for alias in ALIASES:
            for path, methods in routes():
                with self.subTest(path=alias + path):
                    self.check("PATCH", alias + path, methods, path.startswith("/api/"))
        for path in ("/prometheus/prometheus/api/v1/labels", "/mimir/api/v1/labels",
                     "/prometheusapi/v1/labels", "/api/v1/labels/", "//api/v1/labels",
                     "/api/v1/label//values", "/api/v1/label/a/b/values", "/API/v1/labels"):
            with self.subTest(path=path):
                self.assertEqual(self.ask("GET", path)[0], 404)

    def test_head_tells_what_get_would(self):
        for path in ("/healthz", "/version", "/health", "/api/v1/labels", "/"):
            with self.subTest(path=path):
                _, of_get, body = self.ask("GET", path)
                code, of_head, nothing = self.ask("HEAD", path)
                self.assertEqual((code, nothing), (200, b""))
                self.assertEqual(of_head["Content-Length"], of_get["Content-Length"])
                self.assertEqual(of_head["Content-Type"], of_get["Content-Type"])

    def test_what_is_no_path_is_no_path_by_any_method(self):
        for method in ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"):
            code, headers, _ = self.ask(method, "/api/v1/nothing")
            self.assertEqual(code, 404)
            self.assertIsNone(headers["Allow"])


if __name__ == "__main__":
    unittest.main(verbosity=2 if "-v" in sys.argv else 1)
