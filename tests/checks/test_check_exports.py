# SPDX-License-Identifier: Apache-2.0
"""check_exports.py compares real libraries with a header."""

import subprocess
import tempfile
import unittest
from pathlib import Path

import checktree
from check_exports import check

HEADER = """
#define VARVE_API __attribute__((visibility("default")))
/** VARVE_API int varve_in_a_comment(void); */
VARVE_API int varve_open(const char *path,
                         int (*call)(void *context));
VARVE_API const char *varve_text(void);
"""
SOURCE = HEADER + """
int varve_open(const char *path, int (*call)(void *context)) { return path && call; }
const char *varve_text(void) { return ""; }
int vv_inside(void) { return 1; }
"""


class Exports(unittest.TestCase):
    def findings(self, source):
        with tempfile.TemporaryDirectory() as directory:
            place = Path(directory)
            (place / "varve.h").write_text(HEADER, encoding="utf-8")
            (place / "a.c").write_text(source, encoding="utf-8")
            for command in (["cc", "-fPIC", "-fvisibility=hidden", "-c", "a.c", "-o", "a.o"],
                            ["cc", "-shared", "a.o", "-o", "a.so"], ["ar", "rc", "a.a", "a.o"]):
                subprocess.run(command, cwd=place, check=True)
            found = checktree.Findings()
            check(found, place / "varve.h", str(place / "a.so"), str(place / "a.a"))
            return found.lines

    def test_equal_sets_are_accepted(self):
        self.assertEqual([], self.findings(SOURCE))

    def test_a_missing_function_is_seen(self):
        lines = self.findings(SOURCE.replace("const char *varve_text(void) { return \"\"; }", ""))
        self.assertEqual(1, len(lines), lines)
        self.assertIn("varve_text() is declared in varve.h and not exported", lines[0])

    def test_a_symbol_too_many_is_seen(self):
        lines = self.findings(SOURCE + "VARVE_API int varve_secret(void) { return 1; }\n")
        self.assertEqual(1, len(lines), lines)
        self.assertIn("varve_secret is exported", lines[0])

    def test_a_global_symbol_without_prefix_is_seen(self):
        lines = self.findings(SOURCE + "int helper(void) { return 1; }\n")
        self.assertEqual(1, len(lines), lines)
        self.assertIn("helper is global", lines[0])


if __name__ == "__main__":
    unittest.main()
