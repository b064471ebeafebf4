#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""varve.h and the sketches of its clients compile alone as C99 and as C++11, without a warning."""

import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

TESTS = pathlib.Path(__file__).resolve().parent.parent
ROOT = TESTS.parent
WARNINGS = ["-Wall", "-Wextra", "-pedantic-errors", "-Werror", "-Wno-unused-function"]


def compile_text(compiler, standard, text, suffix):
    """Messages of the compiler, empty when it is content."""
    with tempfile.TemporaryDirectory() as directory:
        source = os.path.join(directory, "client" + suffix)
        with open(source, "w", encoding="utf-8") as file:
            file.write(text)
        command = [compiler, f"-std={standard}", *WARNINGS, "-D_GNU_SOURCE", "-fsyntax-only",
                   f"-I{ROOT / 'include'}", f"-I{TESTS}", source]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return "" if done.returncode == 0 else done.stderr


class HeaderLanguages(unittest.TestCase):
    """One test a language."""

    def check(self, compiler, standard, suffix):
        if shutil.which(compiler) is None:
            self.skipTest(f"{compiler} is not installed")
        headers = sorted((TESTS / "integration" / "sketches").glob("*.h"))
        self.assertGreaterEqual(len(headers), 4)
        texts = ['#include "varve.h"\nint main(void) { return (int)VARVE_OK; }\n']
        texts += [f'#include "integration/sketches/{header.name}"\nint main(void) {{ return 0; }}\n'
                  for header in headers]
        for text in texts:
            self.assertEqual(compile_text(compiler, standard, text, suffix), "", text)

    def test_c99(self):
        self.check(os.environ.get("CC", "cc"), "c99", ".c")

    def test_cxx11(self):
        self.check(os.environ.get("CXX", "c++"), "c++11", ".cpp")


if __name__ == "__main__":
    unittest.main()
