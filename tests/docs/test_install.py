# SPDX-License-Identifier: Apache-2.0
"""What `make install` puts under a prefix is enough to build and run the C program of README.md.

The program is the first C block of README.md, what it prints the text block that follows it.
"""

import os
import re
import subprocess
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
BUILD = Path(os.environ.get("VARVE_BUILD_DIR", ROOT / "build"))

PROJECT = """
cmake_minimum_required(VERSION 3.25)
project(example C)
find_package(Varve 0.1 REQUIRED COMPONENTS static)
add_executable(example_shared example.c)
target_link_libraries(example_shared PRIVATE Varve::varve)
add_executable(example_static example.c)
target_link_libraries(example_static PRIVATE Varve::varve_static)
"""


def readme_program():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    match = re.search(r"^```c\n(.*?)^```$.*?^```text\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return match.group(1), match.group(2)


class Install(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.directory = tempfile.TemporaryDirectory()
        cls.place = Path(cls.directory.name)
        cls.prefix = cls.place / "prefix"
        subprocess.run(["cmake", "--install", BUILD, "--prefix", cls.prefix], check=True,
                       stdout=subprocess.DEVNULL)
        source, cls.expected = readme_program()
        (cls.place / "example.c").write_text(source, encoding="utf-8")
        cls.environment = {**os.environ, "PKG_CONFIG_PATH": str(cls.prefix / "lib/pkgconfig"),
                           "LD_LIBRARY_PATH": str(cls.prefix / "lib")}

    @classmethod
    def tearDownClass(cls):
        cls.directory.cleanup()

    def output(self, *command):
        with tempfile.TemporaryDirectory(dir=self.place) as work:
            done = subprocess.run([str(part) for part in command], cwd=work, env=self.environment,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                  timeout=120, check=False)
        self.assertEqual(0, done.returncode, done.stdout)
        return done.stdout

    def compile(self, name, flags):
        program = self.place / name
        self.output("cc", "-std=c99", "-Wall", "-Wextra", "-Werror", self.place / "example.c",
                    *flags.split(), "-o", program)
        return program

    def test_program_builds_with_pkg_config_and_prints_what_readme_says(self):
        flags = self.output("pkg-config", "--cflags", "--libs", "varve")
        self.assertEqual(self.expected, self.output(self.compile("shared", flags)))

    def test_program_links_the_static_library(self):
        flags = self.output("pkg-config", "--static", "--cflags", "--libs", "varve")
        program = self.compile("static", flags.replace("-lvarve", str(self.prefix / "lib/libvarve.a")))
        self.assertNotIn("libvarve", self.output("ldd", program))
        self.assertEqual(self.expected, self.output(program))

    def test_program_builds_with_the_cmake_package(self):
        (self.place / "CMakeLists.txt").write_text(PROJECT, encoding="utf-8")
        build = self.place / "build"
        self.output("cmake", "-S", self.place, "-B", build, f"-DCMAKE_PREFIX_PATH={self.prefix}")
        self.output("cmake", "--build", build)
        for name in ("example_shared", "example_static"):
            self.assertEqual(self.expected, self.output(build / name))

    def test_library_has_its_soname_and_needs_no_more_than_promised(self):
        dynamic = self.output("readelf", "-d", self.prefix / "lib/libvarve.so")
        self.assertIn("soname: [libvarve.so.0]", dynamic)
        needed = set(re.findall(r"NEEDED.*\[(.*)\]", dynamic))
        self.assertLessEqual(needed, {"libc.so.6", "libm.so.6", "libzstd.so.1", "libpcre2-8.so.0",
                                      "ld-linux-x86-64.so.2", "ld-linux-aarch64.so.1"})

    def test_installed_program_runs(self):
        self.assertIn("0.1.0", self.output(self.prefix / "bin/varve", "version"))

    def test_installed_files_name_no_place_of_the_build(self):
        # With what lies in it: /varve alone is also the end of /var/lib/varve.
        places = re.compile(b"|".join(re.escape(f"{ROOT}/{entry.name}".encode())
                                      for entry in ROOT.iterdir()))
        for path in self.prefix.rglob("*"):
            if path.is_file():
                self.assertIsNone(places.search(path.read_bytes()), path)


if __name__ == "__main__":
    unittest.main()
