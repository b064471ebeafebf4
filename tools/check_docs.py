#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checks documentation: links inside the repository lead somewhere, nothing names a foreign machine.

  link    a relative link of a *.md file leads to a file, and its #anchor to a heading of it
  named   a page of docs/ that any text names by its path exists
  path    no text names a home directory or another place of the machine it was written on
  host    no text names a network host, but for those of KNOWN_HOSTS
"""

import re
from pathlib import PurePosixPath
from posixpath import normpath

from checklib import line_of, run

LINK = re.compile(r"\[[^\]\[]*\]\(([^()\s]+)\)")
NAMED_PAGE = re.compile(r"(?<![\w./-])docs/[\w./-]+\.md\b")
MACHINE_PATH = re.compile(r"(?<![\w.~])/(?:home|root|Users|work)/\w*")
URL = re.compile(r"\bhttps?://([^\s/:\"'`<>)\]}\\]+)")
# Loopback; names reserved for examples; the address inside of the licence.
KNOWN_HOSTS = re.compile(r"^(localhost|127\.\d+\.\d+\.\d+|0\.0\.0\.0|\[|(.*\.)?example(\.(com|org|net))?|(.*\.)?test|\w"
                         r"|www\.apache\.org|[%${(*].*|host|HOST|ADDR)$")


def without_code(text):
    """Fenced and inline code blanked, lines kept: links in code are not links."""
    def blank(match):
        return re.sub(r"[^\n]", " ", match.group(0))
    text = re.sub(r"^(```|~~~).*?^\1", blank, text, flags=re.MULTILINE | re.DOTALL)
    return re.sub(r"`[^`\n]*`", blank, text)


def anchors_of(text):
    """The anchors of a page's headings, as the usual renderers make them."""
    found = set()
    for heading in re.findall(r"^#{1,6}\s+(.*?)\s*#*$", text, re.MULTILINE):
        words = re.sub(r"[^\w\s-]", "", heading.replace("`", "")).strip().lower()
        found.add(re.sub(r"\s", "-", words))
    return found


def check_links(tree, findings):
    for name in tree.named("", ".md"):
        text = without_code(tree.text(name))
        for match in LINK.finditer(text):
            target = match.group(1)
            if re.match(r"\w+:", target):
                continue
            path, _, anchor = target.partition("#")
            page = normpath(str(PurePosixPath(name).parent / path)) if path else name
            if page not in tree.files and not (tree.root / page).is_dir():
                findings.add(name, line_of(text, match.start()), f"dead link: {target}")
            elif anchor and page.endswith(".md") and anchor not in anchors_of(tree.text(page)):
                findings.add(name, line_of(text, match.start()), f"no heading of {page} gives #{anchor}")


def check_named_pages(tree, findings):
    for name in tree.text_files():
        if name.startswith("tests/checks/"):
            continue
        text = tree.text(name)
        for match in NAMED_PAGE.finditer(text):
            if match.group(0) not in tree.files:
                findings.add(name, line_of(text, match.start()), f"names a missing page: {match.group(0)}")


def check_places(tree, findings):
    for name in tree.text_files():
        if name.startswith("tests/checks/"):
            continue
        text = tree.text(name)
        for match in MACHINE_PATH.finditer(text):
            findings.add(name, line_of(text, match.start()), f"a path of some machine: {match.group(0)}")
        for match in URL.finditer(text):
            if not KNOWN_HOSTS.match(match.group(1)):
                findings.add(name, line_of(text, match.start()), f"names a host: {match.group(1)}")


def check(tree, findings):
    check_links(tree, findings)
    check_named_pages(tree, findings)
    check_places(tree, findings)


if __name__ == "__main__":
    run(check, __doc__.splitlines()[0])
