# SPDX-License-Identifier: Apache-2.0
"""check_docs.py sees dead links, machine paths and hosts, and nothing in pages that are right."""

import unittest

import checktree
from check_docs import check


class Docs(checktree.CheckCase):
    def page(self, text):
        return {"docs/other.md": text + "\n"}

    def test_a_good_tree_has_no_violation(self):
        self.assertEqual([], self.findings(check))

    def test_a_dead_link_is_seen(self):
        self.assert_found(check, self.page("[gone](gone.md)"), "dead link: gone.md")
        self.assert_found(check, self.page("[up](../../README.md)"), "dead link")

    def test_a_dead_anchor_is_seen(self):
        self.assert_found(check, self.page("[gone](page.md#the-beginning)"), "no heading")
        self.assert_found(check, self.page("[gone](#here)"), "no heading")

    def test_links_to_folders_and_up_are_known(self):
        self.assertEqual([], self.findings(check, self.page("[a](../README.md) [b](../src) [c](page.md#the-end)")))

    def test_links_in_code_are_none(self):
        self.assertEqual([], self.findings(check, self.page("`[a](b)`\n\n```\n[a](b)\n```")))

    def test_a_page_that_is_named_and_missing_is_seen(self):
        self.assert_found(check, {"src/base/buf.c": "/* see docs/formats/buf.md */\n"},
                          "names a missing page: docs/formats/buf.md")
        self.assertEqual([], self.findings(check, {"src/base/buf.c": "/* see docs/page.md */\n"}))

    def test_a_path_of_a_machine_is_seen(self):
        self.assert_found(check, self.page("see /home/somebody/x"), "a path of some machine")
        self.assertEqual([], self.findings(check, self.page("see src/{0}/b and a/{1}/b and b/{1}".format("work", "home"))))

    def test_a_host_is_seen(self):
        self.assert_found(check, self.page("at https://db.somewhere.org/x"), "names a host")
        self.assertEqual([], self.findings(check, self.page(
            "http://127.0.0.1:9428/x http://localhost/ https://metrics.example.com/ http://[::1]:80/")))


if __name__ == "__main__":
    unittest.main()
