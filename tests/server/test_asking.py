# SPDX-License-Identifier: Apache-2.0
"""What is asked on the command line: the same from a directory and a server, and mistakes are pointed at."""

import json
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from commands import Commands  # noqa: E402 (the path is set above)


class Asking(Commands):
    def test_a_newcomers_query_gives_what_it_says(self):
        self.assertEqual(
            "time                            host  avg(usage)\n"
            "2026-01-02T03:04:00.000000000Z  web1         1.5\n"
            "2026-01-02T03:05:00.000000000Z  web1         2.5\n"
            "2026-01-02T03:05:00.000000000Z  web2        7.25\n",
            self.assert_same("query", 'cpu{host=~"web.*"}', "--fields", "usage", "--last", "100y", "--every", "1m",
                             "--agg", "avg", "--by", "host"))

    def test_aggregates_take_all_numeric_fields_unless_named(self):
        self.assertEqual(["host,avg(idle),avg(usage)", "web1,,2.0", "web2,5.0,7.25"],
                         self.assert_same("query", "cpu", "--agg", "avg", "--by", "host", "--format", "csv").split())
        self.assertEqual(["count(idle),count(note),count(usage)", "1,1,3"],
                         self.assert_same("query", "cpu", "--agg", "count", "--by", "", "--format", "csv").split())
        self.assertIn("avg(value)", self.assert_same("query", "mem", "--every", "1h"))

    def test_columns_are_the_same_whatever_rows_come(self):
        for words in (["--fields", "nosuch"], ["--limit", "1"], ["--fields", "note"], ["--start", "2026-01-02T03:05"],
                      ["--fields", "idle", "--limit", "1"], ["--start", "2030"]):
            for form in ("csv", "table", "tsv"):
                here, there = (self.run_varve("query", "cpu", "--format", form, *words, on=on) for on in ("data", "url"))
                self.assertEqual((0, here.stdout, here.stderr), (there.returncode, there.stdout, there.stderr), words)
        self.assertEqual("time,dc,host,nosuch", self.run_varve("query", "cpu", "--fields", "nosuch", "--csv").stdout.split()[0])

    def test_fields_that_nothing_has_are_told(self):
        for fields, said in (("usgae", '"usgae"; did you mean usage?'), ("temperature", "; there are idle, note, usage")):
            for words in ([], ["--agg", "avg,max"], ["--json"], ["--every", "1h"], ["--start", "2030"]):
                for on in ("data", "url"):
                    done = self.run_varve("query", "cpu", "--fields", "usage," + fields, *words, on=on)
                    self.assertEqual(0, done.returncode)
                    self.assertRegex(done.stderr, r"^varve query: no selected series has the field [^\n]*\n$")
                    self.assertIn(said, done.stderr)
        for words in (["cpu", "--fields", "idle", "--start", "2030"], ["nosuch", "--fields", "x"]):
            for on in ("data", "url"):
                self.assertEqual("", self.run_varve("query", *words, on=on).stderr, words)

    def test_buckets_are_whole(self):
        for every in ("1.5ns", "0.0015us", "0.0000000015", "1e-10", "0s"):
            for on in ("data", "url"):
                done = self.run_varve("query", "cpu", "--agg", "count", "--every", every, on=on)
                self.assertEqual((2, ""), (done.returncode, done.stdout), every)
                self.assertIn("--every: at 1: a bucket is a whole number of ns, and at least one", done.stderr)
        for every in ("1.5us", "0.5h", "1.5"):
            self.assert_same("query", "cpu", "--agg", "count", "--every", every)

    def test_ranges_and_zones_mean_the_same_everywhere(self):
        for words, rows in (
                (["--start", "2026-01-02T03:05"], 2),
                (["--start", "2026-01-02 04:05 Europe/Prague"], 2),
                (["--start", "2026-01-02 04:05", "--zone", "Europe/Prague"], 2),
                (["--end", "2026-01-02T03:05:05"], 1),
                (["--end", "2026-01-02T03:05:05.000000001Z"], 3),
                (["--start", "1767323105", "--end", "1767323106"], 2),
                (["--last", "100y"], 3), (["--last", "3153600000"], 3), (["--last", "100 years"], 3),
                (["--start", "now-1200mo"], 3), (["--start", "1200 months ago"], 3),
                (["--end", "now+1200mo"], 3), (["--start", "now+600mo"], 0)):
            answer = self.assert_same("query", "cpu", "--format", "csv", *words)
            self.assertEqual(rows + 1, answer.count("\n"), words)
            exported = self.assert_same("export", "cpu", "--format", "csv", *words)
            self.assertEqual(rows + 1, exported.count("\n"), words)

    def test_buckets_follow_the_calendar(self):
        for every, zone, first in (("1mo", "Europe/Prague", "2025-12-31T23:00:00"), ("month", "UTC", "2026-01-01T00:00:00"),
                                   ("1d", "Europe/Prague", "2026-01-01T23:00:00"), ("1w", "UTC", "2025-12-29T00:00:00"),
                                   ("1y", "+02:00", "2025-12-31T22:00:00"), ("6h", "-01:00", "2026-01-02T01:00:00"),
                                   ("90s", "UTC", "2026-01-02T03:03:00"), ("3600", "UTC", "2026-01-02T03:00:00")):
            answer = self.assert_same("query", "cpu", "--agg", "count", "--by", "", "--fields", "usage", "--every", every,
                                      "--zone", zone, "--format", "csv")
            self.assertTrue(answer.splitlines()[1].startswith(first), (every, zone, answer))

    def test_listings_are_the_same_and_take_ranges(self):
        self.assertEqual("dc\nhost\n", self.assert_same("labels"))
        self.assertEqual("web1\nweb2\n", self.assert_same("labels", "host"))
        self.assertEqual("web2\n", self.assert_same("labels", "host", "--match", 'cpu{dc="x"}'))
        self.assertEqual("host\n", self.assert_same("labels", "--limit", "1", "--match", 'cpu{host="web1"}'))
        self.assertEqual("", self.assert_same("labels", "--start", "2026-01-03"))
        self.assertEqual(["web1"], json.loads(self.assert_same("labels", "host", "--end", "2026-01-02T03:05", "--json")))
        self.assertEqual("cpu\nmem\n", self.assert_same("labels", "__name__"))
        self.assertEqual('cpu{dc="x",host="web2"}\ncpu{host="web1"}\n', self.assert_same("series", "--start", "2026-01-02T03:05"))
        self.assertEqual([{"metric": "mem", "field": "value", "type": "i64"}],
                         json.loads(self.assert_same("metrics", "mem", "--json")))
        self.assertIn("cpu     usage  f64", self.assert_same("metrics"))

    def test_selectors_without_a_metric_are_the_same(self):
        for selector, wanted in (('{host!="web1"}', ["cpu", "mem"]), (' {host!="web1",dc!="y"}', ["cpu", "mem"]),
                                 ("{}", ["cpu", "cpu", "mem"]), ('{host=~"web1|"}', ["cpu", "mem"]),
                                 ('{"cpu",host!="web1"}', ["cpu"]), ('{__name__=~".*"}', ["cpu", "cpu", "mem"])):
            series = self.assert_same("series", selector)
            self.assertEqual(wanted, [name.split("{")[0] for name in series.splitlines()], selector)
            for words in (["export"], ["query", "--format", "csv"], ["export", "--format", "csv"]):
                self.assert_same(*words, selector)
        refused = [self.run_varve("series", '{host!="web1"', on=on) for on in ("data", "url")]
        self.assertEqual([2, 2], [done.returncode for done in refused])

    def test_mistakes_are_pointed_at(self):
        cases = [
            (['cpu{host=~"web.*"'], 'selector: at 18: expected', 'cpu{host=~"web.*"', 17),
            (['cpu{host=~"web(.*"}'], "selector: at 11: regular expression", 'cpu{host=~"web(.*"}', 10),
            (["cpu{東京=1}"], "selector: at 8: expected", "cpu{東京=1}", 9),
            (["cpu", "--last", "1x"], "--last: at 2: expected a unit", "1x", 1),
            (["cpu", "--start", "2026-13"], "--start: at 6: expected a month", "2026-13", 5),
            (["cpu", "--end", "now-"], "--end: at 5: expected a number", "now-", 4),
            (["cpu", "--every", "5fortnight"], "--every: at 2: expected a unit", "5fortnight", 1),
            (["cpu", "--every", "1mo2d"], "--every: at 1: months stand alone", "1mo2d", 0),
            (["cpu", "--agg", "avg,maxx"], '--agg: at 5: there is no aggregation "maxx"; did you mean max?', "avg,maxx", 4),
            (["cpu", "--fields", ",a"], "--fields: at 1: expected a name", ",a", 0),
            (["cpu", "--by", "host,,x"], "--by: at 6: expected a name", "host,,x", 5),
            (["cpu", "--zone", "Europe/Plzen"], "--zone: at 1: there is no such time zone", "Europe/Plzen", 0),
        ]
        for arguments, message, text, column in cases:
            for on in ("data", "url"):
                done = self.run_varve("query", *arguments, on=on)
                self.assertEqual(2, done.returncode, arguments)
                self.assertEqual("", done.stdout)
                lines = done.stderr.splitlines()
                self.assertTrue(lines[0].startswith(f"varve query: {message}"), lines)
                self.assertEqual(["  " + text, "  " + " " * column + "^"], lines[1:], lines)

    def test_long_texts_are_cut_around_the_mistake(self):
        selector = "cpu{" + ",".join(f'label{n}="value"' for n in range(40)) + ",,}"
        lines = self.run_varve("query", selector).stderr.splitlines()
        self.assertTrue(lines[1].startswith("  ..."))
        self.assertLess(max(len(line) for line in lines[1:]), 80)
        self.assertEqual(",", lines[1][lines[2].index("^")])


if __name__ == "__main__":
    unittest.main()
