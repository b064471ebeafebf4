# SPDX-License-Identifier: Apache-2.0
"""varve inspect: every file of a database and a stream, as lines and as JSON, whole, cut and flipped.

The program is $VARVE_PROGRAM.
"""

import json
import os
import subprocess
import tempfile
import unittest

PROGRAM = os.environ.get("VARVE_PROGRAM", "build/varve")
LINES = "".join(f'cpu,host=h{row % 3} value={row}.5,s="t{row}" {row}\n' for row in range(5000))


def run(*arguments, source=None):
    environment = {name: value for name, value in os.environ.items() if name != "VARVE_URL"}
    return subprocess.run([PROGRAM, *arguments], input=source, capture_output=True, env=environment, check=False)


class Inspect(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.directory = tempfile.TemporaryDirectory(prefix="varve-inspect-")
        cls.data = os.path.join(cls.directory.name, "data")
        cls.stream = os.path.join(cls.directory.name, "all.vvs")
        done = run("import", "--data", cls.data, "--format", "lp", "-", source=LINES.encode())
        assert done.returncode == 0, done.stderr
        done = run("export", "--data", cls.data, "-o", cls.stream)
        assert done.returncode == 0, done.stderr
        cls.files = [cls.stream]
        for root, _, names in os.walk(cls.data):
            cls.files += [os.path.join(root, name) for name in names if name != "LOCK"]

    @classmethod
    def tearDownClass(cls):
        cls.directory.cleanup()

    def document(self, path, *more, code=0):
        done = run("inspect", "--json", *more, path)
        self.assertEqual(done.returncode, code, done.stderr)
        self.assertEqual(done.stderr, b"")
        return json.loads(done.stdout)

    def things(self, document, section):
        return [thing["facts"] for thing in document["things"]
                if thing["section"] == section and "facts" in thing]

    def damaged_copy(self, content, name="copy.vvs"):
        path = os.path.join(self.directory.name, name)
        with open(path, "wb") as file:
            file.write(content)
        return path

    def test_every_file_is_described(self):
        formats = set()
        for path in self.files:
            with self.subTest(path=path):
                document = self.document(path)
                self.assertEqual(document["damaged"], 0)
                self.assertEqual(document["file"], path)
                formats.add(self.things(document, "file")[0]["format"])
                lines = run("inspect", "--details", path)
                self.assertEqual(lines.returncode, 0, lines.stderr)
                self.assertIn(b"file 0 at 0\n", lines.stdout)
                self.assertNotIn(b"DAMAGE", lines.stdout)
        self.assertEqual(formats, {"ident", "manifest", "log", "segment", "stream"})

    def test_streams_are_counted(self):
        document = self.document(self.stream, "--details")
        totals = self.things(document, "stream")[0]
        self.assertEqual(totals["rows"], 5000)
        self.assertIs(totals["has_end"], True)
        self.assertEqual(sum(block["rows"] for block in self.things(document, "block")), 5000)
        with open(self.stream, "rb") as file:
            unnamed = self.damaged_copy(file.read(), "unnamed")
        self.assertEqual(self.things(self.document(unnamed), "file")[0]["format"], "stream")

    def test_damage_of_a_stream_is_named(self):
        with open(self.stream, "rb") as file:
            content = bytearray(file.read())
        cut = self.document(self.damaged_copy(content[:-1]), code=1)
        self.assertEqual(cut["damaged"], 1)
        self.assertIn("cut at byte", [thing["damage"] for thing in cut["things"] if "damage" in thing][0])
        self.assertEqual(self.things(cut, "stream")[0]["rows"], 5000)
        content[100] ^= 1
        flipped = self.document(self.damaged_copy(content), code=1)
        self.assertEqual(self.things(flipped, "stream")[0]["rows"], 0)
        lines = run("inspect", self.damaged_copy(content))
        self.assertEqual(lines.returncode, 1)
        self.assertIn(b"DAMAGE block 0 at 32: block 1 at byte 32: ", lines.stdout)

    def test_damage_of_a_segment_is_named(self):
        segment = next(path for path in self.files if path.endswith(".vsg"))
        with open(segment, "rb") as file:
            content = bytearray(file.read())
        content[100] ^= 1
        document = self.document(self.damaged_copy(content, "copy.vsg"), code=1)
        damage = [thing for thing in document["things"] if "damage" in thing]
        self.assertEqual((damage[0]["section"], damage[0]["number"], damage[0]["offset"]), ("block", 0, 64))
        self.assertEqual(self.things(document, "footer")[0]["rows"], 5000)

    def test_mistakes_are_named(self):
        self.assertEqual(run("inspect").returncode, 2)
        self.assertEqual(run("inspect", "a", "b").returncode, 2)
        done = run("inspect", os.path.join(self.directory.name, "none"))
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"no such file", done.stderr)
        other = run("inspect", self.damaged_copy(b"nothing of ours", "other.txt"))
        self.assertNotEqual(other.returncode, 0)
        self.assertIn(b"no file of a database", other.stderr)
        self.assertEqual(run("inspect", "--json", self.damaged_copy(b"", "IDENT")).returncode, 1)


if __name__ == "__main__":
    unittest.main()
