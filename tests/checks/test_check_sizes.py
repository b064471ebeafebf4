# SPDX-License-Identifier: Apache-2.0
"""check_sizes.py measures functions and files."""

import tempfile
import unittest
from pathlib import Path

import checktree
from check_sizes import measure


class Sizes(unittest.TestCase):
    def test_long_functions_and_files_are_reported(self):
        with tempfile.TemporaryDirectory() as directory:
            place = Path(directory) / "src/base"
            place.mkdir(parents=True)
            body = "    int a = 1;\n"
            text = f"int vv_short(void)\n{{\n{body}}}\n\nint vv_long(void)\n{{\n{body * 80}}}\n"
            (place / "a.c").write_text(text + "\n" * 900, encoding="utf-8")
            lengths, long_functions, long_files = measure(checktree.Tree(directory))
        self.assertEqual([4, 83], lengths)
        self.assertEqual([(83, "src/base/a.c:6 vv_long()")], long_functions)
        self.assertEqual(1, len(long_files))


if __name__ == "__main__":
    unittest.main()
