# SPDX-License-Identifier: Apache-2.0
"""Series, labels, their values and exports: what is asked for is what comes, and nothing else.

  C1  a GET and a POST of the same parameters are answered alike
  C2  lists are sorted bytewise and cut by `limit`, which is said
  C3  what is wrong is told in the words of Prometheus, with the parameter and the place
  C4  extra_label and extra_filters[] hold for every selection of every route that reads

The program is $VARVE_PROGRAM.
"""

import json
import sys
import unittest

from served import Served

CUT = ["results truncated due to limit"]
LINES = """\
cpu,host=a,zone=x v=1 1000000000
cpu,host=b,zone=y v=1 2000000000
cpu,host=c v=1 3000000000
mem,host=a,dc=1 v=1 2000000000
Disk,host=\u017e v=1 2000000000
up value=1 5000000000
"""


class Catalogue(Served):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls("write").write(LINES.encode())

    def both(self, path, *params):
        """The answer to a GET, and the same to a POST (C1)."""
        code, answer = self.get(path, *params)
        self.assertEqual(self.post_form(path, *params), (code, answer))
        return code, answer

    def name(self, labels):
        return labels["__name__"] + "/" + labels.get("host", "")

    def hosts(self, *params):
        """The series that a selection has, as metric/host."""
        code, answer = self.both("/api/v1/series", *params)
        self.assertEqual((code, answer["status"]), (200, "success"), answer)
        return [self.name(labels) for labels in answer["data"]]

    def names(self, path, *params):
        ask = self.get if path.endswith("/values") else self.both
        code, answer = ask(path, *params)
        self.assertEqual((code, answer["status"]), (200, "success"), answer)
        self.assertEqual(answer.get("warnings", CUT), CUT)
        return answer["data"], "warnings" in answer

    def test_series_are_those_that_match_any_selector(self):
        every = ("match[]", '{__name__!=""}')
        for params, wanted in (
                ([("match[]", "cpu")], ["cpu/a", "cpu/b", "cpu/c"]),
                ([("match", "cpu")], ["cpu/a", "cpu/b", "cpu/c"]),
                ([("match[]", "mem"), ("match[]", 'cpu{host="b"}')], ["cpu/b", "mem/a"]),
                ([("match[]", "cpu"), ("match[]", "cpu")], ["cpu/a", "cpu/b", "cpu/c"]),
                ([("match[]", 'cpu{zone!="x"}')], ["cpu/b", "cpu/c"]),
                ([("match[]", '{host=~"a|\u017e"}')], ["Disk/\u017e", "cpu/a", "mem/a"]),
                ([every], ["Disk/\u017e", "cpu/a", "cpu/b", "cpu/c", "mem/a", "up/"]),
                ([("match[]", "nothing")], []),
                ([every, ("start", "3"), ("end", "5")], ["cpu/c", "up/"]),
                ([every, ("start", "3.000000001"), ("end", "4.999999999")], []),
                ([every, ("start", "1970-01-01T00:00:05Z")], ["up/"]),
                ([every, ("end", "1")], ["cpu/a"]),
                ([every, ("start", "-292273086-05-16T16:47:06Z"), ("end", "1")], ["cpu/a"]),
                ([every, ("start", "5"), ("end", "292277025-08-18T07:12:54.999999999Z")], ["up/"])):
            with self.subTest(params):
                self.assertEqual(self.hosts(*params), wanted)

    def test_labels_and_values_are_sorted(self):
        for path, params, wanted in (
                ("labels", [], ["__name__", "dc", "host", "zone"]),
                ("labels", [("match[]", "up")], ["__name__"]),
                ("labels", [("match[]", "nothing")], []),
                ("labels", [("match[]", "mem"), ("match[]", 'cpu{host="a"}')],
                 ["__name__", "dc", "host", "zone"]),
                ("labels", [("start", "4")], ["__name__"]),
                ("label/host/values", [], ["a", "b", "c", "\u017e"]),
                ("label/host/values", [("match[]", "cpu"), ("end", "2")], ["a", "b"]),
                ("label/__name__/values", [], ["Disk", "cpu", "mem", "up"]),
                ("label/U______name____/values", [("match[]", '{host="a"}')], ["cpu", "mem"]),
                ("label/U__h_6f_st/values", [("match[]", "mem")], ["a"]),
                ("label/h%6Fst/values", [("match[]", "mem")], ["a"]),
                ("label/none/values", [], [])):
            with self.subTest(path=path, params=params):
                self.assertEqual(self.names(f"/api/v1/{path}", *params), (wanted, False))

    def test_limits_cut_and_say_so(self):
        every = ("match[]", '{__name__!=""}')
        for path, params, whole in (("labels", [], 4), ("label/host/values", [], 4),
                                    ("label/__name__/values", [], 4), ("series", [every], 6)):
            full, _ = self.names(f"/api/v1/{path}", *params)
            self.assertEqual(len(full), whole)
            for limit in range(1, whole + 2):
                with self.subTest(path=path, limit=limit):
                    found = self.names(f"/api/v1/{path}", *params, ("limit", str(limit)))
                    self.assertEqual(found, (full[:limit], limit < whole))
            self.assertEqual(self.names(f"/api/v1/{path}", *params, ("limit", "0")), (full, False))

    def test_what_is_wrong_is_told(self):
        invalid = 'invalid parameter "{}": '
        selector = invalid.format("match[]")
        for params, wanted in (
                ([], "no match[] parameter provided"),
                ([("match[]", "")], selector + "1:1: parse error: "),
                ([("match[]", 'a{b="c"')], selector + "1:8: parse error: "),
                ([("match[]", "good"), ("match[]", 'a{\n"\u017e\u017e"="x",\nb~"y"}')],
                 selector + "3:2: parse error: "),
                ([("match[]", 'a{b=~"("}')], selector + "1:6: parse error: "),
                ([("match[]", "{}")], selector + "match[] must contain at least one non-empty matcher"),
                ([("match[]", '{a=~"x?",b!="y"}')], selector + "match[] must contain"),
                ([("match[]", '{__name__=~".*"}')], selector + "match[] must contain"),
                ([("match[]", "a"), ("start", "soon")], invalid.format("start")),
                ([("match[]", "a"), ("end", "1h")], invalid.format("end")),
                ([("match[]", "a"), ("start", "2"), ("end", "1")],
                 invalid.format("end") + "end timestamp must not be before start time"),
                ([("match[]", "a"), ("limit", "-1")], invalid.format("limit")),
                ([("match[]", "a"), ("limit", "1.5")], invalid.format("limit")),
                ([("match[]", "a"), ("extra_label", "x")], invalid.format("extra_label")),
                ([("match[]", "a"), ("extra_label", "=x")], invalid.format("extra_label")),
                ([("match[]", "a"), ("extra_filters[]", "{x}")],
                 invalid.format("extra_filters[]") + "1:3: parse error: "),
                ([("match[]", "a")] * 257, "more than 256 match[] parameters")):
            for path in ("series", "export"):
                with self.subTest(path=path, params=params[:3]):
                    if path == "export" and any(name == "limit" for name, _ in params):
                        continue
                    code, answer = self.both(f"/api/v1/{path}", *params)
                    self.assertEqual(code, 400)
                    self.assertEqual((answer["status"], answer["errorType"]), ("error", "bad_data"))
                    self.assertTrue(answer["error"].startswith(wanted), answer["error"])
        for name in ("U__", "a" * 257):
            code, answer = self.get(f"/api/v1/label/{name}/values")
            self.assertEqual((code, answer["errorType"]), (400, "bad_data"))

    def test_filters_hold_for_every_selection(self):
        every = ("match[]", '{__name__!=""}')
        label_a = ("extra_label", "host=a")
        for filters, wanted in (
                ([label_a], ["cpu/a", "mem/a"]),
                ([label_a, ("extra_label", "zone=x")], ["cpu/a"]),
                ([label_a, ("extra_label", "host=b")], []),
                ([("extra_filters[]", '{host=~"a|b"}')], ["cpu/a", "cpu/b", "mem/a"]),
                ([("extra_filters", "cpu")], ["cpu/a", "cpu/b", "cpu/c"]),
                ([("extra_filters[]", "cpu"), ("extra_filters[]", '{zone!="x"}')], ["cpu/b", "cpu/c"]),
                ([("extra_filters[]", 'cpu{host="a"}'), label_a], ["cpu/a"]),
                ([("extra_label", "host=\u017e")], ["Disk/\u017e"]),
                ([("extra_label", "note=a=b")], []),
                ([("extra_filters[]", "{}")], ["Disk/\u017e", "cpu/a", "cpu/b", "cpu/c", "mem/a", "up/"])):
            with self.subTest(filters):
                self.assertEqual(self.hosts(every, *filters), wanted)
                for selections in ([every], [("match[]", "mem"), every]):
                    lines = self.lines(*selections, *filters)
                    found = {self.name(line["metric"]) for line in lines}
                    self.assertEqual(sorted(found), wanted)
                metrics = sorted({name.split("/")[0] for name in wanted})
                self.assertEqual(self.names("/api/v1/label/__name__/values", *filters)[0], metrics)
                labels, _ = self.names("/api/v1/labels", *filters)
                self.assertEqual(labels[:1], ["__name__"] if wanted else [])

    def test_filters_hold_for_queries_of_rows(self):
        for select, target, wanted in (
                ("cpu", "extra_label=host=a", 1), ("cpu", "", 3), (["cpu", "mem"],
                                                                   "extra_label=host=a", 2),
                (None, "extra_filters[]=mem", 1), ("cpu", "extra_filters[]=mem", 0)):
            with self.subTest(select=select, target=target):
                document = {} if select is None else {"select": select}
                code, _, body = self.ask("POST", f"/api/v1/rows?{target}", json.dumps(document))
                self.assertEqual(code, 200, body)
                self.assertEqual(len(json.loads(body)["data"]), wanted)
        code, _, body = self.ask("POST", "/api/v1/rows?extra_label=x", b"{}")
        self.assertEqual(code, 400, body)


class Exports(Served):
    def test_exports_come_as_asked(self):
        self.write("".join(f"many a={n},b={n}i {n}000000\n" for n in range(1, 8)).encode())
        whole = self.lines(("match[]", "many"))
        self.assertEqual(len(whole), 1)
        self.assertEqual(whole[0]["timestamps"], list(range(1, 8)))
        cut = self.lines(("match[]", "many"), ("max_rows_per_line", "3"))
        self.assertEqual([line["timestamps"] for line in cut], [[1, 2, 3], [4, 5, 6], [7]])
        split = self.lines(("match[]", "many"), ("split_fields", "1"), ("start", "0.002"),
                           ("end", "0.003"))
        self.assertEqual({line["metric"]["__name__"]: line["values"] for line in split},
                         {"many_a": [2.0, 3.0], "many_b": [2, 3]})
        for unit, times in (("ns", [7000000]), ("us", [7000]), ("ms", [7]), ("s", [0])):
            code, headers, body = self.ask(
                "GET", f"/api/v1/export?match[]=many&start=0.007&precision={unit}")
            self.assertEqual(code, 200)
            self.assertEqual(json.loads(body)["timestamps"], times)
            self.assertEqual(headers["X-Varve-Precision-Lost"], "1" if unit == "s" else None)
            self.assertEqual(headers["Content-Type"], "application/x-ndjson")


if __name__ == "__main__":
    unittest.main(verbosity=2 if "-v" in sys.argv else 1)
