# SPDX-License-Identifier: Apache-2.0
"""The mark of UTF-8 that editors on Windows write before a text: every door passes over it."""

import sys
import unittest
import urllib.request
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from commands import Commands  # noqa: E402 (the path is set above)

MARK = "\ufeff"
# Suffix, the door over HTTP, and a text whose one row is of the metric {}.
TEXTS = (
    ("lp", "/api/v2/write", "{} value=1 1\n"),
    ("jsonl", "/api/v1/import", '{{"metric":{{"__name__":"{}"}},"values":[1],"timestamps":[1]}}\n'),
    ("prom", "/api/v1/import/prometheus", "{} 1 1\n"),
    ("csv", "/api/v1/import/csv", "time:unix_s,metric:name,value:f64\n1,{},1\n"),
)


class TextMark(Commands):
    def names(self, on):
        return set(self.output("metrics", on=on).split())

    def test_doors_of_the_server(self):
        for suffix, path, text in TEXTS:
            body = (MARK + text.format(f"served_{suffix}")).encode()
            with urllib.request.urlopen(urllib.request.Request(self.url + path, body), timeout=60) as answer:
                self.assertIn(answer.status, (200, 204), path)
        names = self.names("url")
        for suffix, path, _ in TEXTS:
            self.assertIn(f"served_{suffix}", names, path)

    def test_commands(self):
        data = f"{self.place.name}/marked"
        for suffix, _, text in TEXTS:
            Path(self.place.name, f"marked.{suffix}").write_text(MARK + text.format(f"file_{suffix}"), encoding="utf-8")
            done = self.run_bare("import", f"marked.{suffix}", "--data", data)
            self.assertEqual(0, done.returncode, done.stderr)
        self.assertEqual(0, self.run_bare("write", "--data", data, stdin=f"{MARK}written value=1 1\n").returncode)
        shown = self.run_bare("shell", "--data", data, stdin=f"{MARK}metrics\n")
        self.assertEqual((0, ""), (shown.returncode, shown.stderr))
        names = {line.split()[0] for line in shown.stdout.splitlines()[1:]}
        self.assertEqual({"written", *(f"file_{suffix}" for suffix, _, _ in TEXTS)}, names)


if __name__ == "__main__":
    unittest.main()
