# SPDX-License-Identifier: Apache-2.0
"""tools/setup with stand-ins for dpkg-query, apt-get, id and sudo."""

import os
import subprocess
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent

DPKG_QUERY = """#!/bin/bash
# Knows every package that it is asked for, but those of $MISSING.
shift 3
for name; do
    [[ " $MISSING " == *" $name "* ]] || echo "ii $name"
done
"""
APT_GET = """#!/bin/bash
echo "$@" >>"$CALLS"
[ -z "$APT_FAILS" ] || { echo "no such mirror"; exit 100; }
"""


class Setup(unittest.TestCase):
    def run_setup(self, *arguments, missing="", user=0, sudo=None, fails=""):
        with tempfile.TemporaryDirectory() as directory:
            tools = {"dpkg-query": DPKG_QUERY, "apt-get": APT_GET, "id": f"#!/bin/bash\necho {user}\n"}
            if sudo:
                tools["sudo"] = sudo
            for name, text in tools.items():
                path = Path(directory) / name
                path.write_text(text, encoding="utf-8")
                path.chmod(0o755)
            for name in ("bash", "sed", "grep", "mktemp", "rm", "tail", "env", "true"):
                (Path(directory) / name).symlink_to(f"/usr/bin/{name}")
            calls = Path(directory) / "calls"
            done = subprocess.run([ROOT / "tools/setup", *arguments], text=True, stdin=subprocess.DEVNULL,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
                                  env={"PATH": directory, "MISSING": missing, "CALLS": str(calls),
                                       "APT_FAILS": fails, "TMPDIR": directory})
            return done.returncode, done.stdout, calls.read_text() if calls.exists() else ""

    def test_nothing_is_done_when_nothing_is_missing(self):
        self.assertEqual((0, "", ""), self.run_setup("build", "test"))

    def test_missing_packages_are_named_and_installed_by_root(self):
        status, output, calls = self.run_setup("build", "test", missing="cmake libcmocka-dev")
        self.assertEqual(0, status, output)
        self.assertIn("installing cmake libcmocka-dev", output)
        self.assertEqual(2, len(calls.splitlines()), calls)
        self.assertIn("update", calls.splitlines()[0])
        self.assertTrue(calls.endswith("install -y --no-install-recommends cmake libcmocka-dev\n"), calls)

    def test_test_packages_are_not_needed_to_build(self):
        self.assertEqual((0, "", ""), self.run_setup("build", missing="libcmocka-dev clang"))

    def test_either_of_two_alternatives_will_do(self):
        self.assertEqual((0, "", ""), self.run_setup("build", missing="libcurl4-gnutls-dev"))
        _, _, calls = self.run_setup("build", missing="libcurl4-gnutls-dev libcurl4-openssl-dev")
        self.assertTrue(calls.endswith("--no-install-recommends libcurl4-gnutls-dev\n"), calls)

    def test_sudo_installs_for_others(self):
        status, output, calls = self.run_setup(
            "build", missing="cmake", user=1000, sudo='#!/bin/bash\n[ "$1" = -n ] && shift\nexec "$@"\n')
        self.assertIn("--no-install-recommends cmake", calls, output)
        self.assertEqual(0, status)

    def test_without_root_and_sudo_the_command_is_told(self):
        status, output, calls = self.run_setup("build", missing="cmake", user=1000)
        self.assertEqual((1, ""), (status, calls))
        self.assertIn("apt-get update && apt-get install --no-install-recommends cmake\n", output)

    def test_a_failing_apt_fails_and_shows_why(self):
        status, output, _ = self.run_setup("build", missing="cmake", fails="yes")
        self.assertEqual(1, status)
        self.assertIn("no such mirror", output)


if __name__ == "__main__":
    unittest.main()
