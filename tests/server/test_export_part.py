# SPDX-License-Identifier: Apache-2.0
"""Exports that cannot be written to their end: what is whole stands in the file, and it is told how much."""

import random
import re
import resource
import signal
import subprocess
import sys
import unittest
import zlib
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from commands import PROGRAM, Commands  # noqa: E402 (the path is set above)

ROOM = 300_000  # bytes of the disk: some pieces of an export, and much less than all
ROWS = 60_000


def bound_files():
    """As a full disk, but for the word: what is more fails, and kills nobody."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (ROOM, ROOM))


class ExportPart(Commands):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        # Digits that no compressor can make much smaller.
        chance = random.Random(1)
        text = "".join(f"big,host=h{row % 7} v={chance.random()},w={chance.getrandbits(62)}i {row}\n"
                       for row in range(ROWS))
        done = subprocess.run([PROGRAM, "import", "-", "--format", "lp", "--url", cls.url], input=text, text=True,
                              capture_output=True, check=False)
        assert done.returncode == 0, done.stderr

    def export(self, name, *words, on="data", bounded=True):
        place = ["--data", self.data] if on == "data" else ["--url", self.url]
        return subprocess.run([PROGRAM, "export", "big", *words, "-o", name, *place], text=True, capture_output=True,
                              timeout=120, check=False, cwd=self.place.name, env=self.environment,
                              preexec_fn=bound_files if bounded else None)

    def told(self, done, name):
        """How many rows the sentence tells of."""
        self.assertEqual((1, ""), (done.returncode, done.stdout), done.stderr)
        found = re.fullmatch(rf"varve export: write {name}: file too large; the first (\d+) rows stand in it\n", done.stderr)
        self.assertIsNotNone(found, done.stderr)
        return int(found.group(1))

    def unpacked(self, name):
        path = Path(self.place.name, name)
        self.assertLessEqual(path.stat().st_size, ROOM)
        data = path.read_bytes()
        if name.endswith(".gz"):
            data = zlib.decompressobj(31).decompress(data)
        return data

    def test_what_stands_in_the_file_is_whole_and_counted(self):
        for form in ("jsonl", "csv", "lp", "csv.gz", "lp.gz"):
            for on in ("data", "url"):
                name = f"{on}.{form}"
                kind = form.removesuffix(".gz")
                full = self.export("full." + kind, "--format", kind, on=on, bounded=False)
                self.assertEqual(0, full.returncode, full.stderr)
                whole = Path(self.place.name, "full." + kind).read_bytes()
                rows = self.told(self.export(name, "--format", kind, on=on), name)
                part = self.unpacked(name)
                self.assertTrue(whole.startswith(part), name)
                if kind == "jsonl":
                    found = sum(line.rsplit(b"[", 1)[1].count(b",") + 1 for line in part.splitlines())
                else:
                    found = part.count(b"\n") - (kind == "csv")
                self.assertEqual(rows, found, name)
                self.assertTrue(0 < rows < ROWS and part.endswith(b"\n"), name)

    def test_streams_and_zstd_are_cut_where_they_can_be_read(self):
        for form in ("vvs", "lp.zst"):
            for on in ("data", "url"):
                name = f"{on}.{form}"
                rows = self.told(self.export(name, *(["--format", "lp"] if form == "lp.zst" else []), on=on), name)
                self.assertTrue(0 < rows < ROWS, rows)
                taken = self.run_bare("import", name, "--data", name + ".data")
                self.assertEqual(1, taken.returncode, "the end is missing, and that shows")
                self.assertIn(f"{rows} rows", taken.stderr)

    def test_an_end_that_does_not_fit_is_told_too(self):
        for on in ("data", "url"):
            done = self.run_varve("export", "cpu", "-o", "/dev/full", on=on)
            self.assertEqual((1, "varve export: write /dev/full: no space left on device\n"),
                             (done.returncode, done.stderr))

    def test_standard_output_tells_what_it_took(self):
        for on in ("data", "url"):
            place = self.data if on == "data" else self.url
            with open(Path(self.place.name, "out"), "wb") as out:
                done = subprocess.run([PROGRAM, "export", "big", "--format", "lp", f"--{on}", place], stdout=out,
                                      stderr=subprocess.PIPE, text=True, timeout=120, check=False,
                                      env=self.environment, preexec_fn=bound_files)
            found = re.fullmatch(r"varve export: write standard output: file too large; at least the first (\d+) rows are "
                                 r"written\n", done.stderr)
            self.assertEqual(1, done.returncode)
            self.assertIsNotNone(found, done.stderr)
            lines = Path(self.place.name, "out").read_bytes().count(b"\n")
            self.assertTrue(0 < int(found.group(1)) <= lines < ROWS, (found, lines))

    def test_ctrl_c_leaves_whole_rows(self):
        for on in ("data", "url"):
            for form in ("jsonl", "csv", "lp"):
                place = self.data if on == "data" else self.url
                running = subprocess.Popen([PROGRAM, "export", "big", "--format", form, f"--{on}", place], text=True,
                                           stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=self.environment)
                text = running.stdout.read(10)  # it has begun, and cannot end before more is read
                running.send_signal(signal.SIGINT)
                text += running.stdout.read()
                told = running.stderr.read()
                running.stdout.close()
                running.stderr.close()
                self.assertEqual(130, running.wait(60), told)
                rows = int(re.fullmatch(r"varve export: interrupted: the first (\d+) rows are written\n", told).group(1))
                found = sum(line.rsplit("[", 1)[1].count(",") + 1 for line in text.splitlines()) if form == "jsonl" \
                    else text.count("\n") - (form == "csv")
                self.assertEqual(rows, found, (on, form))
                self.assertTrue(0 < rows < ROWS and text.endswith("\n"), (on, form, rows, text[-20:]))

    def test_a_reader_that_left_is_not_talked_about(self):
        for on in ("data", "url"):
            place = self.data if on == "data" else self.url
            running = subprocess.Popen([PROGRAM, "export", "big", f"--{on}", place], stdout=subprocess.PIPE,
                                       stderr=subprocess.PIPE, env=self.environment)
            running.stdout.read(10)
            running.stdout.close()
            self.assertEqual(b"", running.stderr.read())
            running.stderr.close()
            self.assertEqual(1, running.wait(60))


if __name__ == "__main__":
    unittest.main()
