# SPDX-License-Identifier: Apache-2.0
"""The mutants of tools/mutants fit the sources, and the page of docs/internals lists the same ones."""

import contextlib
import importlib.machinery
import importlib.util
import io
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent


def load_mutants():
    loader = importlib.machinery.SourceFileLoader("mutants", str(ROOT / "tools/mutants"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("mutants", loader))
    loader.exec_module(module)
    return module


class Mutants(unittest.TestCase):
    def setUp(self):
        self.mutants = load_mutants()

    def test_each_mutant_has_its_place_in_the_source(self):
        for mutant in self.mutants.MUTANTS:
            text = (ROOT / mutant.path).read_text(encoding="utf-8")
            with self.subTest(mutant.name):
                self.assertEqual(1, text.count(mutant.old), f"{mutant.name}: its place in {mutant.path}")
                self.assertNotEqual(text, self.mutants.apply(mutant, text))

    def test_no_mutant_is_applied_where_its_place_is_not_there_once(self):
        mutant = self.mutants.Mutant("name", "path", "what", "old", "new")
        self.assertEqual("a new b", self.mutants.apply(mutant, "a old b"))
        self.assertIsNone(self.mutants.apply(mutant, "a b"))
        self.assertIsNone(self.mutants.apply(mutant, "old old"))

    def test_the_page_lists_the_same_mutants(self):
        self.assertEqual(sorted(self.mutants.all_names()), sorted(self.mutants.page_names()),
                         "make mutants writes docs/internals/mutants.md anew")

    def test_the_page_says_which_program_noticed_each_mutant(self):
        hints = self.mutants.page_hints()
        self.assertEqual(set(self.mutants.all_names()) - set(self.mutants.EQUIVALENT), set(hints))

    def test_there_are_enough_mutants_and_few_equivalent_ones(self):
        names = self.mutants.all_names()
        self.assertEqual(len(names), len(set(names)))
        self.assertGreaterEqual(len(names), self.mutants.MUTANTS_MIN)
        self.assertLessEqual(len(self.mutants.EQUIVALENT), self.mutants.EQUIVALENT_MAX)
        self.assertLessEqual(set(self.mutants.EQUIVALENT), set(names))

    def test_every_sync_and_every_rename_is_a_mutant(self):
        names = self.mutants.all_names()
        self.assertTrue(self.mutants.sites())
        for name, _, _ in self.mutants.sites():
            self.assertIn(name, names)

    def test_every_program_that_may_notice_a_mutant_is_asked_once_and_the_likeliest_first(self):
        for mutant in self.mutants.MUTANTS:
            programs = self.mutants.programs_for(mutant, "test-crash-crash_states")
            with self.subTest(mutant.name):
                self.assertEqual("test-crash-crash_states", programs[0])
                self.assertEqual(len(programs), len(set(programs)))
                self.assertEqual(sorted(programs), sorted(self.mutants.programs_for(mutant, None)))

    def test_the_first_failed_test_is_named(self):
        failed = "[ RUN      ] one\n[       OK ] one\n[ RUN      ] two\n{}\n[ RUN      ] three\n"
        self.assertEqual("`two`", self.mutants.first_failure(failed.format("[  FAILED  ] two")))
        self.assertEqual("`two`", self.mutants.first_failure(failed.format("[  ERROR   ] --- 0 != 1\n[  ERROR   ] two")))
        self.assertEqual("`three`", self.mutants.first_failure(failed.format("")))  # it died there

    def test_a_run_goes_on_from_what_was_noticed_before(self):
        with tempfile.TemporaryDirectory() as directory:
            log = Path(directory) / "log"
            before = self.mutants.Results(log)
            with contextlib.redirect_stdout(io.StringIO()):
                before.add("frame.lsn", 1.5, "`test-wal-frame_read`: `a_test`")
                before.add("frame.salt", 2.5, None)
            after = self.mutants.Results(log)
        self.assertEqual({"frame.lsn": "`test-wal-frame_read`: `a_test`"}, after.caught)  # the other is tried again


if __name__ == "__main__":
    unittest.main()
