#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The manual pages name every command and option of the program, and no other."""

import json
import os
import re
import subprocess
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
PROGRAM = os.environ.get("VARVE_PROGRAM", str(ROOT / "build" / "varve"))
COMMANDS = re.findall(r'^VV_COMMAND\(\w+,\s*"(\w+)"',
                      (ROOT / "src/cli/commands.def").read_text(encoding="utf-8"), re.MULTILINE)

# The help of these shows the common ones, their pages all of them.
SETTINGS = {row["name"] for row in json.loads(subprocess.run(
    [PROGRAM, "config", "show", "--json"], check=True, capture_output=True, text=True).stdout)}


def page(command):
    return (ROOT / f"docs/man/varve-{command}.1.scd").read_text(encoding="utf-8")


class ManualPages(unittest.TestCase):
    def test_every_command_stands_in_the_overview_and_the_reference(self):
        overview = (ROOT / "docs/man/varve.1.scd").read_text(encoding="utf-8")
        reference = (ROOT / "docs/reference/cli.md").read_text(encoding="utf-8")
        for command in COMMANDS:
            self.assertIn(f"\n*{command}*", overview)
            if command != "help":
                self.assertIn(f"| `{command}` |", reference)

    def test_pages_and_help_name_the_same_options(self):
        for command in COMMANDS:
            if command == "help":
                continue
            shown = subprocess.run([PROGRAM, command, "--help"], check=True, capture_output=True,
                                   text=True).stdout
            in_help = SETTINGS if command in ("serve", "config") else set()
            in_help = in_help | set(re.findall(r"^  --([a-z-]+)", shown, re.MULTILINE))
            heads = [line for line in page(command).splitlines() if line.startswith("*--")]
            in_page = set(re.findall(r"\*--([a-z-]+)\*", " ".join(heads)))
            self.assertEqual(in_help | {"help"}, in_page, command)

    def test_there_is_no_page_without_a_command(self):
        names = {path.name for path in (ROOT / "docs/man").glob("*.1.scd")}
        self.assertEqual(names, {"varve.1.scd"} | {f"varve-{command}.1.scd" for command in COMMANDS
                                                   if command != "help"})


if __name__ == "__main__":
    unittest.main()
