# SPDX-License-Identifier: Apache-2.0
"""The generated parts of docs/reference/ say what the program says."""

import os
import subprocess
import sys
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
PROGRAM = os.environ.get("VARVE_PROGRAM", str(ROOT / "build/varve"))


class Reference(unittest.TestCase):
    def test_generated_parts_are_current(self):
        done = subprocess.run([sys.executable, ROOT / "tools/gen_reference.py", "--check", "--program", PROGRAM],
                              text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        self.assertEqual(0, done.returncode, f"{done.stdout}\nrun tools/gen_reference.py")


if __name__ == "__main__":
    unittest.main()
