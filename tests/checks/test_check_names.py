# SPDX-License-Identifier: Apache-2.0
"""check_names.py sees each kind of violation, and nothing in a tree that is right."""

import unittest

import checktree
from check_names import check

SPDX = checktree.SPDX


def source(*lines):
    return SPDX + "\n".join(lines) + "\n"


def function(head, body):
    return source(head, "{", f"    {body}", "}")


class Names(checktree.CheckCase):
    def test_a_good_tree_has_no_violation(self):
        self.assertEqual([], self.findings(check))

    def test_banned_functions_are_seen(self):
        for name in ("strcpy", "atoi", "localtime", "rand", "system", "malloc", "free", "printf", "assert",
                     "sscanf", "strtod"):
            with self.subTest(name):
                self.assert_found(check, {"src/wal/up.c": function("int vv_up(void)", f"return {name}(1);")},
                                  f"{name}()")

    def test_allowed_places_are_known(self):
        self.assertEqual([], self.findings(check, {
            "src/base/alloc.c": function("int vv_alloc(void)", "return malloc(1);"),
            "src/cli/out.c": function("int vv_out(void)", "return printf(1);")}))

    def test_words_that_only_look_banned_are_left_alone(self):
        self.assertEqual([], self.findings(check, {"src/wal/up.c": function(
            "int vv_up(void)", 'return vv_free(1) + ops->free(2) + ops.system(3); /* free(x) */ "rand()";')}))

    def test_compiler_extensions_are_seen(self):
        for text in ("__attribute__((cold)) int x;", "int x = __builtin_clz(1);", "#pragma once"):
            with self.subTest(text):
                self.assert_found(check, {"src/wal/up.c": source(text)}, "extensions")
        self.assertEqual([], self.findings(check, {"src/base/compiler.h": source(
            "#ifndef VV_BASE_COMPILER_H", "#define VV_BASE_COMPILER_H", "#define A __attribute__((cold))",
            "#endif")}))

    def test_unfinished_work_is_seen(self):
        # In two pieces, so that who searches the tree for such words finds what is left open and nothing else.
        for text in ("TO" "DO: more", "FIX" "ME", "X" "XX", "not yet " "implemented", "a place" "holder"):
            with self.subTest(text):
                self.assert_found(check, {"docs/page.md": checktree.GOOD["docs/page.md"] + text}, "left open")

    def test_lists_that_were_run_together_are_seen(self):
        self.assert_found(check, {"src/wal/up.c": source("/*", " * the end. W2  The next one", " */")},
                          "within a line")
        self.assertEqual([], self.findings(check, {"src/wal/up.c": source(
            "/*", " *   W1  The first, as RFC 3339 has it", " *", " *   W2  The next one", " */")}))

    def test_a_missing_licence_line_is_seen(self):
        self.assert_found(check, {"src/wal/up.c": "int vv_x;\n"}, "SPDX")
        self.assert_found(check, {"tools/thing": "#!/bin/sh\necho\n"}, "SPDX")

    def test_file_names_are_unique(self):
        self.assert_found(check, {"src/wal/buf.c": SPDX}, "has the name of src/base/buf.c")

    def test_static_functions_are_unique(self):
        self.assert_found(check, {"src/wal/buf_more.c": function("static int buf_grow(int a)", "return a;")},
                          "buf_grow() is a static function of")

    def test_static_functions_begin_with_their_file(self):
        self.assert_found(check, {"src/wal/up.c": function("static int helper(int a)", "return a;")},
                          "does not begin with the name of its file")
        self.assertEqual([], self.findings(check, {"src/wal/up.c": function(
            "static VV_MUST_CHECK int up_all(int a,\n    int (*call)(int))", "return a;")}))

    def test_a_prototype_is_no_second_function(self):
        text = source("static int up_a(int a);", "", "static int up_a(int a)", "{", "    return a;", "}")
        self.assertEqual([], self.findings(check, {"src/wal/up.c": text}))

    def test_global_functions_carry_the_prefix(self):
        self.assert_found(check, {"src/wal/up.c": function("int up(int a)", "return a;")}, "neither static nor")

    def test_guards_follow_the_path(self):
        self.assert_found(check, {"src/wal/up.h": source("#ifndef UP_H", "#define UP_H", "#endif")},
                          "VV_WAL_UP_H")

    def test_foreign_bytes_need_a_fuzz_target(self):
        header = source("#ifndef VV_WAL_UP_H", "#define VV_WAL_UP_H",
                        "VV_UNTRUSTED VV_MUST_CHECK int vv_up_read(int a);", "#endif")
        self.assert_found(check, {"src/wal/up.h": header}, "vv_up_read()")
        self.assert_found(check, {"src/wal/up.h": header, "tests/fuzz/fuzz_up.c": source("/* vv_up_read */")},
                          "vv_up_read()")
        self.assertEqual([], self.findings(check, {
            "src/wal/up.h": header, "tests/fuzz/fuzz_up.c": source("int x = vv_up_read(1);")}))


if __name__ == "__main__":
    unittest.main()
