# SPDX-License-Identifier: Apache-2.0
"""What clients of InfluxDB 1, 2 and 3 send and look for. The program is $VARVE_PROGRAM."""

import gzip
import json
import sys
import unittest

from served import Served

GIVEN = 1700000000  # a time in seconds


class Rows(Served):
    flags = ("--ingest-max-future", "off")  # times of every size

    def post(self, path, body, headers=None):
        code, headers, body = self.ask("POST", path, body, headers)
        return code, json.loads(body) if body else None

    def times(self, metric):
        return [time for line in self.lines(("match[]", metric), ("precision", "ns"))
                for time in line["timestamps"]]

    def test_units_of_times(self):
        s = GIVEN * 10**9
        cases = [("/write", unit, given, s) for unit, given in (
            ("", s), ("n", s), ("ns", s), ("u", s // 10**3), ("us", s // 10**3),
            ("%C2%B5", s // 10**3), ("ms", s // 10**6), ("s", GIVEN), ("m", GIVEN // 60),
            ("h", GIVEN // 3600), ("auto", GIVEN))]
        cases += [("/api/v2/write", unit, given, s) for unit, given in (
            ("", s), ("ns", s), ("us", s // 10**3), ("ms", s // 10**6), ("s", GIVEN))]
        cases += [("/api/v3/write_lp?db=d", unit, given, s) for unit, given in (
            ("", s), ("", s // 10**3), ("", s // 10**6), ("", GIVEN), ("auto", GIVEN),
            ("nanosecond", s), ("microsecond", s // 10**3), ("millisecond", s // 10**6),
            ("second", GIVEN))]
        for number, (path, unit, given, wanted) in enumerate(cases):
            with self.subTest(path=path, unit=unit, given=given):
                mark = "&" if "?" in path else "?"
                code, answer = self.post(f"{path}{mark}precision={unit}",
                                         f"unit{number} v=1 {given}")
                self.assertEqual((code, answer), (204, None))
                wanted -= wanted % (60 * 10**9 if unit == "m" else 3600 * 10**9 if unit == "h" else 1)
                self.assertEqual(self.times(f"unit{number}"), [wanted])

    def test_both_sides_of_what_auto_takes_for_a_unit(self):
        for given, wanted in ((4999999999, 4999999999 * 10**9), (5000000000, 5000000000 * 10**6),
                              (4999999999999, 4999999999999 * 10**6),
                              (5000000000000, 5000000000000 * 10**3),
                              (4999999999999999, 4999999999999999 * 10**3),
                              (5000000000000000, 5000000000000000), (-5000000000, -5 * 10**15),
                              (-4999999999, -4999999999 * 10**9), (0, 0)):
            with self.subTest(given=given):
                name = f"auto{given}".replace("-", "_")
                self.assertEqual(self.post("/api/v3/write_lp?db=d", f"{name} v=1 {given}"),
                                 (204, None))
                self.assertEqual(self.times(name), [wanted])

    def test_units_that_are_none(self):
        for path, unit in (("/write", "d"), ("/api/v2/write", "m"), ("/api/v2/write", "n"),
                           ("/api/v3/write_lp?db=d", "h"), ("/write", "ns,us")):
            with self.subTest(path=path, unit=unit):
                code, answer = self.post(f"{path}{'&' if '?' in path else '?'}precision={unit}",
                                         "no v=1 1")
                self.assertEqual(code, 400)
                text = answer["message"] if path == "/api/v2/write" else answer["error"]
                self.assertIn('invalid parameter "precision"', text)
        self.assertEqual(self.times("no"), [])

    def test_a_line_without_a_time_gets_the_clock(self):
        self.assertEqual(self.post("/write?precision=s", "clock v=1")[0], 204)
        self.assertGreater(self.times("clock")[0], GIVEN * 10**9)

    def test_what_each_version_says_of_a_bad_line(self):
        text = "good{} v=1 1\nbad{}\ngood{} v=2 2\nbad\n"
        code, answer = self.post("/write", text.format(1, 1, 1))
        self.assertEqual(code, 400)
        self.assertEqual(answer, {"error": "partial write: line 2: missing fields dropped=2"})
        code, answer = self.post("/api/v2/write?org=o&bucket=b", text.format(2, 2, 2))
        self.assertEqual(code, 400)
        self.assertEqual(answer, {"code": "invalid", "line": 2, "written": 2, "rejected": 2,
                                  "message": "partial write: line 2: missing fields dropped=2"})
        code, answer = self.post("/api/v3/write_lp?db=d", text.format(3, 3, 3))
        self.assertEqual(code, 400)
        self.assertEqual(answer, {"error": "partial write of line protocol occurred",
                                  "written": 2, "rejected": 2,
                                  "data": [{"original_line": "bad3", "line_number": 2,
                                            "error_message": "missing fields"},
                                           {"original_line": "bad", "line_number": 4,
                                            "error_message": "missing fields"}]})
        for number in (1, 2, 3):
            self.assertEqual(len(self.times(f"good{number}")), 2)

    def test_all_or_nothing(self):
        code, answer = self.post("/api/v3/write_lp?db=d&accept_partial=false",
                                 "whole v=1 1\nbad\nwhole v=2 2\n")
        self.assertEqual(code, 400)
        self.assertEqual(answer, {"error": "parsing failed for write_lp endpoint",
                                  "written": 0, "rejected": 1,
                                  "data": {"original_line": "bad", "line_number": 2,
                                           "error_message": "missing fields"}})
        self.assertEqual(self.times("whole"), [])
        self.assertEqual(self.post("/api/v3/write_lp?db=d&accept_partial=false&no_sync=true",
                                   "whole v=1 1\nwhole v=2 2\n"), (204, None))
        self.assertEqual(len(self.times("whole")), 2)
        for param in ("accept_partial", "no_sync"):
            code, answer = self.post(f"/api/v3/write_lp?db=d&{param}=1", "whole v=3 3\n")
            self.assertEqual(code, 400)
            self.assertIn(f'invalid parameter "{param}"', answer["error"])
        code, answer = self.post("/api/v3/write_lp", "whole v=3 3\n")
        self.assertEqual(code, 400)
        self.assertIn('"db"', answer["error"])

    def test_a_line_is_listed_whoever_refuses_it(self):
        self.write("typed v=1 1\n", db="d")
        text = 'typed v="text" 2\ntyped v=2 3\nbad\ntyped v=1,v=2 4\n'
        code, answer = self.post("/api/v3/write_lp?db=d", text)
        self.assertEqual((code, answer["written"], answer["rejected"]), (400, 1, 3))
        self.assertEqual([(row["line_number"], row["original_line"]) for row in answer["data"]],
                         [(1, 'typed v="text" 2'), (3, "bad"), (4, "typed v=1,v=2 4")])
        self.assertIn("its type differs", answer["data"][0]["error_message"])
        self.assertEqual(answer["data"][2]["error_message"], 'the field "v" stands twice')
        code, answer = self.post("/api/v3/write_lp?db=d&accept_partial=false",
                                 'whole v=1 1\n# two\ntyped v="text" 2\n')
        self.assertEqual((code, answer["error"]), (400, "parsing failed for write_lp endpoint"))
        self.assertEqual(answer["data"]["line_number"], 3)
        self.assertEqual(answer["data"]["original_line"], 'typed v="text" 2')
        self.assertEqual(self.times("whole"), [])

    def test_a_hundred_lines_are_listed_and_the_rest_counted(self):
        for count in (100, 101, 250):
            text = "".join(f"bad{number}\ngood v=1 {number}\n" for number in range(count))
            code, answer = self.post("/api/v3/write_lp?db=d", text)
            self.assertEqual((code, answer["rejected"], answer["written"]), (400, count, count))
            self.assertEqual([row["line_number"] for row in answer["data"]],
                             [2 * number + 1 for number in range(100)])
        code, answer = self.post("/api/v3/write_lp?db=d", "bad\xe9".encode("latin-1") * 100)
        self.assertEqual(code, 400)
        self.assertTrue(answer["data"][0]["original_line"].startswith("bad\ufffdbad"))
        code, answer = self.post("/api/v3/write_lp?db=d", "\u20ac".encode() * 100)
        self.assertEqual(answer["data"][0]["original_line"], "\u20ac" * 42)

    def test_the_database_is_a_label(self):
        for path in ("/write?db=one&rp=ignored&consistency=any&u=somebody&p=secret",
                     "/api/v2/write?bucket=one&org=ignored&orgID=7", "/influx/write?db=one",
                     "/api/v3/write_lp?db=one"):
            self.assertEqual(self.post(path, "dbs v=1 1\ndbs,db=own v=1 1\n"), (204, None))
        found = [line["metric"] for line in self.lines(("match[]", "dbs"))]
        self.assertEqual(found, [{"__name__": "dbs", "db": "one"}, {"__name__": "dbs", "db": "own"}])

    def test_extra_labels_win_over_those_of_a_line(self):
        self.assertEqual(self.post("/write?db=x&extra_label=zone=z&extra_label=host=h",
                                   "extra v=1 1\nextra,host=own v=1 1\n"), (204, None))
        found = [line["metric"] for line in self.lines(("match[]", "extra"))]
        self.assertEqual(found, [{"__name__": "extra", "db": "x", "host": "h", "zone": "z"}])
        self.assertEqual(self.post("/write?db=x&extra_label=db=y&extra_label=db=z",
                                   "extra2,db=own v=1 1\n"), (204, None))
        found = [line["metric"] for line in self.lines(("match[]", "extra2"))]
        self.assertEqual(found, [{"__name__": "extra2", "db": "z"}])
        for bad in ("zone", "__name__=cpu"):
            self.assertEqual(self.post(f"/write?extra_label={bad}", "extra v=1 1\n")[0], 400)

    def test_errors_have_the_shape_of_the_version(self):
        long_line = b"x" * (1 << 20) + b"x v=1 1\n"
        code, answer = self.post("/write", long_line)
        self.assertEqual((code, list(answer)), (413, ["error"]))
        code, answer = self.post("/api/v2/write", long_line)
        self.assertEqual((code, answer["code"]), (413, "request too large"))
        self.assertIn("longer than", answer["message"])
        encoded = {"Content-Encoding": "gzip"}
        code, answer = self.post("/api/v2/write", b"plain", encoded)
        self.assertEqual((code, answer["code"]), (400, "invalid"))
        code, answer = self.post("/api/v2/write", b"a v=1 1", {"Content-Encoding": "br"})
        self.assertEqual((code, list(answer)), (415, ["code", "message"]))
        self.assertEqual(self.post("/api/v2/write", gzip.compress(b"packed v=1 1\n"), encoded),
                         (204, None))
        code, _, body = self.ask("GET", "/api/v2/write")
        self.assertEqual((code, json.loads(body)["code"]), (405, "method not allowed"))

    def test_it_says_that_it_is_there(self):
        for method in ("GET", "HEAD"):
            code, headers, body = self.ask(method, "/ping")
            self.assertEqual((code, body), (204, b""))
            self.assertTrue(headers["X-Influxdb-Version"])
            self.assertTrue(headers["X-Influxdb-Build"])
        code, answer = self.get("/health")
        self.assertEqual(code, 200)
        self.assertEqual({key: answer[key] for key in ("name", "message", "status", "checks")},
                         {"name": "varve", "message": "ready for queries and writes",
                          "status": "pass", "checks": []})
        self.assertTrue(answer["version"])

    def test_as_much_of_its_language_as_writers_need(self):
        nothing = {"results": [{"statement_id": 0}]}
        self.write("q v=1 1\n", db="shown")
        for query in ('CREATE DATABASE "telegraf"', "create  database telegraf",
                      "CREATE DATABASE telegraf WITH DURATION 1h;"):
            self.assertEqual(self.get("/query", ("q", query), ("db", "x")), (200, nothing))
            self.assertEqual(self.post_form("/query", ("q", query)), (200, nothing))
        code, answer = self.get("/query", ("q", "SHOW DATABASES; create database x"))
        self.assertEqual(code, 200)
        shown, created = answer["results"]
        self.assertEqual(created, {"statement_id": 1})
        self.assertEqual(shown["series"][0]["name"], "databases")
        self.assertEqual(shown["series"][0]["columns"], ["name"])
        self.assertIn(["shown"], shown["series"][0]["values"])
        for query in ("", ";;", "SELECT 1", "DROP DATABASE x", "CREATE DATABASE", "SHOW DATABASES x",
                      "SHOW SERIES", "CREATE DATABASE a; SELECT 1", ";".join(["SHOW DATABASES"] * 17)):
            with self.subTest(query):
                code, answer = self.get("/query", ("q", query))
                self.assertEqual((code, list(answer)), (400, ["error"]))


class Flat(Served):
    flags = ("--influx-mapping", "flat", "--influx-separator", ".", "--influx-db-label", "database")

    def test_fields_are_series_of_their_own(self):
        self.write('cpu,host=a usage=1,value=2i,s="x" 1000000\n'
                   "cpu,host=a usage=3 2000000\nm\\,n a\\ b=t 1000000\n", db="d")
        found = {line["metric"]["__name__"]: line for line in
                 self.lines(("match[]", '{database="d"}'))}
        self.assertEqual(sorted(found), ["cpu", "cpu.s", "cpu.usage", "m,n.a b"])
        self.assertEqual(found["cpu.usage"]["values"], [1.0, 3.0])
        self.assertEqual(found["cpu.usage"]["timestamps"], [1, 2])
        self.assertEqual(found["cpu.usage"]["metric"]["host"], "a")
        self.assertEqual(found["cpu"]["values"], [2])
        self.assertEqual(found["cpu.s"]["values"], ["x"])
        self.assertEqual(found["m,n.a b"]["values"], [True])

    def test_a_name_ends_where_it_ends(self):
        """Series are looked up by line and field: no two pairs may look the same."""
        self.write("ab c=1 1\n")
        self.write("a bc=2 1\n")
        self.write("a,t=b c=3 1\n")
        found = {line["metric"]["__name__"] + line["metric"].get("t", ""): line["values"]
                 for line in self.lines(("match[]", '{__name__=~"ab?[.].*"}'))}
        self.assertEqual(found, {"ab.c": [1.0], "a.bc": [2.0], "a.cb": [3.0]})


class FlatSingle(Served):
    flags = ("--influx-mapping", "flat", "--influx-skip-single-field")

    def test_a_field_that_is_alone_is_the_measurement(self):
        self.write("one temperature=1 1000000\ntwo a=1,b=2 1000000\n")
        found = sorted(line["metric"]["__name__"] for line in
                       self.lines(("match[]", '{__name__=~"one.*|two.*"}')))
        self.assertEqual(found, ["one", "two_a", "two_b"])


if __name__ == "__main__":
    unittest.main(verbosity=2 if "-v" in sys.argv else 1)
