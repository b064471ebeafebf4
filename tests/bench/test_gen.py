#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`varve-bench gen`: same seed, same bytes; and every format holds the same values."""

import array
import csv
import hashlib
import os
import re
import subprocess
import tempfile
import unittest
from pathlib import Path

BENCH = str(Path(os.environ.get("VARVE_BUILD_DIR", "build-debug")) / "varve-bench")
START_NS, STEP_NS = 1451606400 * 10**9, 10 * 10**9

# SHA-256 of the smoke sets. gauge-walk uses every bit of what the C library's logarithm gives, so its
# values are rounded to three decimals first.
DIGESTS = {
    ("tsbs-cpu", "f64"): "d8eaa3a13d4831968a75fed4417c07e1bebd6c66bfb1432029e082d395d2bc49",
    ("tsbs-cpu", "lp"): "f99a002ed9a648784b2b2d6ac964196d0ada4ade476d8bad3a8e1a8f55ef31c9",
    ("tsbs-cpu", "om"): "9e54aa09818aa45fefc26ee8c43b9b7f41f4b16e9f2f6b14246f72a52b784ce8",
    ("tsbs-cpu", "csv"): "a2f9e4472cc6e0a257029f76dcca2a36ed76d583e311e5ea5a620181ff824b12",
    ("gauge-int", "f64"): "5019304e727922630418f4943eee2aaaf0713dd311504f87c2cbf90654b2a20d",
    ("gauge-walk", "f64"): "24b0bf39b3e66494c699e1cce5441edf1d6d7acf4f7ac7e3ff02b65350e7396f",
    ("counter", "f64"): "e2fae7054ba0f365e4b8ffeac343308e13671067da8c8ff88e7e70a3b0571ade",
    ("sensor-2dp", "f64"): "3cd2c8aabe2be1efcde142bd8c40587597e0e13921efc2cf3ba4feff0cda3cde",
    ("daily-1dp", "f64"): "66aa0a8b0da73a285e6ec9557815519a10ca2ce1d6b0c5b0b9718dc9e83d50e9",
    ("random-f64", "f64"): "ff2505a0e40402ef84c153d11cc4f9ab07eafbfc76271b5f30c4c18e1e033911",
    ("status", "f64"): "2a808c418fb0cb16fc064e9e7055cc171c6f3586797cac8fbcc0d5e2a80a8a03",
    ("sparse-nan", "f64"): "bfdae625d492b93ce62450943619eaa9d19cf46f4ec352392542e6ece192a099",
    ("mixed-scale", "f64"): "a35c5ef54153a8cd7feac7d264fe282be31cc27b339284de579ac50539728a03",
    ("tsbs-cpu", "i64"): "b7dfe195f0b07eb30297b77194a7ee28454727590435133f048dbd2e87eea6f8",
}


def numbers(path, kind):
    values = array.array(kind)
    values.frombytes(path.read_bytes())
    return values


class Gen(unittest.TestCase):
    def setUp(self):
        self.place = tempfile.TemporaryDirectory(prefix="varve-gen-")
        self.addCleanup(self.place.cleanup)
        self.root = Path(self.place.name)

    def bench(self, *words, status=0):
        done = subprocess.run([BENCH, *words], capture_output=True, text=True, timeout=240, check=False)
        self.assertEqual(done.returncode, status, done.stderr)
        return done

    def gen(self, name, form, *more):
        """The first file that was made."""
        return Path(self.bench("gen", name, "--out", str(self.root), "--format", form, *more)
                    .stdout.strip())

    def test_same_seed_same_bytes(self):
        forms = {"f64": "bin", "i64": "bin", "lp": "lp", "om": "om", "csv": "csv"}
        for (name, suffix), expected in DIGESTS.items():
            path = self.gen(name, forms[suffix]).with_suffix("." + suffix)
            data = path.read_bytes()
            if name == "gauge-walk":
                data = "\n".join(f"{value:.3f}" for value in numbers(path, "d")).encode()
            self.assertEqual(hashlib.sha256(data).hexdigest(), expected, f"{name}.{suffix}")

    def test_every_format_holds_the_same_values(self):
        hosts, steps, fields = 7, 5, 10
        size = ("--param", f"hosts={hosts}", "--param", f"steps={steps}")
        path = self.gen("tsbs-cpu", "bin", *size)
        values = list(numbers(path, "d"))
        self.assertEqual(list(numbers(path.with_suffix(".i64"), "q")),
                         [START_NS + k * STEP_NS for k in range(steps)])
        lines = self.gen("tsbs-cpu", "lp", *size).read_text().splitlines()
        self.assertEqual(len(lines), hosts * steps)
        self.assertEqual([float(v) for line in lines for v in re.findall(r"=(\d+)i\b", line)], values)
        self.assertTrue(lines[-1].startswith(f"cpu,hostname=host_{hosts - 1},region="))
        self.assertEqual(int(lines[-1].split()[-1]), START_NS + (steps - 1) * STEP_NS)
        with open(self.gen("tsbs-cpu", "csv", *size), encoding="utf-8") as file:
            rows = list(csv.reader(file))[1:]
        self.assertEqual([float(v) for row in rows for v in row[-fields:]], values)
        self.assertEqual([int(row[0]) for row in rows[::hosts]],
                         [START_NS + k * STEP_NS for k in range(steps)])
        text = self.gen("tsbs-cpu", "om", *size).read_text().splitlines()
        self.assertEqual(text[0], "# TYPE cpu_usage_user gauge")
        self.assertEqual(text[-1], "# EOF")
        samples = [line.rsplit(" ", 2) for line in text if not line.startswith("#")]
        for number, (name, value, time) in enumerate(samples):
            field, host, step = number // (hosts * steps), number // steps % hosts, number % steps
            self.assertIn(f'{{hostname="host_{host}",region=', name)
            self.assertEqual(float(value), values[(step * hosts + host) * fields + field])
            self.assertEqual(int(time), START_NS // 10**9 + 10 * step)
        self.assertEqual(len(samples), hosts * steps * fields)

    def test_values_that_are_no_integers_come_back_to_the_bit(self):
        for name in ("gauge-walk", "sensor-2dp"):
            size = ("--param", "steps=100")
            values = list(numbers(self.gen(name, "bin", *size), "d"))
            lines = self.gen(name, "lp", *size).read_text().splitlines()
            self.assertEqual([float(line.split()[1].partition("=")[2]) for line in lines], values)
            self.assertEqual(len(set(values)) > 10, True)

    def test_wrong_uses_are_refused(self):
        out = ("--out", str(self.root))
        for words in (("tsbs-cpu",), ("nothing", *out), ("tsbs-cpu", *out, "--format", "xml"),
                      ("sparse-nan", *out, "--format", "lp"),
                      ("tsbs-cpu", *out, "--param", "hosts=0"), ("counter", *out, "--param", "hosts=2"),
                      ("tsbs-cpu", *out, "--param", "size=2"), ("tsbs-cpu", "counter", *out)):
            self.bench("gen", *words, status=64)
        done = self.bench("gen", "counter", "--out", str(self.root / "missing"), status=2)
        self.assertIn("cannot be created", done.stderr)


if __name__ == "__main__":
    unittest.main()
