#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs the tests of the coverage build and reports lines and branches per room of src/.

  tools/coverage.py                all rooms
  tools/coverage.py wal segment    these rooms, with each file and the lines no test reached
  tools/coverage.py --gate         fails below the gates

Aims: 90 % of lines and 80 % of branches in every room; that is reported. Gates: all lines and branches of what
decides about stored data (log, manifest, recovery, publishing, locks), 95 % and 90 % of the engine. Where a file has
not arrived there FLOORS has what it has reached: less fails, more is to be written down.

Left out, because nothing can take them: branches and lines of assertions; the branch of a `switch` without `default`
for a value that the enum does not have; the failure of joining a path (PATHS).

The build differs from the debug one in two ways (VV_COVERAGE): functions that are always inlined stay functions, so
that a branch is counted once; and each object of an arena is an allocation of its own, so that the tests in which
every allocation fails in turn reach them all.
"""

import argparse
import fnmatch
import gzip
import json
import os
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build-coverage"
ASSERTIONS = ("VV_ASSERT(", "VV_DEBUG_ASSERT(", "VV_UNREACHABLE(")
# varve_open and its like refuse directories for which one of these could be too long (engine/ident.h).
PATHS = ("VV_TRY(vv_db_path(", "VV_TRY(vv_path_join(", "VV_TRY(vv_wal_file_path(", "VV_TRY(vv_manifest_path(",
         "VV_TRY(vv_tombstone_file_path(")
# What decides about stored data: every line and branch is to be reached.
GATED = ("src/wal/*.c", "src/engine/manifest*.c", "src/engine/recover*.c", "src/engine/publish*.c",
         "src/engine/lockfile.c", "src/engine/ident.c", "src/sys/registry.c")
# What those have reached that are not there yet: per cent of lines and branches, rounded down. Left are a directory of
# a vector that is refused while the log is replayed, and two interleavings of threads, which the schedules of
# tests/sched draw in a build of their own.
FLOORS = {
    "src/engine/recover.c": (100, 99),
    "src/wal/wal_group.c": (100, 99),
}
ENGINE_LINES, ENGINE_BRANCHES = 95, 90


def build_and_test(labels):
    for command in (["cmake", "--preset", "coverage", "-DVARVE_TESTS=ON", "--log-level=WARNING"],
                    ["cmake", "--build", BUILD]):
        subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    for counts in BUILD.rglob("*.gcda"):
        counts.unlink()
    chosen = ["-L", labels] if labels else ["-LE", "^(kill|docs|bench)$"]
    # Every call and every allocation fails, half of them once and half from then on: no count depends on where a
    # sample falls.
    done = subprocess.run(["ctest", "--test-dir", BUILD, "-j2", "--output-on-failure", *chosen], cwd=ROOT,
                          env={**os.environ, "VARVE_ALLOC_STRIDE": "2", "VARVE_CALL_STRIDE": "1"},
                          stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        print(done.stdout)
        sys.exit("coverage: tests failed")


def read_counts():
    """Returns ({file: {line: count}}, {file: {(line, branch): count}}) over all objects."""
    lines, branches = defaultdict(dict), defaultdict(dict)
    with tempfile.TemporaryDirectory() as directory:
        # Objects of src/ that ran; not those of a file that is gone since the last build.
        objects = [path for path in BUILD.rglob("src/*/*.gcno") if path.with_suffix(".gcda").exists()
                   and ROOT.joinpath(*path.with_suffix("").parts[-3:]).exists()]
        subprocess.run(["gcov", "--json-format", "--branch-probabilities", *objects], cwd=directory, check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for report in Path(directory).glob("*.gcov.json.gz"):
            with gzip.open(report, "rt", encoding="utf-8") as stream:
                for file in json.load(stream)["files"]:
                    name = os.path.relpath(os.path.join(ROOT, file["file"]), ROOT)
                    if name.startswith("src/"):
                        add_counts(file, lines[name], branches[name])
    return lines, branches


def add_counts(file, lines, branches):
    for line in file["lines"]:
        number = line["line_number"]
        lines[number] = lines.get(number, 0) + line["count"]
        for index, branch in enumerate(line["branches"]):
            key = (number, index)
            branches[key] = branches.get(key, 0) + branch["count"]


def has_default(source, at):
    """Whether the switch that begins on this line of the source (counted from 0) names a default."""
    indent = source[at][:len(source[at]) - len(source[at].lstrip())]
    for line in source[at + 1:]:
        if line.startswith(indent + "default:"):
            return True
        if line.startswith(indent + "}"):
            return False
    return True


def drop_impossible(name, counts, branches):
    """Returns lines and branches without those that nothing can take."""
    source = (ROOT / name).read_text(encoding="utf-8").splitlines()
    kept = {}
    spare = set()  # lines whose switch may miss one branch
    for at, line in enumerate(source):
        text = line.lstrip() + (source[at + 1].lstrip() if line.endswith("(") else "")
        if text.startswith("switch (") and not has_default(source, at):
            spare.add(at + 1)
        if text.startswith(ASSERTIONS + PATHS):
            kept[at + 1] = False
    left = {}
    for key, count in branches.items():
        if count == 0 and key[0] in spare:
            spare.discard(key[0])
        elif kept.get(key[0], True):
            left[key] = count
    counts = {number: count for number, count in counts.items()
              if not source[number - 1].lstrip().startswith(ASSERTIONS)}
    return counts, left


def percent(reached, total):
    return f"{100 * reached / total:6.1f} %" if total else "     -  "


def row(title, parts):
    """parts: [(lines, branches)] dictionaries of one file each."""
    line_counts = [count for lines, _ in parts for count in lines.values()]
    branch_counts = [count for _, branches in parts for count in branches.values()]
    reached_lines = sum(count > 0 for count in line_counts)
    reached_branches = sum(count > 0 for count in branch_counts)
    print(f"{title:<34} {len(line_counts):7} {percent(reached_lines, len(line_counts))}"
          f" {len(branch_counts):9} {percent(reached_branches, len(branch_counts))}")


def unreached(lines):
    """Line numbers without a hit, as ranges: "12-14 20"."""
    ranges = []
    for number in sorted(number for number, count in lines.items() if count == 0):
        if ranges and number - ranges[-1][1] <= 1:
            ranges[-1][1] = number
        else:
            ranges.append([number, number])
    return " ".join(f"{a}-{b}" if b > a else f"{a}" for a, b in ranges)


def reached_share(counts):
    return 100 * sum(count > 0 for count in counts) / len(counts) if counts else 100


def show_gates(lines, branches):
    """Prints the table of the gates; returns how many files and rooms are below them."""
    failed = 0
    print(f"\n{'gate':<34} {'lines':>9} {'branches':>9}  not reached")
    for name in sorted(lines):
        if not any(fnmatch.fnmatch(name, pattern) for pattern in GATED):
            continue
        missed = sorted({line for (line, _), count in branches[name].items() if count == 0}
                        | {line for line, count in lines[name].items() if count == 0})
        line_share, share = reached_share(lines[name].values()), reached_share(branches[name].values())
        line_floor, floor = FLOORS.get(name, (100, 100))
        is_good = line_share >= line_floor and share >= floor
        failed += not is_good
        print(f"{name:<34} {line_share:7.1f} % {share:7.1f} %"
              f"  {'' if is_good else f'BELOW {line_floor}, {floor}: '}{' '.join(map(str, missed))}")
    names = [name for name in lines if name.startswith("src/engine/")]
    line_share = reached_share([count for name in names for count in lines[name].values()])
    branch_share = reached_share([count for name in names for count in branches[name].values()])
    failed += line_share < ENGINE_LINES or branch_share < ENGINE_BRANCHES
    print(f"{f'src/engine ({ENGINE_LINES} %, {ENGINE_BRANCHES} %)':<34} {line_share:7.1f} % {branch_share:7.1f} %")
    print(f"coverage: {failed} below the gates")
    return failed


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("rooms", nargs="*", help="rooms to report in detail")
    parser.add_argument("--labels", help="ctest labels to run (a regular expression); default: all quick ones")
    parser.add_argument("--gate", action="store_true", help="fail below the gates")
    parser.add_argument("--no-run", action="store_true", help="report the counts of the last run")
    options = parser.parse_args()
    if not options.no_run:
        build_and_test(options.labels)
    lines, branches = read_counts()
    for name in lines:
        lines[name], branches[name] = drop_impossible(name, lines[name], branches[name])
    by_room = defaultdict(list)
    for name in sorted(lines):
        by_room[name.split("/")[1]].append((name, lines[name], branches[name]))
    print(f"{'':<34} {'lines':>7} {'reached':>8} {'branches':>9} {'reached':>8}")
    for room, files in sorted(by_room.items()):
        row(room, [(file_lines, file_branches) for _, file_lines, file_branches in files])
        if room in options.rooms:
            for name, file_lines, file_branches in files:
                row("  " + name.removeprefix("src/"), [(file_lines, file_branches)])
                if 0 in file_lines.values():
                    print(f"      no test reaches lines {unreached(file_lines)}")
    if options.gate and show_gates(lines, branches):
        sys.exit(1)


if __name__ == "__main__":
    main()
