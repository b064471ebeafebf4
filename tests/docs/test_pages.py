# SPDX-License-Identifier: Apache-2.0
"""The console examples of README.md and of the pages under docs/ print what the pages say."""

import os
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from console import Console, NoPackage, commands, matches  # noqa: E402 (the path is set above)

ROOT = Path(__file__).resolve().parent.parent.parent
PROGRAM = os.environ.get("VARVE_PROGRAM", str(ROOT / "build/varve"))


class Pages(unittest.TestCase):
    def check_page(self, page):
        console = Console(PROGRAM)
        try:
            for command, expected in commands(page.read_text(encoding="utf-8")):
                # The first figures of the host come a moment after the server has started.
                is_answer = command.startswith("curl") and "cpu_percent" in command
                printed, status = console.run_until(command, expected, 15 if is_answer else 0)
                self.assertTrue(matches(expected, printed),
                                f"{page.relative_to(ROOT)}: $ {command}\nprints (exit status {status}):\n"
                                f"{printed}\ninstead of:\n{expected}")
        finally:
            status = console.close()
        self.assertEqual(0, status, f"{page.relative_to(ROOT)}: the server's exit status")

    def test_examples_print_what_the_pages_say(self):
        pages = [page for page in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
                 if "```console\n" in page.read_text(encoding="utf-8")]
        self.assertGreater(len(pages), 1)
        for page in pages:
            with self.subTest(page=page.name):
                self.check_page(page)


class Runner(unittest.TestCase):
    """The runner itself: a page that says something else is seen."""

    def test_commands_and_outputs_are_told_apart(self):
        text = "x\n```console\n$ a \\\n  b\n1\n2\n$ c\n```\n"
        self.assertEqual([("a \\\n  b", "1\n2\n"), ("c", "")], list(commands(text)))

    def test_commands_go_on_in_quotes_and_documents(self):
        text = "```console\n$ a '{\n  b}'\n1\n$ c <<'END'\nit's\nEND\n2\n```\n"
        self.assertEqual([("a '{\n  b}'", "1\n"), ("c <<'END'\nit's\nEND", "2\n")], list(commands(text)))

    def test_a_package_that_cannot_be_fetched_is_told(self):
        console = Console(PROGRAM)
        self.addCleanup(console.close)
        console.environment.update(npm_config_cache=f"{console.directory.name}/cache",
                                   npm_config_registry="http://127.0.0.1:9/", npm_config_fetch_retries="0")
        with self.assertRaisesRegex(NoPackage, "does not reach the registry"):
            console.run("npm pack --silent vega-datasets@3.2.1")

    def test_dots_stand_for_lines(self):
        self.assertTrue(matches("a\n...\nd\n", "a\nb\nc\nd\n"))
        self.assertTrue(matches("a\n...\nd\n", "a\nd\n"))
        self.assertFalse(matches("a\n...\nd\n", "a\nb\nc\n"))

    def test_dots_in_a_line_stay_in_it(self):
        self.assertTrue(matches("a ... s\nb\n", "a 1.5 s\nb\n"))
        self.assertFalse(matches("a ... s\nb\n", "a 1 m\nx s\nb\n"))
        self.assertFalse(matches("a\n", "b\n"))


if __name__ == "__main__":
    unittest.main()
