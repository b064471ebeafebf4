# SPDX-License-Identifier: Apache-2.0
"""Type stubs: mypy --strict accepts a program that uses all there is, and refuses wrong uses."""

import os
import re
import subprocess
import sys
import unittest

import varve
from support import Case, needs

GOOD = '''
import array
import datetime
import pathlib
from collections.abc import Iterator

import varve


def use(path: pathlib.Path) -> int:
    utc = datetime.timezone.utc
    with varve.open(path, precision="ms", duplicates="all", row_ids=True, sync="group", cache_bytes=1 << 20) as db:
        written: varve.Written = db.write("m", {"a": "b"}, 1, v=1.5, n=None)
        ack: str = written.acknowledgement
        db.write("m", None, datetime.datetime.now(utc), {"v": 1.5}, w=True)
        db.write("m", None, [1, 2], v=[1.5, None], s=["a", "b"], z=[b"x", None])
        db.write("m", None, array.array("q", [1]), v=array.array("d", [1.0]), w=memoryview(b"x"))
        db.write("m", None, range(3), v=range(3))
        db.write_rows([("m", {"a": "b"}, 1, {"v": 1.5, "s": "x"})], sync="none", split=True, skip_rejected=True)
        rows: int = written.rows + written.rejected + written.late + written.first_row_id
        with db.batch(sync="always") as batch:
            batch.write("m", None, 1, v=1.0)
            batch.delete("m", 1, 2)
            rows += len(batch)
        result: varve.Result = db.query(
            [("m", {"a": "b"}), "n"], fields=["v"], agg=["avg", "p95"], every="1m", by="a", where=[("v", ">", 1)],
            start=datetime.datetime.now(utc), end=5, order="time", descending=True, limit=5, nan="propagate", timeout=1.5,
            progress=lambda done, total: None)
        for block in result:
            column: varve.Column = block["v"]
            names: tuple[str, ...] = block.names
            values: list[float] = column.tolist()
            view = memoryview(column) if sys_has_buffers() else None
            rows += len(block) + len(names) + len(values) + (0 if view is None else len(view))
            arrays = block.to_numpy()
            rows += len(arrays)
        tuples: list[tuple[object, ...]] = list(db.query("m").to_rows())
        columns: dict[str, list[object]] = db.query("m", agg={"v": "max", "w": ["min"]}, every=datetime.timedelta(hours=1)).to_dict()
        db.query("m").to_numpy()
        db.query("m").to_pandas()
        db.query("m").to_polars()
        db.query("m").to_arrow()
        db.query("m").__arrow_c_stream__()
        newest: varve.Result = db.last("m")
        newest.cancel()
        newest.close()
        series: list[varve.Series] = db.series("m")
        labels: dict[str, str] = series[0].labels
        metrics: list[str] = db.metrics(start=1, end=2, limit=3)
        values_of: list[str] = db.labels("a", select="m")
        fields: list[varve.Field] = db.fields()
        db.delete(series[0], start=1)
        db.delete("m", datetime.datetime.now(utc))
        db.set_rollups([varve.Rollup("r", "m", "avg", "1h", match={"a": "b"})])
        status: list[varve.RollupStatus] = db.rollups()
        db.run_rollups(progress=print)
        db.flush()
        db.compact(all=True)
        verified: varve.Verified = db.verify(progress=lambda done, total: None)
        scrubbed: varve.Scrubbed = db.scrub(bytes_per_second=1)
        copied: varve.Copied = db.snapshot(path / "s")
        varve.restore(path / "s", path / "r")
        figures: dict[str, float] = db.stats()
        health: varve.Health = db.health()
        try:
            db.refresh()
        except varve.InvalidError as error:
            code: int = error.code
            text: str = error.message + error.status
            rows += code + len(text) + error.os_errno
        closed: bool = db.closed
        where: str | None = db.path
        return rows + len(ack) + len(tuples) + len(columns) + len(labels) + len(metrics) + len(values_of) + len(fields) + \\
            len(status) + verified.rows + scrubbed.files + copied.files + len(figures) + len(health.state) + closed + len(where or "")


def blocks(db: varve.Database) -> Iterator[varve.Block]:
    yield from db.query()


def sys_has_buffers() -> bool:
    return True
'''

# Each line alone is wrong.
BAD = [
    "db.write('m', {'a': 1}, 1, v=1)",
    "db.write('m', None, 'yesterday', v=1)",
    "db.write(1, None, 1, v=1)",
    "db.write('m', None, 1, v=object())",
    "db.write('m', None, 1, v=1j)",
    "db.write('m', None)",
    "db.write_rows([('m', None, 1)])",
    "db.write_rows([], sync='sometimes')",
    "db.batch(split='yes', wrong=1)",
    "db.query(5)",
    "db.query('m', order='up')",
    "db.query('m', nan='ignore')",
    "db.query('m', limit='1')",
    "db.query('m', timeout='1')",
    "db.query('m', wrong=1)",
    "db.query('m', where=[('v', '>')*2])",
    "db.query('m').to_excel()",
    "db.delete()",
    "db.delete(None)",
    "db.labels(5)",
    "db.set_rollups(['r'])",
    "db.snapshot()",
    "varve.open('x', precision='h')",
    "varve.open('x', sync='x')",
    "varve.open('x', read_only='yes')",
    "varve.open('x', cache_bytes='1')",
    "x: int = db.query('m').to_rows()",
    "db.path = 'x'",
    "varve.Batch().nothing",
    "db.write('m', None, 1, v=1).nothing",
]


@needs("mypy")
class Typing(Case):
    def mypy(self, text):
        """The lines in which mypy finds errors."""
        program = self.directory / "program.py"
        program.write_text(text, encoding="utf-8")
        environment = {**os.environ, "MYPYPATH": str(os.path.dirname(os.path.dirname(varve.__file__)))}
        if "site-packages" in environment["MYPYPATH"]:  # there mypy looks by itself
            del environment["MYPYPATH"]
        done = subprocess.run([sys.executable, "-m", "mypy", "--strict", "--python-version", "3.12", "--no-error-summary", "--cache-dir",
                               str(self.directory / "cache"), str(program)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, env=environment, check=False)
        return done.stdout, {int(line) for line in re.findall(r"program\.py:(\d+): error", done.stdout)}

    def test_a_program_that_uses_everything_is_accepted(self):
        output, lines = self.mypy(GOOD)
        self.assertEqual(set(), lines, output)
        self.assertNotIn("error", output)

    def test_wrong_uses_are_refused(self):
        output, lines = self.mypy("import varve\ndb = varve.open()\n" + "\n".join(BAD) + "\n")
        missed = [line for number, line in enumerate(BAD, 3) if number not in lines]
        self.assertEqual([], missed, output)


if __name__ == "__main__":
    unittest.main()
