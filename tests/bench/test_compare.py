#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`varve-bench compare` and `report`, with other engines that are scripts of this test."""

import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

BENCH = str(Path(os.environ.get("VARVE_BUILD_DIR", "build-debug")) / "varve-bench")
PATIENCE_S = 240

# Speaks what bench/versus_embedded.c asks of a driver. FAKE_MODE: what it does wrong; FAKE_LOG: a line
# for each call, with the time at which varve last made its own directory anew.
DRIVER = r'''#!@PYTHON@
import array, os, shutil, signal, sys
mode = os.environ.get("FAKE_MODE", "")
if sys.argv[1] == "--version":
    print("fake version 1.2.3-test")
    sys.exit(0)
options = dict(zip(sys.argv[2::2], sys.argv[3::2]))
series, steps = int(options["--series"]), int(options["--steps"])
directory = options["--dir"]
own = os.path.join(os.path.dirname(directory), "own")
with open(os.environ["FAKE_LOG"], "a") as log:
    made = os.stat(own).st_mtime_ns if os.path.exists(own) else 0
    log.write(f"{sys.argv[1]} {made}\n")
with open(os.environ["FAKE_LOG"]) as log:
    calls = len(log.readlines())
if mode == "fail":
    sys.stderr.write("the fake has no disk\n")
    sys.exit(3)
if mode == "hang":
    if os.fork() == 0:
        signal.pause()  # a child of the peer, in its process group
    os.write(int(os.environ["FAKE_PIPE"]), b"r")
    signal.pause()
if sys.argv[1] in ("insert", "durable"):
    os.makedirs(directory)
    shutil.copy(options["--values"], os.path.join(directory, "values"))
    seconds = 1 + calls % 2 if mode == "noisy" else 1
    print(f'{{"rows":{series * steps},"append_s":{seconds},"total_s":{2 * seconds}}}')
else:
    values = array.array("d")
    with open(os.path.join(directory, "values"), "rb") as file:
        values.frombytes(file.read())
    selects, span = int(options["--selects"]), int(options["--span"])
    if selects == 0:
        selects, span = series, steps
    total, count = 0.0, 0
    for i in range(selects):
        first = i * 104729 % (steps - span) if span < steps else 0
        chosen = values[first * series + i * 7919 % series:(first + span) * series:series]
        total, count = total + sum(chosen), count + len(chosen)
    if mode == "wrong":
        total += 1
    print(f'{{"rows":{count},"sum":{total!r},"seconds":1}}')
'''

PROMTOOL = r'''#!@PYTHON@
import os, sys
if sys.argv[1] == "--version":
    print("promtool, version 9.9.9 (branch: test)")
    sys.exit(0)
if sys.argv[2] == "create-blocks-from":
    with open(sys.argv[4]) as file:
        samples = sum(not line.startswith("#") for line in file)
    os.makedirs(sys.argv[5])
    with open(os.path.join(sys.argv[5], "index"), "w") as file:
        file.write("x" * samples)  # a byte each
    print("BLOCK ULID  MIN TIME  MAX TIME  DURATION  NUM SAMPLES  NUM CHUNKS   NUM SERIES   SIZE")
    for part in (samples // 3, samples - samples // 3):
        print(f"01M5  1451606400000 1451606990001 9m50.001s {part} 1000 1000 10")
    sys.exit(0)
options = dict(word[2:].split("=") for word in sys.argv if word.startswith("--"))
with open(sys.argv[-1]) as file:
    names = [line for line in file if line.strip()]
assert len(set(names)) == int(options["metrics"]), "label sets differ"
total = int(options["metrics"]) * int(options["scrapes"])
os.makedirs(os.path.join(options["out"], "storage"))
with open(os.path.join(options["out"], "storage", "total"), "w") as file:
    file.write(str(total))
print(f" > total samples: {total}")
print(f" > samples/sec: {1000 * int(os.environ['GOMAXPROCS'])}")
'''

# The parts of VictoriaMetrics that bench/servers.c asks for. FAKE_MODE=wrong loses a value.
VICTORIA = r'''#!@PYTHON@
import http.server, os, re, sys, threading
if sys.argv[1] == "--version":
    sys.exit(0)  # it does not say
options = dict(word[1:].split("=", 1) for word in sys.argv[1:])
os.makedirs(os.path.join(options["storageDataPath"], "data"))
os.makedirs(os.path.join(options["storageDataPath"], "cache"))
totals, lock = [0, 0], threading.Lock()

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_words):
        pass

    def answer(self, code, text=""):
        self.send_response(code)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def do_POST(self):
        lines = self.rfile.read(int(self.headers["Content-Length"])).decode().splitlines()
        values = [int(text) for line in lines for text in re.findall(r"=(\d+)i\b", line.split()[1])]
        if len(lines) > 5000 or any(not line.startswith("cpu") for line in lines):
            self.answer(400)
            return
        with lock:
            totals[0] += len(values)
            totals[1] += sum(values)
            for name, size in (("data/part", totals[0] * 2), ("cache/saved", 10**6)):
                with open(os.path.join(options["storageDataPath"], name), "w") as file:
                    file.write("x" * size)
        self.answer(204)

    def do_GET(self):
        path = self.path.split("?")[0]
        if path == "/api/v1/query":
            time = re.search(r"time=(\d+)", self.path).group(1)
            total = totals[0] if "count_over_time" in self.path else totals[1]
            total -= os.environ.get("FAKE_MODE") == "wrong"
            self.answer(200, f'{{"data":{{"result":[{{"value":[{time},"{total}"]}}]}}}}')
        elif path == "/metrics":
            kinds = ("storage/big", "storage/small", "indexdb")
            self.answer(200, "vm_active_force_merges 0\n" + "".join(
                f'vm_active_merges{{type="{kind}"}} 0\n' for kind in kinds))
        else:
            self.answer(200)

address = options["httpListenAddr"].split(":")
assert address[0] == "127.0.0.1"
http.server.ThreadingHTTPServer((address[0], int(address[1])), Handler).serve_forever()
'''

# Prometheus after a replay of what the script above has left, which takes it 500 ms by its own account.
PROMETHEUS = r'''#!@PYTHON@
import http.server, os, re, sys
if sys.argv[1] == "--version":
    print("prometheus, version 8.8.8 (branch: test)")
    sys.exit(0)
options = dict(word[2:].split("=", 1) for word in sys.argv[1:])
assert os.path.exists(options["config.file"])
with open(os.path.join(options["storage.tsdb.path"], "total")) as file:
    total = int(file.read()) - (os.environ.get("FAKE_MODE") == "wrong") * 10
print("WAL replay completed total_replay_duration=500ms", file=sys.stderr, flush=True)

class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_words):
        pass

    def do_GET(self):
        text = "ready"
        if self.path.startswith("/api/v1/query"):
            time = re.search(r"time=(\d+)", self.path).group(1)
            text = f'{{"data":{{"result":[{{"value":[{time},"{total // 10}"]}}]}}}}'
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

address = options["web.listen-address"].split(":")
assert address[0] == "127.0.0.1"
http.server.HTTPServer((address[0], int(address[1])), Handler).serve_forever()
'''


class Compare(unittest.TestCase):
    def setUp(self):
        self.place = tempfile.TemporaryDirectory(prefix="varve-compare-")
        self.addCleanup(self.place.cleanup)
        self.root = Path(self.place.name)
        (self.root / "made").mkdir()
        self.log = self.root / "calls"
        self.results = self.root / "results.jsonl"
        self.environment = {
            **os.environ, "FAKE_LOG": str(self.log), "PATH": "/nowhere",
            "VARVE_PEER_TSINK": self.script("tsink", DRIVER),
            "VARVE_PEER_TSTORAGE": self.script("tstorage", DRIVER),
            "VARVE_PEER_VICTORIA_METRICS": self.script("victoria", VICTORIA),
            "VARVE_PEER_PROMETHEUS": self.script("prometheus", PROMETHEUS),
            "VARVE_PEER_PROMTOOL": self.script("promtool", PROMTOOL)}

    def script(self, name, text):
        path = self.root / name
        path.write_text(text.replace("@PYTHON@", sys.executable))
        path.chmod(0o755)
        return str(path)

    def command(self, *words):
        return [BENCH, *words, "--dir", str(self.root / "made"), "--json", str(self.results)]

    def run_bench(self, *words, status=0, **environment):
        done = subprocess.run(self.command(*words), env={**self.environment, **environment},
                              capture_output=True, text=True, timeout=PATIENCE_S, check=False)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        self.assertEqual(os.listdir(self.root / "made"), [], "something was left behind")
        return done

    def lines(self):
        return [json.loads(line) for line in self.results.read_text().splitlines()]

    def calls(self, operation):
        words = [line.split() for line in self.log.read_text().splitlines()]
        return [int(made) for word, made in words if word == operation]

    def test_a_peer_that_is_not_there_is_skipped(self):
        done = self.run_bench("compare", "E2", VARVE_PEER_TSINK="/nowhere/tsink")
        self.assertIn("skipped: E2 with tsink: no such program here; VARVE_PEER_TSINK=PATH", done.stdout)
        self.assertEqual(self.lines(), [])

    def test_a_peer_that_is_not_known_is_a_wrong_use(self):
        done = subprocess.run(self.command("compare", "--peer", "excel"), capture_output=True,
                              text=True, timeout=PATIENCE_S, check=False)
        self.assertEqual(done.returncode, 64)
        self.assertIn("no such peer", done.stderr)

    def test_a_comparison_that_is_not_known_ends_before_anything_is_measured(self):
        done = self.run_bench("compare", "E2", "E9", status=2)
        self.assertIn("there is no comparison E9", done.stderr)
        self.assertFalse(self.log.exists())

    def test_varve_and_the_peer_are_measured_in_turn(self):
        self.run_bench("compare", "E2", "--reps", "3")
        made = self.calls("insert")
        # A verification, and for names and for handles a warming and 3 pairs (twice where varve's own
        # figures were noisy).
        self.assertGreaterEqual(len(made), 1 + 2 * (1 + 3))
        self.assertEqual(len(made), len(set(made)), "varve wrote between any two calls of the peer")
        for line in self.lines():
            self.assertEqual(line["n"], 3)
            self.assertTrue(line["verified"])
            self.assertLessEqual(line["min"], line["median"])
            self.assertLessEqual(line["median"], line["max"])

    def test_the_ratio_is_varve_by_the_peer_and_versions_are_recorded(self):
        self.run_bench("compare", "--peer", "tsink", "--reps", "1")
        found = {}
        for line in self.lines():
            self.assertEqual(line["workload"], "E2")
            key = (json.dumps(line["params"]), line["threads"], line.get("of") or line["metric"])
            found.setdefault(key, {})[line["engine"]] = line
        self.assertEqual({key[1] for key in found}, {1, 16})
        for sides in found.values():
            self.assertEqual(set(sides), {"varve", "tsink", "varve/tsink"})
            expected = sides["varve"]["median"] / sides["tsink"]["median"]
            self.assertAlmostEqual(sides["varve/tsink"]["median"] / expected, 1, 3)
            self.assertEqual(sides["tsink"]["engine_version"], "1.2.3-test")
            self.assertTrue(sides["varve/tsink"]["engine_version"].endswith("/1.2.3-test"))

    def test_noise_is_measured_once_more(self):
        done = self.run_bench("compare", "E1", "--reps", "2", FAKE_MODE="noisy")
        self.assertIn("noisy: E1 with tstorage is measured once more", done.stdout)
        # Both sizes of call: a verification, and by name and by handle a warming and twice 2 pairs.
        self.assertEqual(len(self.calls("insert")), 2 * (1 + 2 * (1 + 4)))
        self.assertTrue(all(line["n"] == 2 for line in self.lines()))

    def test_a_wrong_answer_ends_without_figures(self):
        done = self.run_bench("compare", "E2", status=2, FAKE_MODE="wrong")
        self.assertIn("tsink does not verify", done.stderr)
        self.assertEqual(self.lines(), [])

    def test_a_peer_that_fails_says_why(self):
        done = self.run_bench("compare", "E2", status=2, FAKE_MODE="fail")
        self.assertIn("the fake has no disk", done.stderr)
        self.assertIn("status 3", done.stderr)

    @staticmethod
    def of_its_name(parent):
        """The children of a process that run the same program."""
        text = Path(f"/proc/{parent}/task/{parent}/children").read_text()
        same = os.readlink(f"/proc/{parent}/exe")
        return [int(pid) for pid in text.split() if os.readlink(f"/proc/{pid}/exe") == same]

    def end_by(self, number, also_guard=False):
        """Ends the program while a peer and a child of that run; everything must be gone."""
        read_end, write_end = os.pipe()
        os.set_inheritable(write_end, True)
        environment = {**self.environment, "FAKE_MODE": "hang", "FAKE_PIPE": str(write_end)}
        process = subprocess.Popen(self.command("compare", "E2"), env=environment, close_fds=False,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(write_end)  # whoever lives still holds it
        try:
            for expected in (b"r", b""):
                ready, _, _ = select.select([read_end], [], [], PATIENCE_S)
                self.assertTrue(ready, "the peer did not start, or something still runs")
                self.assertEqual(os.read(read_end, 1), expected)
                if expected == b"r":
                    self.assertNotEqual(os.listdir(self.root / "made"), [])
                    if also_guard:
                        for pid in self.of_its_name(process.pid):
                            os.kill(pid, number)
                    process.send_signal(number)
        finally:
            process.kill()
            process.wait(PATIENCE_S)
            os.close(read_end)
        self.assertEqual(process.returncode, -number)
        self.assertEqual(os.listdir(self.root / "made"), [])

    def test_an_interrupt_ends_the_peer_and_leaves_nothing(self):
        self.end_by(signal.SIGINT)

    def test_a_kill_ends_the_peer_and_leaves_nothing(self):
        self.end_by(signal.SIGKILL)

    def test_what_ends_every_program_of_the_name_leaves_nothing(self):
        self.end_by(signal.SIGTERM, also_guard=True)

    def test_promtool_gets_as_many_threads_as_varve(self):
        self.run_bench("compare", "I1")
        rates = {(line["engine"], line["threads"]): line["median"] for line in self.lines()
                 if line["metric"] == "append_rows_per_s"}
        self.assertEqual(rates[("promtool", 1)], 1000)
        self.assertEqual(rates[("promtool", 2)], 2000)
        self.assertGreater(rates[("varve", 1)], 0)
        versions = {line["engine_version"] for line in self.lines() if line["engine"] == "promtool"}
        self.assertEqual(versions, {"9.9.9"})

    def medians(self, metric):
        return {line["engine"]: line["median"] for line in self.lines() if line["metric"] == metric}

    def test_a_replay_is_what_prometheus_says_it_took(self):
        self.run_bench("compare", "S2", "--reps", "1")
        rates = self.medians("rows_per_s")
        self.assertEqual(rates["prometheus"], 2000 * 100 / 0.5)
        self.assertGreater(rates["varve"], 0)
        done = self.run_bench("compare", "S2", status=2, FAKE_MODE="wrong")
        self.assertIn("prometheus does not verify", done.stderr)

    def test_servers_get_the_same_lines(self):
        (self.root / "victoria.version").write_text("7.7.7\n")
        self.run_bench("compare", "I4", "I8")
        rates = self.medians("values_per_s")
        self.assertEqual(set(rates), {"varve", "victoria-metrics"})
        self.assertGreater(min(rates.values()), 0)
        shapes = {line["params"].get("fields_each_line") for line in self.lines()
                  if line["workload"] == "I8"}
        self.assertEqual(shapes, {10, 1})
        for metric in ("server_cpu_s", "client_cpu_s", "series_per_s"):
            self.assertGreater(min(self.medians(metric).values()), 0, metric)
        versions = {line["engine_version"] for line in self.lines()
                    if line["engine"] == "victoria-metrics"}
        self.assertEqual(versions, {"7.7.7"}, "the file beside a program that does not say")

    def test_a_server_that_lost_a_value_ends_without_figures(self):
        done = self.run_bench("compare", "I4", status=2, FAKE_MODE="wrong")
        self.assertIn("victoria-metrics does not verify", done.stderr)
        self.assertEqual(self.lines(), [])

    def test_sizes_are_of_all_that_rests_without_caches(self):
        self.run_bench("compare", "S1")
        found = {(line["engine"], line["metric"]): line["median"] for line in self.lines()}
        self.assertEqual(found[("victoria-metrics", "bytes_per_value")], 2)
        self.assertEqual(found[("promtool", "bytes_per_value")], 1)
        size = found[("varve", "bytes_per_value")]
        self.assertTrue(0.2 < size < 2, size)
        self.assertAlmostEqual(found[("varve/victoria-metrics", "ratio")], size / 2, 4)

    def report(self, *paths, status=0):
        done = subprocess.run([BENCH, "report", *map(str, paths)], capture_output=True, text=True,
                              timeout=PATIENCE_S, check=False)
        self.assertEqual(done.returncode, status, done.stderr)
        return done

    def test_a_report_names_engines_and_has_a_table_for_each_workload(self):
        self.run_bench("compare", "I1", "--threads", "2", "--reps", "1")
        text = self.report(self.results).stdout
        self.assertIn("* promtool 9.9.9\n", text)
        self.assertIn("* varve ", text)
        self.assertIn("\n## I1\n", text)
        self.assertIn("| promtool | series:2000 scrapes:100 | none | 2 | promtool | append_rows_per_s "
                      "| 2000 | 2000 | 2000 | 1/s | 1 |  |\n", text)
        self.assertIn("| varve/promtool | ratio of append_rows_per_s |", text)
        widths = {line.count("|") for line in text.splitlines() if line.startswith("|")}
        self.assertEqual(widths, {13})

    def test_a_report_marks_noise(self):
        line = {"suite": "varve-bench", "workload": "X1", "params": {"of": "inner", "a|b": "[,\"}"},
                "engine": "varve", "metric": "m", "n": 5, "median": 2, "min": 1, "max": 3}
        self.results.write_text(json.dumps(line, separators=(",", ":")) + "\n")
        text = self.report(self.results).stdout
        self.assertIn("| m | 2 | 1 | 3 |  | 5 | noisy |", text)

    def test_a_report_refuses_what_is_no_result(self):
        self.results.write_text('{"suite":"varve-bench","workload":"I1"}\n{"suite":"other"}\n')
        self.assertIn("line 2 is no result", self.report(self.results, status=1).stderr)
        for text in ("\n", "{", '{"suite', '{"suite":"varve-bench', '{"a":"\\', "[]"):
            self.results.write_text(text)
            self.assertIn("line 1 is no result", self.report(self.results, status=1).stderr)
        self.assertIn("cannot be opened", self.report("/nowhere/x", status=1).stderr)


if __name__ == "__main__":
    unittest.main()
