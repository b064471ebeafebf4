# SPDX-License-Identifier: Apache-2.0
"""The examples of the manual pages work, and no page shows a command that no test runs."""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from console import DEFAULT_ADDRESS, Console, matches  # noqa: E402 (the path is set above)

ROOT = Path(__file__).resolve().parent.parent.parent
PROGRAM = os.environ.get("VARVE_PROGRAM", str(ROOT / "build/varve"))
DATA = "/var/lib/varve"

# What the examples speak of. `restore` makes DATA itself.
WORLD = (
    "varve write --data DATA 'cpu_percent,host=a value=12.5' 'cpu_percent,host=web1 value=50' 'cpu,host=a value=0.5'",
    "varve snapshot --data DATA /backup/monday",
    "cp -r DATA varve-data",
    "varve export --data DATA --format lp -o metrics.lp.gz && varve export --data DATA -o more.jsonl.zst",
    "printf 'date,city,rain,days\\n02.01.2026,Oslo,1.5,3\\n' > weather.csv",
    "echo 'listen: 127.0.0.1:0' > varve.yaml && cp varve.yaml /etc/varve/varve.yaml",
)
# Examples that make what the world has: taken away first.
TAKEN_AWAY = {"restore": "rm -r DATA", "snapshot": "rm -r /backup/monday", "import": "rm -r varve-data"}
# Commands that end when they are interrupted.
ENDLESS = ("tail", "top")

# Commands of pages that are not run, and why. The check fails for one that is not on a page any more.
NOT_RUN = {
    "cc example.c": "test_install.py builds and runs it",
    "cmake --preset release": "make test builds in this way",
    "cmake --build build": "make test builds in this way",
    "sudo cmake --install build": "test_install.py installs, below a directory of its own",
    "sudo systemctl enable": "needs a service manager",
    "varve completion fish": "needs fish; test_verbs.py checks the script where there is one",
    "podman build": "needs a container engine",
    "podman run": "needs a container engine",
    "varve completion fish": "needs fish",
    "source <(varve completion zsh)": "needs zsh",
}
COMMAND = re.compile(r"^\s*(?:\$ )?((?:sudo |exec )?(?:varve|curl|cc|make|cmake|podman|docker|systemctl|apt-get|build/varve|python3?"
                     r"|source)(?: .*)?)$")


def manual_examples(page):
    """Yields (command, what it prints or None) of the sections EXAMPLE and EXAMPLES."""
    section = re.search(r"^# EXAMPLES?\n(.*?)(?=^# |\Z)", page, re.MULTILINE | re.DOTALL)
    lines = [line[1:] for line in section[1].splitlines() if line.startswith("\t")] if section else []
    parts = re.split(r"^(?=varve\b|source\b)", "\n".join(lines).replace("\\*", "*").replace("\\_", "_"), flags=re.MULTILINE)
    for part in parts:
        part = re.sub(r"\\\n\s*", " ", part)
        command, _, output = part.partition("\n")
        assert not command.strip() or COMMAND.match(command), f"an example that is no command: {command}"
        if command:
            yield command, output.strip("\n") + "\n" if output.strip() else None


def page_of(verb):
    return (ROOT / f"docs/man/varve-{verb}.1.scd").read_text(encoding="utf-8")


class ManualPages(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.world = Console(PROGRAM)
        for step in WORLD:
            printed, status = cls.world.run(step.replace("DATA", DATA))
            assert status == 0, f"$ {step}\n{printed}"

    @classmethod
    def tearDownClass(cls):
        cls.world.close()

    def run_until_interrupted(self, console, command):
        """A command without an end: it says something, and ends with SIGINT."""
        with subprocess.Popen(["bash", "-c", "exec " + console.to_here(command)], cwd=console.directory.name,
                              env=console.environment, text=True, stdout=subprocess.PIPE) as running:
            printed = running.stdout.readline()
            running.send_signal(signal.SIGINT)
            running.stdout.read()
            return printed, 0 if running.wait(60) == 130 else running.returncode

    def check(self, command, expected):
        console = Console(PROGRAM)
        try:
            words = shlex.split(command)
            shutil.copytree(self.world.directory.name, console.directory.name, symlinks=True, dirs_exist_ok=True,
                            ignore=shutil.ignore_patterns("build"))
            if words[1] in TAKEN_AWAY:
                console.run(TAKEN_AWAY[words[1]].replace("DATA", DATA))
            if DEFAULT_ADDRESS in command and words[1] != "serve":
                console.run("varve serve")
            if words[1] in ENDLESS:
                printed, status = self.run_until_interrupted(console, command)
            else:
                printed, status = console.run(command)
            self.assertEqual(0, status, f"$ {command}\n{printed}")
            if expected is not None:
                self.assertTrue(matches(expected, printed), f"$ {command}\nprints:\n{printed}\ninstead of:\n{expected}")
        finally:
            status = console.close()
        self.assertEqual(0, status, f"$ {command}: the server's exit status")

    def test_examples_work(self):
        count = 0
        for path in sorted((ROOT / "docs/man").glob("*.scd")):
            for command, expected in manual_examples(path.read_text(encoding="utf-8")):
                count += 1
                with self.subTest(f"{path.name}: {command}"):
                    self.check(command, expected)
        print(f"{count} examples of manual pages")
        self.assertGreater(count, 15)

    def test_the_example_of_the_help_stands_in_the_page(self):
        done = subprocess.run([PROGRAM, "help", "--json"], check=True, capture_output=True, text=True)
        for command in json.loads(done.stdout)["commands"]:
            if command["name"] == "help":
                continue
            with self.subTest(command["name"]):
                examples = [example for example, _ in manual_examples(page_of(command["name"]))]
                self.assertIn(command["example"], examples)


class Unrun(unittest.TestCase):
    """A command stands in a block of the kind console, or in an example of a manual page, or in NOT_RUN."""

    def shown(self):
        """Yields (page, command) of all blocks that no test runs."""
        pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md", *(ROOT / "docs").rglob("*.md")]
        for page in sorted(pages):
            text = page.read_text(encoding="utf-8")
            blocks = re.findall(r"^(```+)(\w*)\n(.*?)^\1$", text, re.MULTILINE | re.DOTALL)
            for _, kind, block in blocks:
                if kind not in ("console", "c", "json", "yaml"):
                    yield from ((page, line) for line in block.splitlines())
            rest = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
            yield from ((page, line) for line in rest.splitlines() if line.startswith("    ") or line.startswith("$ "))
        for page in sorted((ROOT / "docs/man").glob("*.scd")):
            text = page.read_text(encoding="utf-8")
            run = [command for command, _ in manual_examples(text)]
            text = re.sub(r"^# EXAMPLES?\n.*?(?=^# |\Z)", "", text, flags=re.MULTILINE | re.DOTALL)
            yield from ((page, line) for line in text.splitlines() if line.startswith("\t") and line.strip() not in run)

    def test_no_command_is_left_unrun(self):
        found = [(page.relative_to(ROOT), match[1]) for page, line in self.shown() if (match := COMMAND.match(line))]
        unrun = [f"{page}: {command}" for page, command in found if not any(map(command.startswith, NOT_RUN))]
        self.assertEqual([], unrun, "commands that no test runs:\n" + "\n".join(unrun))
        stale = [known for known in NOT_RUN if not any(command.startswith(known) for _, command in found)]
        self.assertEqual([], stale, "in NOT_RUN, and on no page")

    def test_commands_are_seen(self):
        for line in ("varve query x", "    $ curl http://x", "sudo cmake --install build"):
            self.assertTrue(COMMAND.match(line))
        for line in ("varve_db *db;", "the server varves", "{"):
            self.assertFalse(COMMAND.match(line))


if __name__ == "__main__":
    unittest.main()
