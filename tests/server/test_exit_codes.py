# SPDX-License-Identifier: Apache-2.0
"""One rule for all commands: 2 is what was typed, 1 is the world. A table of mistakes times all verbs."""

import json
import os
import socket
import subprocess
import sys
import threading
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from commands import PROGRAM, Commands  # noqa: E402 (the path is set above)

# Nobody listens there: the port is reserved.
DEAD = "http://127.0.0.1:1"

# The shortest sound call of every command that works on a database; {} is a free name.
CALLS = {
    "serve": ["--listen", "127.0.0.1:0"], "write": ["m v=1"], "import": ["-", "--format", "lp"], "query": ["cpu"],
    "export": [], "series": [], "metrics": [], "labels": [], "tail": [], "top": ["--once"], "stats": [], "info": [],
    "verify": [], "compact": [], "scrub": [], "snapshot": ["{}"], "shell": [],
}
DIRECTORY_ONLY = ("verify", "compact", "scrub", "snapshot")
SELECTING = {"query": [], "export": [], "series": [], "metrics": [], "labels": ["--match"], "tail": []}
ELSEWHERE = {"inspect", "restore", "ping", "config", "completion", "version", "help"}


class ExitCodes(Commands):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        shown = subprocess.run([PROGRAM, "help", "--json"], check=True, capture_output=True, text=True)
        cls.verbs = {command["name"]: {option["name"] for option in command["options"]}
                     for command in json.loads(shown.stdout)["commands"]}
        Path(cls.place.name, "file").write_text("no database\n", encoding="utf-8")

    def expect(self, code, said, *words, **more):
        done = self.run_bare(*words, **more)
        self.assertEqual((code, ""), (done.returncode, done.stdout), (words, done.stderr))
        self.assertIn(said, done.stderr, words)
        return done.stderr

    def call(self, verb):
        return [verb, *(word.format("free") for word in CALLS[verb])]

    def test_every_command_is_in_the_table(self):
        self.assertEqual(set(self.verbs), set(CALLS) | ELSEWHERE)
        self.assertEqual(set(DIRECTORY_ONLY) | {"serve"},
                         {verb for verb in CALLS if "data" in self.verbs[verb] and "url" not in self.verbs[verb]})

    def test_a_directory_that_is_none_is_the_world(self):
        for verb in CALLS:
            # A shell, and what writes, make a directory; none can be made where there is no parent.
            missing = "file/deep" if verb in ("serve", "write", "import", "shell") else "missing"
            self.expect(1, "file" if missing == "file/deep" else missing, *self.call(verb), "--data", missing)
            self.expect(1, "file", *self.call(verb), "--data", "file")
        for words in (["restore", "file", "free"], ["restore", "missing", "free"], ["snapshot", "--data", self.data, "file"],
                      ["inspect", "file"], ["inspect", "missing"], ["inspect", "."]):
            self.expect(1, words[1] if words[0] != "snapshot" else "file", *words)

    def test_files_that_are_none_are_the_world(self):
        for words in (["import", "missing"], ["import", "missing.lp"], ["import", "."], ["import", ".", "--format", "lp"],
                      ["import", "missing.csv", "--time", "x"]):
            for place in (["--data", "d1"], ["--url", self.url]):
                self.expect(1, words[1], *words, *place)
        self.expect(1, "missing", "export", "--data", self.data, "-o", "missing/x.lp")
        for file in ("missing", "/dev/null", "."):
            self.expect(1, file, "config", "check", file)
            self.expect(1, file, "config", "show", "--config", file)
            self.expect(1, file, "config", "show", environment={"VARVE_CONFIG": file})
            self.expect(1, file, "serve", "--config", file)
        Path(self.place.name, "bad.yaml").write_text("sync: sometimes\n", encoding="utf-8")
        for words in (["config", "check", "bad.yaml"], ["config", "show", "--config", "bad.yaml"],
                      ["serve", "--config", "bad.yaml"]):
            self.expect(1, "bad.yaml:1:", *words)

    def test_settings_that_cannot_be_read_are_what_was_typed(self):
        for verb in (["serve"], ["config", "show"]):
            self.expect(2, "--sync", *verb, "--sync", "sometimes")
            self.expect(2, "VARVE_SYNC", *verb, environment={"VARVE_SYNC": "sometimes"})

    def test_options_are_what_was_typed(self):
        for verb in self.verbs:
            self.expect(2, "unknown option --nonsense", verb, "--nonsense")
            self.expect(2, "--json takes no value" if "json" in self.verbs[verb] else "unknown option",
                        verb, "--json=yes")
        for verb in CALLS:
            self.expect(2, "--data needs a value", *self.call(verb), "--data")
            if verb != "serve":
                self.expect(2, "--data is empty", *self.call(verb), "--data", "")

    def test_selectors_are_what_was_typed_whatever_is_wrong_with_them(self):
        many = ",".join(f'a!="{index}"' for index in range(257))
        for verb, option in SELECTING.items():
            for text, said in (("cpu{", "expected"), (f"cpu{{{many}}}", "more than 256 matchers"),
                               ('cpu{a=~"' + "x" * 4097 + '"}', "the limit is 4096"),
                               ('cpu{a=~"("}', "regular expression"), ('cpu{a=~"(?=x)"}', "look-around")):
                for place in (["--data", self.data], ["--url", self.url]):
                    self.expect(2, said, verb, *option, text, *place)
        self.assertEqual(0, self.run_varve("series", "cpu{" + many.rsplit(",", 1)[0] + "}").returncode)

    def test_words_that_are_too_long_are_what_was_typed(self):
        for verb, option in SELECTING.items():
            for text, said in (("m" * 65536, "metric name too long"), ('cpu{a="' + "x" * 65536 + '"}', "matcher value of 65536"),
                               ("cpu{" + "b" * 257 + '!=""}', "label name too long")):
                for place in (["--data", self.data], ["--url", self.url]):
                    self.expect(2, said, verb, *option, text, *place)
        for verb in CALLS:
            if "url" in self.verbs[verb]:
                self.expect(2, "is longer than 2000", *self.call(verb), "--url", "http://127.0.0.1:1/" + "p" * 2000)
        self.expect(2, "is longer than 2000", "ping", "--url", "http://127.0.0.1:1/" + "p" * 2000)
        Path(self.place.name, "long.csv").write_text("time,v\n2026-01-02,1\n", encoding="utf-8")
        for place in (["--data", "long"], ["--url", self.url]):
            self.expect(2, "--metric: metric name too long", "import", "long.csv", "--metric", "m" * 65536, *place)
            self.expect(2, "--extra-label: label ", "import", "long.csv", "--extra-label", "n" * 257 + "=v", *place)
            self.expect(2, "--extra-label: ", "import", "long.csv", "--extra-label", "n=" + "v" * 65536, *place)
        self.assertFalse(Path(self.place.name, "long").exists())

    def test_long_selectors_reach_a_server(self):
        """Longer than a URL may be: as a form. The longest sound one, and one of many matchers."""
        long = (f'cpu{{host!="{"x" * 65535}"}}', "cpu{" + ",".join(f'host!="{index}{"y" * 300}"' for index in range(200)) + "}")
        for text in long:
            for words in (["query", text], ["export", text], ["series", text], ["metrics", text], ["labels", "--match", text],
                          ["labels", "host", "--match", text]):
                self.assert_same(*words)

    def test_too_many_words_are_what_was_typed(self):
        for words, said in ((["--by", ",".join(f"l{index}" for index in range(65)), "--agg", "count"], "more than 64 labels"),
                            (["--fields", ",".join(f"f{index}" for index in range(1025))], "more than 1024 columns")):
            for place in (["--data", self.data], ["--url", self.url]):
                self.expect(2, said, "query", "cpu", *words, *place)

    def test_a_url_that_is_none_is_what_was_typed(self):
        for verb in CALLS:
            if "url" not in self.verbs[verb]:
                continue
            for url, said in (("ftp://x", "neither http nor https"), ("http://", "no address"),
                              ("http://a b", "no address"), (self.url + "/?a=b", "nothing follows")):
                self.assertIn("--url: ", self.expect(2, said, *self.call(verb), "--url", url))
                self.assertIn("VARVE_URL: ", self.expect(2, said, *self.call(verb), environment={"VARVE_URL": url}))
        self.expect(2, "no address", "ping", "--url", "http://")
        secret = self.expect(2, "nothing follows", "stats", "--url", DEAD.replace("//", "//me:secret@") + "/?a")
        self.assertNotIn("secret", secret)

    def test_a_server_in_the_environment_is_never_passed_over_in_silence(self):
        environment = {"VARVE_URL": self.url}
        for verb in CALLS:
            if verb in DIRECTORY_ONLY:
                self.expect(2, "VARVE_URL names a server", *self.call(verb), environment=environment)
                self.expect(2, "the command works on a directory", *self.call(verb), "--url", self.url)
                self.expect(1, "missing", *self.call(verb), "--data", "missing", environment=environment)
        for words in (["query", "cpu"], ["stats"], ["info"], ["series"]):
            self.assertEqual(0, self.run_bare(*words, environment=environment).returncode, words)

    def test_a_directory_in_the_environment_is_the_default(self):
        environment = {"VARVE_DATA": self.data}
        for verb in ("query", "series", "info", "verify", "scrub", "stats"):
            done = self.run_bare(*self.call(verb), environment=environment)
            self.assertEqual(0, done.returncode, done.stderr)
        both = {"VARVE_DATA": self.data, "VARVE_URL": DEAD}
        self.assertEqual(0, self.run_bare("verify", environment=both).returncode)
        self.assertEqual(4, self.run_bare("series", environment=both).returncode)
        self.expect(1, "missing", "series", environment={"VARVE_DATA": "missing"})
        self.expect(1, "missing", "series", "--data", "missing", environment=environment)

    def test_empty_words_are_refused(self):
        for words, said in ((["query", "cpu", "--fields", ""], "--fields: at 1: expected a name"),
                            (["query", "cpu", "--agg", ""], "--agg: at 1: expected a name"),
                            (["query", "cpu", "--zone", ""], "--zone: at 1: there is no such time zone"),
                            (["query", ""], "expected a metric name"), (["export", "-o", ""], "--output is empty"),
                            (["import", ""], "the name of a file is empty")):
            for place in (["--data", self.data], ["--url", self.url]):
                self.expect(2, said, *words, *place)
        for words in (["version", "more"], ["help", "query", "more"], ["help", "--json", "more"]):
            self.expect(2, "more" if words[0] != "help" or "--json" in words else "one command", *words)

    def test_nothing_is_made_for_files_that_are_missing(self):
        for words in (["import", "missing.lp"], ["import", "file", "missing.lp", "--format", "lp"], ["import", ""]):
            self.assertNotEqual(0, self.run_bare(*words, "--data", "unmade").returncode)
            self.assertFalse(Path(self.place.name, "unmade").exists(), words)

    def test_words_of_others_do_no_harm_to_a_terminal(self):
        odd = b"a\x1b[31mb\x07\xff"
        for words in ([odd], [b"query", b"cpu", b"--" + odd], [b"query", b"cpu", b"--format", odd], [b"import", odd],
                      [b"query", b"cpu", b"--data", odd], [b"query", b"cpu", b"--data", self.data.encode(), b"--fields", odd[:8]],
                      [b"query", odd, b"--data", self.data.encode()], [b"inspect", odd], [b"config", b"check", odd],
                      [b"series", b"--url", b"http://" + odd], [b"completion", odd], [b"labels", b"x", odd]):
            done = subprocess.run([PROGRAM.encode(), *words], capture_output=True, timeout=60, check=False,
                                  cwd=self.place.name, env=self.environment)
            self.assertFalse(set(done.stderr) & (set(range(32)) - {10}), done.stderr)
            done.stderr.decode()

    def test_a_reader_that_left_is_a_failure_without_a_word(self):
        for words in (["help"], ["help", "query"], ["help", "--json"], ["query", "--help"], ["version", "--verbose"],
                      ["completion", "bash"], ["config", "show"], ["query", "cpu", "--data", self.data],
                      ["series", "--data", self.data], ["info", "--data", self.data]):
            reader, writer = os.pipe()
            os.close(reader)
            try:
                done = subprocess.run([PROGRAM, *words], stdin=subprocess.DEVNULL, stdout=writer, stderr=subprocess.PIPE,
                                      timeout=60, check=False, env=self.environment)
            finally:
                os.close(writer)
            self.assertEqual((1, b""), (done.returncode, done.stderr), words)

    def test_a_proxy_is_never_asked_for_this_machine(self):
        for host in ("127.0.0.1", "localhost"):
            done = self.run_bare("ping", "--url", self.url.replace("127.0.0.1", host),
                                 environment={"http_proxy": DEAD, "ALL_PROXY": DEAD})
            self.assertEqual(0, done.returncode, done.stderr)
        with socket.create_server(("127.0.0.1", 0)) as proxy:
            address = "http://127.0.0.1:%d" % proxy.getsockname()[1]
            asked = []

            def answer():
                link, _ = proxy.accept()
                with link:
                    asked.append(link.recv(4096).split(b"\r\n")[0])
                    link.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            thread = threading.Thread(target=answer)
            thread.start()
            done = self.run_bare("ping", "--url", "http://varve.example", environment={"http_proxy": address})
            thread.join(60)
        self.assertEqual((0, [b"GET http://varve.example/ready HTTP/1.1"]), (done.returncode, asked), done.stderr)
        self.expect(4, "varve.example", "ping", "--url", "http://varve.example",
                    environment={"http_proxy": address, "NO_PROXY": "varve.example"})

    def test_info_is_the_same_on_a_server(self):
        here, there = (json.loads(self.output("info", "--json", on=on)) for on in ("data", "url"))
        self.assertEqual((self.data, self.url), (here.pop("directory"), there.pop("url")))
        self.assertEqual(list(here.pop("stats")), list(there.pop("stats")))
        self.assertEqual(here, there)
        lines = [self.output("info", on=on).splitlines() for on in ("data", "url")]
        self.assertEqual(lines[0][1:7], lines[1][1:7])
        self.assertEqual(f"server       {self.url}", lines[1][0])
        self.assertEqual([line.split()[0] for line in lines[0][8:]], [line.split()[0] for line in lines[1][8:]])

    def test_config_check_answers_json(self):
        Path(self.place.name, "good.yaml").write_text("sync: group\n", encoding="utf-8")
        good = self.run_bare("config", "check", "good.yaml", "--json")
        self.assertEqual((0, "", {"file": "good.yaml", "valid": True}),
                         (good.returncode, good.stderr, json.loads(good.stdout)))
        Path(self.place.name, "bad.yaml").write_text("snyc: group\n", encoding="utf-8")
        bad = self.run_bare("config", "check", "bad.yaml", "--json")
        answer = json.loads(bad.stdout)
        self.assertEqual((1, "bad.yaml", False), (bad.returncode, answer["file"], answer["valid"]))
        self.assertEqual(f"varve config: {answer['error']}\n", bad.stderr)

    def test_columns_of_one_name_are_refused(self):
        for header, said in (("time,host,v,v", 'columns 3 and 4 are both called "v"'),
                             ("time:rfc3339,metric:name,v:f64,v:f64", "columns 3 and 4 are both field v"),
                             ("time:rfc3339,metric:name,a:label,a:label,v:f64", "columns 3 and 4 are both label a")):
            Path(self.place.name, "twice.csv").write_text(f"{header}\n2026-01-02,a,1,2\n", encoding="utf-8")
            for place in (["--data", "twice"], ["--url", self.url]):
                self.expect(1, said, "import", "twice.csv", *place)
        Path(self.place.name, "twice.csv").write_text("time,host,v,v\n2026-01-02,a,1,2\n", encoding="utf-8")
        self.expect(2, "--columns: columns 3 and 4 are both", "import", "twice.csv", "--data", "twice", "--columns", "time,host,v,v")
        done = self.run_bare("import", "twice.csv", "--data", "twice", "--columns", "time,host,v,w")
        self.assertEqual(0, done.returncode, done.stderr)


if __name__ == "__main__":
    unittest.main()
