# SPDX-License-Identifier: Apache-2.0
"""Every command: help, exit codes, JSON, completion; and the ones that go on until they are stopped."""

import gzip
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from commands import PROGRAM, Commands  # noqa: E402 (the path is set above)

# Nobody listens there: the port is reserved.
DEAD = "http://127.0.0.1:1"


class Verbs(Commands):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        shown = subprocess.run([PROGRAM, "help", "--json"], check=True, capture_output=True, text=True)
        cls.commands = {command["name"]: command for command in json.loads(shown.stdout)["commands"]}

    def options(self, verb):
        return {option["name"] for option in self.commands[verb]["options"]}

    def test_help_fits_a_screen_and_ends_with_an_example(self):
        for verb, command in self.commands.items():
            shown = self.run_bare(verb, "--help")
            self.assertEqual((0, ""), (shown.returncode, shown.stderr), verb)
            lines = shown.stdout.splitlines()
            self.assertTrue(lines[0].startswith(f"varve {verb}: "), lines[0])
            self.assertEqual(["example:", "  " + command["example"]], lines[-2:], verb)
            self.assertLessEqual(len(lines), 25, verb)
            self.assertLessEqual(max(map(len, lines)), 110, verb)

    def test_wrong_words_are_usage_errors_of_every_command(self):
        for verb in self.commands:
            wrong = self.run_bare(verb, "--nonsense-option")
            self.assertEqual((2, ""), (wrong.returncode, wrong.stdout), verb)
            self.assertIn("unknown option --nonsense-option", wrong.stderr)
        for verb, meant in (("qurey", "query"), ("exprot", "export"), ("lables", "labels"), ("tial", "tail")):
            wrong = self.run_bare(verb)
            self.assertEqual((2, ""), (wrong.returncode, wrong.stdout), verb)
            self.assertIn(f'did you mean "{meant}"?', wrong.stderr)
        wrong = self.run_bare("query", "cpu", "--lsat=1h")
        self.assertEqual(2, wrong.returncode)
        self.assertIn("unknown option --lsat; did you mean --last?", wrong.stderr)
        self.assertEqual(2, self.run_bare().returncode)
        self.assertIn('not "tabel"; did you mean table?', self.run_bare("query", "cpu", "--format", "tabel").stderr)

    def test_exit_codes_follow_their_table(self):
        self.assertEqual(3, self.run_bare("import", "-", "--format", "lp", "--data", "partial",
                                          stdin="a v=1 1\nbad\n").returncode)
        self.assertEqual(3, self.run_bare("write", "--data", "partial", "a v=1 1", "bad").returncode)
        for words in (["query", "cpu"], ["export"], ["series"], ["metrics"], ["labels"], ["tail"], ["top", "--once"],
                      ["stats"], ["write", "a v=1"], ["query", "cpu", "--agg", "avg"], ["labels", "--last", "1h"]):
            dead = self.run_bare(*words, "--url", DEAD)
            self.assertEqual((4, ""), (dead.returncode, dead.stdout), words)
            both = self.run_bare(*words, "--url", DEAD, "--data", self.data)
            self.assertEqual(2, both.returncode, words)
            self.assertIn("exclude each other", both.stderr)
        for words in (["query", "cpu"], ["export"], ["series"], ["metrics"], ["labels"], ["tail"], ["top", "--once"],
                      ["stats"], ["info"], ["verify"], ["compact"]):
            missing = self.run_bare(*words, "--data", "missing")
            self.assertEqual((1, ""), (missing.returncode, missing.stdout), words)
            self.assertFalse((Path(self.place.name) / "missing").exists(), words)
        for words in (["write", "a v=1"], ["import", "-", "--format", "lp"], ["compact"]):
            used = self.run_varve(*words)
            self.assertEqual((1, ""), (used.returncode, used.stdout), words)
            self.assertIn("open in another process", used.stderr)
        for words in (["query"], ["query", "a", "b"], ["labels", "a", "b"], ["tail", "a", "b"], ["stats", "a"],
                      ["top", "a"], ["top", "--interval", "0s"], ["tail", "--interval", "soon"], ["completion"],
                      ["completion", "tcsh"], ["query", "a", "--format", "pdf"], ["query", "a", "--color", "maybe"],
                      ["export", "--json", "--format", "lp"], ["series", "cpu{"], ["tail", "cpu{"]):
            wrong = self.run_varve(*words) if words[0] != "completion" else self.run_bare(*words)
            self.assertEqual((2, ""), (wrong.returncode, wrong.stdout), words)

    def test_json_is_json_on_every_command(self):
        one = {"write": ["json v=1 1"], "query": ["cpu"], "top": ["--once", "--interval", "50ms"],
               "import": ["-", "--format", "lp"], "completion": ["zsh"], "inspect": [f"{self.data}/IDENT"],
               "snapshot": ["copy"], "restore": ["copy", "back"], "config": ["show"]}
        for verb in self.commands:
            if "json" not in self.options(verb) or verb == "tail":
                continue
            words = [verb, *one.get(verb, []), "--json"]
            if verb == "ping":
                words += ["--url", self.url]
            if "data" in self.options(verb):
                place = "written" if verb in ("write", "import", "compact") else self.data
                words += ["--data", place]
            done = self.run_bare(*words, stdin="json v=2 2\n")
            self.assertEqual((0, ""), (done.returncode, done.stderr), words)
            json.loads(done.stdout)
        without = {verb for verb in self.commands if "json" not in self.options(verb)}
        self.assertLessEqual(without, {"serve", "shell"})

    def test_failures_leave_standard_output_empty(self):
        for words in (["query", "cpu{", "--json"], ["series", "cpu{", "--json"], ["labels", "--match", "{", "--json"]):
            for on in ("data", "url"):
                done = self.run_varve(*words, on=on)
                self.assertEqual((2, ""), (done.returncode, done.stdout), words)
                self.assertIn("^", done.stderr)

    def run_with_closed(self, numbers, *arguments):
        """As run_bare, but started without some of the streams 0, 1 and 2; (exit status, standard error)."""
        def close():
            for number in numbers:
                os.close(number)
        done = subprocess.run([PROGRAM, *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              preexec_fn=close, timeout=60, check=False, cwd=self.place.name, env=self.environment)
        return done.returncode, done.stderr

    def test_closed_streams_never_become_files_of_the_database(self):
        words = ("--data", "closed", "--json", "ok v=1 1", "bad")
        self.assertEqual(3, self.run_with_closed((0, 1, 2), "write", *words)[0])
        self.assertEqual("1970-01-01T00:00:00.000000001Z,1.0\n",
                         self.run_bare("query", "ok", "--data", "closed", "--csv").stdout.split("\n", 1)[1])
        read = self.run_with_closed((0,), "import", "--format", "lp", "--data", "closed")
        self.assertEqual(1, read[0])
        self.assertIn("standard input", read[1])
        self.assertEqual(1, self.run_with_closed((1,), "verify", "--data", "closed")[0])
        self.assertEqual(0, self.run_bare("verify", "--data", "closed").returncode)

    def test_answers_that_cannot_be_written_are_failures(self):
        for words in (["version"], ["--version"], ["help"], ["--help"], ["query", "--help"], ["config", "show"],
                      ["config", "show", "--json"], ["config", "show", "--origin"], ["completion", "fish"],
                      ["verify", "--data", self.data], ["series", "--data", self.data],
                      ["stats", "--data", self.data, "--json"]):
            with open("/dev/full", "w", encoding="utf-8") as full:
                done = subprocess.run([PROGRAM, *words], stdout=full, stderr=subprocess.PIPE, text=True, timeout=60,
                                      check=False, cwd=self.place.name, env=self.environment)
            self.assertEqual(1, done.returncode, words)
            self.assertIn("write standard output: no space left on device", done.stderr)

    def test_readers_that_left_are_not_talked_about(self):
        for words in (["series"], ["metrics"], ["labels"], ["query", "cpu"], ["stats"], ["verify"]):
            reader, writer = os.pipe()
            os.close(reader)
            done = subprocess.run([PROGRAM, *words, "--data", self.data], stdout=writer, stderr=subprocess.PIPE,
                                  text=True, timeout=60, check=False, env=self.environment)
            os.close(writer)
            self.assertEqual((1, ""), (done.returncode, done.stderr), words)

    def test_groups_of_nothing_are_no_rows(self):
        for words in (["--agg", "avg", "--by", "host"], ["--agg", "count", "--by", ""], ["--every", "1h", "--by", "dc"]):
            self.assert_same("query", "nosuch", *words, "--json")
            self.assert_same("query", "nosuch", *words, "--csv")

    def test_a_refused_directory_stays_as_it_was(self):
        place = Path(self.place.name, "foreign")
        (place / "tmp" / "deep").mkdir(parents=True)
        files = [place / "notes", place / "tmp" / "draft", place / "tmp" / "deep" / "more"]
        for words in (["write", "a v=1"], ["compact"], ["serve", "--listen", "127.0.0.1:0"]):
            for file in files:
                file.write_text("kept", encoding="utf-8")
            before = sorted(place.rglob("*"))
            refused = self.run_bare(*words, "--data", str(place))
            self.assertEqual(1, refused.returncode, words)
            self.assertEqual(before, sorted(place.rglob("*")), words)
        files[0].unlink()
        self.assertIn("its tmp is not empty", self.run_bare("write", "a v=1", "--data", str(place)).stderr)
        self.assertTrue(files[1].exists() and files[2].exists())
        self.assertIn("missing: there is no database here", self.run_bare("compact", "--data", "missing").stderr)

    def test_empty_words_and_small_letters_are_understood(self):
        for word in ("--data", "--url"):
            empty = self.run_bare("query", "cpu", word, "")
            self.assertEqual((2, f"varve query: {word} is empty\n"), (empty.returncode, empty.stderr))
        for on in ("data", "url"):
            expected = self.output("query", "cpu", "--agg", "count", "--every", "1d", "--zone", "UTC", on=on)
            self.assertEqual(expected, self.output("query", "cpu", "--agg", "count", "--every", "1d", "--zone", "utc",
                                                   on=on))

    def test_passwords_in_urls_are_not_shown(self):
        for verb in ("series", "ping", "stats"):
            dead = self.run_bare(verb, "--url", DEAD.replace("//", "//me:secret@"))
            self.assertEqual(4, dead.returncode)
            self.assertTrue(dead.stderr.startswith(f"varve {verb}: {DEAD}/"), dead.stderr)

    def test_failing_imports_name_their_file(self):
        Path(self.place.name, "cut.lp.gz").write_bytes(bytes.fromhex("1f8b0800000000000003"))
        for on in ("data", "url"):
            words = ["--data", "cut"] if on == "data" else ["--url", self.url]
            done = self.run_bare("import", "cut.lp.gz", *words)
            self.assertEqual(1, done.returncode)
            self.assertTrue(done.stderr.startswith("varve import: cut.lp.gz: "), done.stderr)

    def test_damaged_input_is_told_with_its_place(self):
        packed = bytearray(gzip.compress(b"a v=1 1\n") + gzip.compress(b"a v=2 2\n"))
        packed[-8] ^= 1
        Path(self.place.name, "bad.lp.gz").write_bytes(packed)
        said = (f"the bytes of the gzip are damaged: the checksum of member 2, before byte {len(packed) - 4}, does not "
                "match")
        for words in (["--data", "bad"], ["--url", self.url]):
            done = self.run_bare("import", "bad.lp.gz", *words)
            self.assertEqual(1, done.returncode)
            self.assertIn(said, done.stderr)

    def test_what_line_protocol_cannot_hold_is_told(self):
        line = '{"metric":{"__name__":"odd","e":"x"},"fields":{"a":[1,"NaN"],"b":["+Inf","-Inf"]},"timestamps":[1,2]}'
        for on in ("data", "url"):
            self.run_varve("import", "--format", "jsonl", on="url", stdin=line)
            for verb in ("export", "query"):
                done = self.run_varve(verb, "odd", "--format", "lp", on=on)
                self.assertEqual((0, "odd,e=x a=1.0 1\n"), (done.returncode, done.stdout))
                self.assertEqual(f"varve {verb}: left out what line protocol cannot hold: 3 values, 1 whole rows, "
                                 "0 labels\n", done.stderr)

    def test_stats_and_top_show_figures(self):
        for on in ("data", "url"):
            figures = json.loads(self.output("stats", "--json", on=on))
            self.assertEqual(3, figures["varve_series"])
            self.assertIn("varve_series", self.output("stats", on=on))
            gist = json.loads(self.output("top", "--once", "--interval", "50ms", "--json", on=on))
            self.assertEqual((3, 2, "ok"), (gist["series"], gist["metrics"], gist["health"]))
            self.assertGreaterEqual(gist["rows_per_s"], 0)
            self.assertIn("rows written", self.output("top", "--interval", "50ms", on=on))  # no terminal: once
        self.assertTrue(any(name.startswith("varve_http_requests_total{")
                            for name in json.loads(self.output("stats", "--json", on="url"))))

    def test_charts_and_markdown_are_the_same_on_a_server(self):
        chart = self.assert_same("query", "cpu", "--fields", "usage", "--format", "chart", "--width", "72", "--height", "6")
        self.assertIn('* cpu{dc="x",host="web2"} usage  min 7.25', chart)
        self.assertNotIn("\033", chart)
        self.assertEqual("| time                           | avg(usage) |\n"
                         "|-------------------------------:|-----------:|\n"
                         "| 2026-01-02T03:00:00.000000000Z |       3.75 |\n",
                         self.assert_same("query", "cpu", "--fields", "usage", "--every", "1h", "--by", "", "--format", "markdown"))
        for words, environment, wanted in (([], {"LC_ALL": "C"}, "  |"), ([], {}, " │"),
                                           (["--color", "always"], {"NO_COLOR": "1"}, "\033[36m")):
            done = self.run_varve("query", "cpu", "--format", "chart", *words, environment=environment)
            self.assertIn(wanted, done.stdout)
        no_times = self.run_varve("query", "cpu", "--agg", "avg", "--format", "chart")
        self.assertEqual((2, ""), (no_times.returncode, no_times.stdout))
        self.assertIn("--every", no_times.stderr)

    # --- commands that go on ---

    def start(self, *arguments, on):
        running = subprocess.Popen([PROGRAM, *arguments, f"--{on}", self.data if on == "data" else self.url], text=True,
                                   encoding="utf-8", stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   env=self.environment)
        self.addCleanup(lambda: (running.wait(), running.stdout.close(), running.stderr.close()))
        self.addCleanup(running.kill)
        return running

    def stop(self, running):
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=60)
        self.assertEqual((130, ""), (running.returncode, err))
        return out

    def test_tail_shows_the_newest_rows_and_those_that_come(self):
        for on in ("data", "url"):
            row = f"tail_{on},host=a v=1"
            following = self.start("tail", f"tail_{on}", "--interval", "20ms", on=on)
            self.assertEqual(0, self.run_varve("write", row + " 1767323045000000000", on="url").returncode)
            self.assertEqual(f'2026-01-02T03:04:05.000000000Z  tail_{on}{{host="a"}}  v=1.0\n', following.stdout.readline())
            self.assertEqual(0, self.run_varve("write", row + "5 1767323045000000001", on="url").returncode)
            self.assertEqual(f'2026-01-02T03:04:05.000000001Z  tail_{on}{{host="a"}}  v=15.0\n', following.stdout.readline())
            self.assertEqual("", self.stop(following))
            newest = self.start("tail", f"tail_{on}", "--rows", "1", "--json", "--interval", "20ms", on=on)
            line = json.loads(newest.stdout.readline())
            self.assertEqual(([15.0], [1767323045000000001]), (line["fields"]["v"], line["timestamps"]))
            self.assertEqual("", self.stop(newest))

    def test_tail_shows_late_rows_of_its_window(self):
        at = 1767323045  # of the newest row there is at first
        for on in ("data", "url"):
            for window, shown, missed in (((), 59, 61), (("--window", "1h"), 3599, 3601), (("--window", "5s"), 4, 6)):
                name = f"late_{on}_{shown}"
                row = lambda age: f"{name} v={age} {at - age}000000000"  # noqa: E731 (one line, used four times)
                self.run_varve("write", row(0), row(2), on="url")
                following = self.start("tail", name, "--rows", "1", "--interval", "20ms", *window, on=on)
                self.assertIn("v=0.0", following.stdout.readline())
                # Those that come too late do not show, so another comes in time behind them.
                for age in (missed, shown, missed + 1, 1):
                    self.run_varve("write", row(age), on="url")
                    if age <= shown:
                        self.assertIn(f"v={age}.0\n", following.stdout.readline())
                self.assertEqual("", self.stop(following))
        wrong = self.run_varve("tail", "cpu", "--window", "soon")
        self.assertEqual((2, ""), (wrong.returncode, wrong.stdout))
        self.assertIn("--window is a span", wrong.stderr)

    def test_tail_gives_all_series_by_time(self):
        following = self.start("tail", "{__name__=~\"cpu|mem\"}", "--rows", "3", "--interval", "20ms", on="data")
        lines = [following.stdout.readline() for _ in range(3)]
        self.stop(following)
        self.assertEqual(sorted(lines), lines)
        self.assertEqual(2, sum("cpu{" in line and ":05:05" in line for line in lines))

    def test_top_goes_on_until_it_is_stopped(self):
        for on in ("data", "url"):
            running = self.start("top", "--json", "--interval", "20ms", on=on)
            first, second = (json.loads(running.stdout.readline()) for _ in range(2))
            self.assertIsNone(first["rows_per_s"])
            self.assertIsNotNone(second["rows_per_s"])
            self.stop(running)

    def test_top_is_stopped_in_silence_while_it_asks(self):
        with socket.create_server(("127.0.0.1", 0)) as server:
            server.settimeout(60)
            running = subprocess.Popen([PROGRAM, "top", "--json", "--url", "http://127.0.0.1:%d" % server.getsockname()[1]],
                                       text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=self.environment)
            self.addCleanup(lambda: (running.kill(), running.wait(), running.stdout.close(), running.stderr.close()))
            asking, _ = server.accept()
            with asking:
                asking.settimeout(60)
                self.assertTrue(asking.recv(4096).startswith(b"GET "))
                self.assertEqual("", self.stop(running))

    # --- completion ---

    def complete(self, *words):
        """What bash offers for the last word."""
        script = ('source <("$0" completion bash); compopt() { :; }; COMP_WORDS=("$@"); '
                  'COMP_CWORD=$(($# - 1)); _varve; printf "%s\\n" "${COMPREPLY[@]}"')
        done = subprocess.run(["bash", "-c", script, PROGRAM, *words], text=True, capture_output=True, check=True,
                              cwd=self.place.name, env=self.environment)
        self.assertEqual("", done.stderr)
        return set(done.stdout.split())

    def test_bash_completes_commands_options_and_values(self):
        self.assertEqual(set(self.commands), self.complete("varve", ""))
        self.assertEqual({"serve", "series"}, self.complete("varve", "ser"))
        self.assertIn("--every", self.complete("varve", "query", "--"))
        for verb in self.commands:
            self.assertEqual({"--" + name for name in self.options(verb)} | {"--help"},
                             self.complete("varve", verb, "--"), verb)
        self.assertEqual({"markdown"}, self.complete("varve", "query", "cpu", "--format", "m"))
        self.assertEqual({"markdown"}, self.complete("varve", "query", "cpu", "--format", "=", "m"))
        self.assertEqual({"always", "auto", "never"}, self.complete("varve", "query", "--color", "="))
        self.assertIn("data", self.complete("varve", "export", "-o", "d"))
        self.assertEqual({"ns", "us", "ms", "s"}, self.complete("varve", "write", "--precision", ""))
        self.assertIn("data", self.complete("varve", "query", "--data", "da"))
        self.assertIn("data", self.complete("varve", "import", "da"))
        self.assertEqual({"bash", "zsh", "fish"}, self.complete("varve", "completion", ""))
        self.assertEqual({"help"}, self.complete("varve", "help", "he"))
        self.assertEqual(set(), self.complete("varve", "query", "--last", "x"))

    def test_offered_values_are_those_of_the_help(self):
        for option in self.commands["query"]["options"]:
            if option["name"] in ("format", "color"):
                offered = self.complete("varve", "query", "--" + option["name"], "")
                self.assertTrue(offered)
                for word in offered:
                    self.assertIn(word, option["help"])
                    self.assertEqual(0, self.run_varve("query", "cpu", "--" + option["name"], word).returncode, word)

    def test_scripts_of_all_shells_are_sound(self):
        for shell in ("bash", "zsh", "fish"):
            script = self.output_bare("completion", shell)
            if shutil.which(shell):
                checked = subprocess.run([shell, "-n"], input=script, text=True, capture_output=True, check=False)
                self.assertEqual((0, ""), (checked.returncode, checked.stderr), shell)
            for verb in self.commands:
                self.assertIn(verb, script)

    def output_bare(self, *arguments):
        done = self.run_bare(*arguments)
        self.assertEqual((0, ""), (done.returncode, done.stderr), arguments)
        return done.stdout


if __name__ == "__main__":
    unittest.main()
