# SPDX-License-Identifier: Apache-2.0
"""A small source tree for one test of a check: right in all things, until the test breaks one."""

import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tools"))

from checklib import Findings, Tree  # noqa: E402 (the path is set above)

SPDX = "/* SPDX-License-Identifier: Apache-2.0 */\n"

GOOD = {
    "src/ROOMS": "base :\nsys : base\nmodel : base\nwal : base sys model\nwire : base model\ncli : base wire\n",
    "include/varve.h": SPDX + "#include <stdint.h>\n#define VARVE_API\nVARVE_API int varve_open(int a);\n",
    "src/base/buf.h": SPDX + "#ifndef VV_BASE_BUF_H\n#define VV_BASE_BUF_H\nint vv_buf(int a);\n#endif\n",
    "src/base/buf.c": SPDX + '#include "base/buf.h"\n\nstatic int buf_grow(int a)\n{\n    return a;\n}\n\n'
                             "int vv_buf(int a)\n{\n    return buf_grow(a);\n}\n",
    "src/wal/frame.h": SPDX + "#ifndef VV_WAL_FRAME_H\n#define VV_WAL_FRAME_H\n#include \"base/buf.h\"\n#endif\n",
    "src/wal/frame_priv.h": SPDX + "#ifndef VV_WAL_FRAME_PRIV_H\n#define VV_WAL_FRAME_PRIV_H\n#endif\n",
    "tests/unit/wal/test_frame.c": SPDX + '#include "wal/frame_priv.h"\n',
    "README.md": "# varve\n\n## A start\n\n[here](#a-start) and [there](docs/page.md#the-end)\n",
    "docs/page.md": "# Page\n\n## The end\n",
}


class CheckCase(unittest.TestCase):
    """Runs a check on GOOD with some files changed."""

    def findings(self, check, changes=None):
        with tempfile.TemporaryDirectory() as directory:
            for name, text in {**GOOD, **(changes or {})}.items():
                path = Path(directory) / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, encoding="utf-8")
            found = Findings()
            check(Tree(directory), found)
            return found.lines

    def assert_found(self, check, changes, expected):
        """The check reports exactly one violation, and it says what is expected."""
        lines = self.findings(check, changes)
        self.assertEqual(1, len(lines), lines)
        self.assertIn(expected, lines[0])
