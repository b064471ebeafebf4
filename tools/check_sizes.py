#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Reports the sizes of functions and files under src/; it never fails.

The aims: functions with a median under 15 lines, 9 of 10 under 45, none over 70; files under 900.
"""

import statistics

from checklib import functions, run

FUNCTION_LINES_MAX = 70
FILE_LINES_MAX = 900


def measure(tree):
    """Returns (lengths of functions, long functions, long files)."""
    lengths, long_functions, long_files = [], [], []
    for name in tree.named("src/", ".c", ".h"):
        lines = tree.text(name).count("\n")
        if lines > FILE_LINES_MAX:
            long_files.append((lines, name))
        for function, _, first, last in functions(tree.text(name)):
            lengths.append(last - first + 1)
            if last - first + 1 > FUNCTION_LINES_MAX:
                long_functions.append((last - first + 1, f"{name}:{first} {function}()"))
    return sorted(lengths), long_functions, long_files


def check(tree, _findings):
    lengths, long_functions, long_files = measure(tree)
    if lengths:
        print(f"{len(lengths)} functions, median {statistics.median(lengths):.0f} lines, "
              f"9 of 10 under {lengths[len(lengths) * 9 // 10] + 1}, longest {lengths[-1]}")
    for title, rows in (("functions", long_functions), ("files", long_files)):
        if rows:
            print(f"long {title}:")
            for lines, place in sorted(rows, reverse=True):
                print(f"  {lines:5} {place}")


if __name__ == "__main__":
    run(check, __doc__.splitlines()[0])
