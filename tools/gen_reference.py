#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the generated parts of docs/reference/ and docs/man/ from the program, or checks that they are current.

A part stands between two comments, and only what is between them is written:

    <!-- generated: metrics -->    the figures that `varve serve` shows under /metrics
    <!-- generated: routes -->     src/server/routes.def
    <!-- generated: settings -->   the settings of `varve serve`
    <!-- generated: statuses -->   the table of statuses of varve.h
    <!-- end -->

and in the source of a manual page

    ; generated: options           the settings as flags
    ; generated: keys              the settings as keys of the file
    ; end
"""

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PART = re.compile(r"(<!-- generated: ([\w ]+) -->\n)(.*?)(<!-- end -->)", re.DOTALL)
MAN_PART = re.compile(r"(^; generated: ([\w ]+)\n)(.*?)(^; end$)", re.DOTALL | re.MULTILINE)


class Program:
    """The varve program, asked about itself."""

    def __init__(self, path):
        self.path = str(path)
        self.clean = {name: value for name, value in os.environ.items() if not name.startswith("VARVE_")}
        self.known_settings = None

    def settings(self):
        """The settings as `varve config show --json` prints them, all of them at their defaults."""
        if self.known_settings is None:
            done = subprocess.run([self.path, "config", "show", "--json"], check=True, env=self.clean,
                                  stdout=subprocess.PIPE)
            self.known_settings = json.loads(done.stdout)
        return self.known_settings

    def metrics(self):
        """[(name, kind, labels, help)], sorted by name, of a server with nothing in it that was asked once."""
        with tempfile.TemporaryDirectory() as directory:
            server = subprocess.Popen([self.path, "serve", "--listen", "127.0.0.1:0", "--data",
                                       f"{directory}/data"], text=True, stdout=subprocess.PIPE,
                                      stderr=subprocess.DEVNULL, env=self.clean)
            try:
                url = server.stdout.readline().split()[-1]
                text = ""
                urllib.request.urlopen(f"{url}/api/v1/labels", timeout=30).close()
                # A request is counted when it has ended, which may be after its answer was read.
                while "varve_query_duration_seconds_count{" not in text or "varve_http_requests_total{" not in text:
                    with urllib.request.urlopen(f"{url}/metrics", timeout=30) as answer:
                        text = answer.read().decode()
            finally:
                server.send_signal(signal.SIGTERM)
                server.wait()
                server.stdout.close()
        kinds = dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE))
        helps = dict(re.findall(r"^# HELP (\S+) (.*)$", text, re.MULTILINE))
        labels = {name: set() for name in kinds}
        for name, inside in re.findall(r"^(\w+)\{(.*)\} ", text, re.MULTILINE):
            family = name if name in kinds else re.sub(r"_(bucket|sum|count)$", "", name)
            labels[family] |= set(re.findall(r"(\w+)=", inside)) - {"le"}
        return sorted((name, kind, ", ".join(f"`{label}`" for label in sorted(labels[name])),
                       helps.get(name, "")) for name, kind in kinds.items())


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def statuses():
    header = (ROOT / "include/varve.h").read_text(encoding="utf-8")
    rows = re.findall(r'^\s+X\((\w+), (\d+), "([^"]+)"\)', header, re.MULTILINE)
    return [(f"`VARVE_{name}`", number, text) for name, number, text in rows]


def routes():
    text = (ROOT / "src/server/routes.def").read_text(encoding="utf-8")
    rows = re.findall(r'^VV_ROUTE\(\w+,\s*"([^"]+)",\s*([^,]+),\s*\w+,\s*\w+,\s*"([^"]+)"\)', text, re.MULTILINE)
    return [(f"`{path.replace('**', 'NAME/VALUE/...').replace('*', 'NAME')}`", ", ".join(re.findall(r"VV_([A-Z]+)", methods)), help_text)
            for path, methods, help_text in rows]


def settings_table(settings):
    return [(f"`{row['name']}`", f"`{row['default']}`" if row["default"] else "", row["takes"],
             "yes" if row["reload"] else "", row["help"]) for row in settings]


def sentence(row):
    """What a manual page says of a setting."""
    text = row["help"][0].upper() + row["help"][1:] + f". Takes {row['takes']}"
    default = row["default"].replace("_", "\\_")
    text += f"; _{default}_ unless given." if default else "."
    if row["reload"]:
        text += " A reload applies it."
    return "\t" + text.replace("*", "\\*") + "\n\n"


def options(settings):
    heads = []
    for row in settings:
        argument = f"_{row['argument']}_" if row["argument"] else ""
        gap = "[=" + argument + "]" if row["bare"] and argument else " " + argument if argument else ""
        heads.append(f"*--{row['name']}*{gap}\n{sentence(row)}")
    return "".join(heads)


def keys(settings):
    return "".join(f"*{row['name']}*\n{sentence(row)}" for row in settings)


def generate(program, what):
    if what == "routes":
        return table(("path", "methods", "does"), routes())
    if what == "settings":
        return table(("name", "default", "takes", "reload", "means"), settings_table(program.settings()))
    if what == "options":
        return options(program.settings())
    if what == "keys":
        return keys(program.settings())
    if what == "metrics":
        return table(("name", "kind", "labels", "means"),
                     [(f"`{name}`", *row) for name, *row in program.metrics()])
    if what == "statuses":
        return table(("status", "number", "text"), statuses())
    raise ValueError(f"nothing is generated from: {what}")


def renew(text, program):
    """The page with all its generated parts made anew."""
    def made(match):
        return match.group(1) + generate(program, match.group(2)) + match.group(4)

    return MAN_PART.sub(made, PART.sub(made, text))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing; fail when a page is not current")
    parser.add_argument("--program", default=ROOT / "build/varve", type=Path)
    arguments = parser.parse_args()
    program = Program(arguments.program)
    is_current = True
    for page in sorted([*(ROOT / "docs/reference").glob("*.md"), *(ROOT / "docs/man").glob("*.scd")]):
        text = page.read_text(encoding="utf-8")
        new_text = renew(text, program)
        if new_text != text:
            is_current = False
            print(f"{page.relative_to(ROOT)}: {'not current' if arguments.check else 'written'}")
            if not arguments.check:
                page.write_text(new_text, encoding="utf-8")
    return 1 if arguments.check and not is_current else 0


if __name__ == "__main__":
    sys.exit(main())
