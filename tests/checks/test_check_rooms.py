# SPDX-License-Identifier: Apache-2.0
"""check_rooms.py sees each kind of violation, and nothing in a tree that is right."""

import unittest

import checktree
from check_rooms import check

SPDX = checktree.SPDX


def source(*lines):
    return SPDX + "\n".join(lines) + "\n"


class Rooms(checktree.CheckCase):
    def test_a_good_tree_has_no_violation(self):
        self.assertEqual([], self.findings(check))

    def test_a_line_of_the_table_names_rooms_above_it_only(self):
        rooms = checktree.GOOD["src/ROOMS"].replace("base :", "base : wal")
        self.assert_found(check, {"src/ROOMS": rooms}, "base names wal, which is not above it")

    def test_a_pure_room_does_not_see_sys(self):
        rooms = checktree.GOOD["src/ROOMS"].replace("model : base", "model : base sys")
        self.assert_found(check, {"src/ROOMS": rooms}, "model is pure")

    def test_a_file_outside_of_rooms_is_seen(self):
        self.assert_found(check, {"src/stray.c": SPDX}, "in no room")
        self.assert_found(check, {"src/attic/old.c": SPDX}, "in no room")

    def test_a_room_off_the_table_is_seen(self):
        self.assert_found(check, {"src/base/up.c": source('#include "wal/frame.h"')},
                          "base may not include wal")

    def test_a_binding_sees_varve_h_and_its_own_files(self):
        good = source("#include <Python.h>", "#include <sys/time.h>", '#include <varve.h>', '#include "py_a.h"')
        self.assertEqual([], self.findings(check, {"bindings/python/src/py_a.c": good, "bindings/python/src/py_a.h": SPDX}))
        for wrong in ('#include "base/buf.h"', "#include <base/buf.h>", '#include "py_gone.h"'):
            with self.subTest(wrong):
                self.assert_found(check, {"bindings/python/src/py_b.c": source(wrong)}, "a binding sees varve.h")

    def test_a_relative_include_is_seen(self):
        self.assert_found(check, {"src/base/up.c": source('#include "buf.h"')}, 'not "room/file.h"')
        self.assert_found(check, {"src/wal/up.c": source('#include "../base/buf.h"')}, 'not "room/file.h"')

    def test_an_include_of_a_missing_file_is_seen(self):
        self.assert_found(check, {"src/wal/up.c": source('#include "base/gone.h"')}, "does not exist")

    def test_a_private_header_stays_in_its_room(self):
        rooms = checktree.GOOD["src/ROOMS"] + "top : wal\n"
        self.assert_found(check, {"src/ROOMS": rooms, "src/top/a.c": source('#include "wal/frame_priv.h"')},
                          "private to wal")

    def test_system_headers_stay_in_their_rooms(self):
        for header in ("pthread.h", "time.h", "sys/mman.h", "stdio.h", "curl/curl.h", "netinet/in.h",
                       "microhttpd.h", "duckdb.h"):
            with self.subTest(header):
                self.assert_found(check, {"src/wal/up.c": source(f"#include <{header}>")}, f"<{header}>")
        self.assertEqual([], self.findings(check, {"src/sys/up.c": source("#include <time.h>"),
                                                   "src/base/text.c": source("#include <stdio.h>")}))

    def test_an_include_in_a_comment_is_none(self):
        self.assertEqual([], self.findings(check, {"src/wal/up.c": source("/*", "#include <time.h>", "*/")}))

    def test_a_shared_header_includes_no_deep_room(self):
        rooms = checktree.GOOD["src/ROOMS"] + "top : base wal\n"
        header = source("#ifndef A", "#define A", '#include "wal/frame.h"', "#endif")
        self.assert_found(check, {"src/ROOMS": rooms, "src/top/a.h": header}, "a shared header may include")
        self.assertEqual([], self.findings(check, {"src/ROOMS": rooms, "src/top/a_priv.h": header}))

    def test_a_file_includes_its_own_header_first(self):
        text = checktree.GOOD["src/base/buf.c"].replace('#include "base/buf.h"',
                                                        '#include <stdint.h>\n#include "base/buf.h"')
        self.assert_found(check, {"src/base/buf.c": text}, "own header")

    def test_a_header_that_does_not_compile_alone_is_seen(self):
        self.assert_found(check, {"src/base/bad.h": source("uint64_t vv_bad(void);")}, "does not compile alone")

    def test_a_unit_test_sees_its_room_only(self):
        self.assert_found(check, {"tests/unit/base/test_up.c": source('#include "wal/frame.h"')},
                          "a unit test of base may not include")

    def test_other_tests_see_the_public_header_only(self):
        self.assertEqual([], self.findings(check, {"tests/integration/test_a.c": source('#include "varve.h"')}))
        self.assert_found(check, {"tests/integration/test_a.c": source('#include "wal/frame.h"')},
                          "a test of this kind")


if __name__ == "__main__":
    unittest.main()
