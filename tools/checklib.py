# SPDX-License-Identifier: Apache-2.0
"""What the checks of tools/ share: the list of files, C source without comments, findings."""

import argparse
import re
import subprocess
import sys
from pathlib import Path

TEXT_SUFFIXES = {".c", ".h", ".def", ".md", ".py", ".cmake", ".txt", ".in", ".json", ".scd", ".sh",
                 ".ts", ".css", ".html", ".toml", ".service", ".supp", ".yml", ".yaml", ".go"}


class Tree:
    """A source tree: the repository, or a small one made by a test."""

    def __init__(self, root):
        self.root = Path(root).resolve()
        self._texts = {}
        if (self.root / ".git").exists():
            done = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
                                  cwd=self.root, check=True, stdout=subprocess.PIPE)
            names = [name for name in done.stdout.decode().split("\0") if name]
        else:
            names = [str(path.relative_to(self.root)) for path in self.root.rglob("*")]
        self.files = sorted(name for name in set(names) if (self.root / name).is_file())

    def named(self, prefix="", *suffixes):
        """Files under a folder (a prefix of the path) with one of the suffixes."""
        return [name for name in self.files
                if name.startswith(prefix) and (not suffixes or name.endswith(suffixes))]

    def text(self, name):
        if name not in self._texts:
            data = (self.root / name).read_bytes()
            self._texts[name] = "" if b"\0" in data else data.decode("utf-8", "replace")
        return self._texts[name]

    def text_files(self):
        """Files that people read: by their suffix, or scripts and the like without one."""
        return [name for name in self.files
                if Path(name).suffix in TEXT_SUFFIXES or (not Path(name).suffix and self.text(name))]


class Findings:
    """Violations, each with its place."""

    def __init__(self):
        self.lines = []

    def add(self, name, line, message):
        self.lines.append(f"{name}:{line}: {message}" if line else f"{name}: {message}")

    def report(self, title):
        for line in sorted(self.lines):
            print(line)
        print(f"{title}: {len(self.lines)} violations")
        return 1 if self.lines else 0


_C_TOKEN = re.compile(
    r"""//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'""", re.DOTALL)


def strip_c(text, keep_strings=False):
    """C source with comments (and the insides of literals) blanked; lines and columns stay."""
    def blank(match):
        token = match.group(0)
        if token[0] == "/":
            return re.sub(r"[^\n]", " ", token)
        if keep_strings:
            return token
        return token[0] + " " * (len(token) - 2) + token[0]
    return _C_TOKEN.sub(blank, text)


def line_of(text, offset):
    return text.count("\n", 0, offset) + 1


def includes(text):
    """Yields (line, form, path) of each #include; form is '"' or '<'."""
    for number, line in enumerate(strip_c(text, keep_strings=True).splitlines(), 1):
        match = re.match(r'\s*#\s*include\s*(["<])([^">]+)[">]', line)
        if match:
            yield number, match.group(1), match.group(2)


def functions(text):
    """Yields (name, is static, first line, last line) of each function defined in formatted C.

    Relies on .clang-format: a definition starts in column 0, its braces stand alone in column 0.
    """
    code = strip_c(text)
    code = re.sub(r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", lambda m: re.sub(r"[^\n]", " ", m.group(0)), code,
                  flags=re.MULTILINE)
    for body in re.finditer(r"^\{$", code, re.MULTILINE):
        head_start = max(code.rfind("}\n", 0, body.start()), code.rfind(";\n", 0, body.start()),
                         code.rfind("\n\n", 0, body.start()))
        head = code[head_start + 1:body.start()].lstrip("}; \n")
        plain = re.sub(r"\b(?:VV|VARVE)_[A-Z0-9_]+(?:\s*\([^()]*\))?", " ", head)
        name = re.search(r"(\w+)\s*\(", plain)
        end = code.find("\n}", body.start())
        if name and end >= 0 and not re.match(r"\s*(struct|enum|union|typedef)\b[^(]*$", plain):
            yield (name.group(1), bool(re.search(r"\bstatic\b", plain)),
                   line_of(code, body.start() - len(head.rstrip()) if head else body.start()),
                   line_of(code, end + 1))


def run(check, description):
    """The main() of a check: `--root DIR` chooses the tree, the result is the exit status."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--root", default=Path(__file__).resolve().parent.parent,
                        help="the tree to check (default: this one)")
    options = parser.parse_args()
    findings = Findings()
    check(Tree(options.root), findings)
    sys.exit(findings.report(Path(sys.argv[0]).name))
