#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checks that libvarve.so exports exactly the functions of varve.h, and libvarve.a hides nothing odd.

  shared   the dynamic symbols of the shared library are the functions that varve.h declares
  static   every global symbol of the static library begins with varve_ or vv_
"""

import argparse
import re
import subprocess
import sys
from pathlib import Path

from checklib import Findings, strip_c

ROOT = Path(__file__).resolve().parent.parent


def declared_functions(header):
    """Names of the functions declared with VARVE_API."""
    code = re.sub(r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", "", strip_c(header), flags=re.MULTILINE)
    return {match.group(1) for match in re.finditer(r"\bVARVE_API\b[^;{]*?\b(\w+)\s*\(", code)}


def symbols(library, *options):
    output = subprocess.run(["nm", "--defined-only", *options, library], check=True, text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
    found = set()
    for line in output.splitlines():
        words = line.split()
        # "address type name[@@version]"; the version itself is an absolute symbol.
        if len(words) == 3 and words[1] in "TDBRVWiuGS":
            found.add(words[2].split("@")[0])
    return found


def check(findings, header, shared, static):
    declared = declared_functions(Path(header).read_text(encoding="utf-8"))
    exported = symbols(shared, "--dynamic")
    for name in declared - exported:
        findings.add(shared, 0, f"{name}() is declared in varve.h and not exported")
    for name in exported - declared:
        findings.add(shared, 0, f"{name} is exported and not declared in varve.h")
    if static:
        for name in symbols(static, "--extern-only"):
            if not name.startswith(("varve_", "vv_")):
                findings.add(static, 0, f"{name} is global and has neither varve_ nor vv_")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--header", default=str(ROOT / "include/varve.h"))
    parser.add_argument("--shared", default=str(ROOT / "build/libvarve.so"))
    parser.add_argument("--static", default=str(ROOT / "build/libvarve.a"))
    options = parser.parse_args()
    findings = Findings()
    check(findings, options.header, options.shared, options.static)
    return findings.report("check_exports.py")


if __name__ == "__main__":
    sys.exit(main())
