#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the generated parts of docs/reference/ from the program, or checks that they are current.

A part stands between two comments, and only what is between them is written:

    <!-- generated: metrics -->    the figures that `varve serve` shows under /metrics
    <!-- generated: statuses -->   the table of statuses of varve.h
    <!-- end -->
"""

import argparse
import re
import signal
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PART = re.compile(r"(<!-- generated: ([\w ]+) -->\n)(.*?)(<!-- end -->)", re.DOTALL)


class Program:
    """The varve program, asked about itself."""

    def __init__(self, path):
        self.path = str(path)

    def metrics(self):
        """[(name, kind, help)], sorted by name, of a server with nothing in it."""
        with tempfile.TemporaryDirectory() as directory:
            server = subprocess.Popen([self.path, "serve", "--listen", "127.0.0.1:0", "--data",
                                       f"{directory}/data"], text=True, stdout=subprocess.PIPE,
                                      stderr=subprocess.DEVNULL)
            try:
                url = server.stdout.readline().split()[-1]
                with urllib.request.urlopen(f"{url}/metrics", timeout=30) as answer:
                    text = answer.read().decode()
            finally:
                server.send_signal(signal.SIGTERM)
                server.wait()
                server.stdout.close()
        kinds = dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE))
        helps = dict(re.findall(r"^# HELP (\S+) (.*)$", text, re.MULTILINE))
        return sorted((name, kind, helps.get(name, "")) for name, kind in kinds.items())


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def statuses():
    header = (ROOT / "include/varve.h").read_text(encoding="utf-8")
    rows = re.findall(r'^\s+X\((\w+), (\d+), "([^"]+)"\)', header, re.MULTILINE)
    return [(f"`VARVE_{name}`", number, text) for name, number, text in rows]


def generate(program, what):
    if what == "metrics":
        return table(("name", "kind", "means"),
                     [(f"`{name}`", kind, text) for name, kind, text in program.metrics()])
    if what == "statuses":
        return table(("status", "number", "text"), statuses())
    raise ValueError(f"nothing is generated from: {what}")


def renew(text, program):
    """The page with all its generated parts made anew."""
    return PART.sub(lambda match: match.group(1) + generate(program, match.group(2)) + match.group(4), text)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing; fail when a page is not current")
    parser.add_argument("--program", default=ROOT / "build/varve", type=Path)
    options = parser.parse_args()
    program = Program(options.program)
    is_current = True
    for page in sorted((ROOT / "docs/reference").glob("*.md")):
        text = page.read_text(encoding="utf-8")
        new_text = renew(text, program)
        if new_text != text:
            is_current = False
            print(f"{page.relative_to(ROOT)}: {'not current' if options.check else 'written'}")
            if not options.check:
                page.write_text(new_text, encoding="utf-8")
    return 1 if options.check and not is_current else 0


if __name__ == "__main__":
    sys.exit(main())
