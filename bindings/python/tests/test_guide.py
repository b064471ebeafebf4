# SPDX-License-Identifier: Apache-2.0
"""The examples of the guide, and of the first page, print what the pages say."""

import doctest
import io
import os
import re
import unittest
import warnings
from pathlib import Path

import support
from support import Case

REPOSITORY = Path(os.environ.get("VARVE_REPOSITORY", Path(__file__).resolve().parents[3]))
FENCE = re.compile(r"^```pycon([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@unittest.skipUnless((REPOSITORY / "docs/guide/python.md").is_file(), "the pages are in the repository")
class Guide(Case):
    def run_page(self, page):
        """Runs the blocks of a page in order; returns how many examples there were."""
        before = os.getcwd()
        os.chdir(self.directory)
        self.addCleanup(os.chdir, before)
        names, count = {}, 0
        text = (REPOSITORY / page).read_text(encoding="utf-8")
        for match in FENCE.finditer(text):
            absent = [name for name in match.group(1).split() if getattr(support, name) is None]
            if absent:
                warnings.warn(f"{page}: examples left out, not installed: {', '.join(absent)}", stacklevel=1)
                continue
            line = text.count("\n", 0, match.start()) + 1
            test = doctest.DocTestParser().get_doctest(match.group(2), names, page, page, line)
            runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
            output = io.StringIO()
            runner.run(test, out=output.write, clear_globs=False)
            self.assertEqual(0, runner.failures, output.getvalue())
            count += len(test.examples)
            names.update(test.globs)
        return count

    def test_the_guide(self):
        self.assertGreater(self.run_page("docs/guide/python.md"), 30)

    def test_the_first_page(self):
        self.assertGreater(self.run_page("README.md"), 1)


if __name__ == "__main__":
    unittest.main()
