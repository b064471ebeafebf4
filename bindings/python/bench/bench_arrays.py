#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What moves between NumPy and a database in memory, on one core.

    python bench/bench_arrays.py [--rows 10000000] [--rounds 5]

Writes one series of f64 at a constant step, verifies what is stored, then reads it back whole. The rates
are of the best round, by the CPU time of the process: rows written, and values (times and fields) read.
Background threads are off; calls of a million rows, as a loader would make them.
"""

import argparse
import resource
import time

import numpy

import varve

CALL_ROWS = 1_000_000


def cpu_seconds():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def measure(rounds, work):
    """(least CPU seconds, least seconds) of a round."""
    best = (float("inf"), float("inf"))
    for _ in range(rounds):
        cpu, wall = cpu_seconds(), time.perf_counter()
        work()
        best = min(best[0], cpu_seconds() - cpu), min(best[1], time.perf_counter() - wall)
    return best


def walk(rows):
    """Values with two decimals, as a sensor gives them."""
    return numpy.round(numpy.cumsum(numpy.random.default_rng(1).normal(size=rows)), 2)


def write_all(times, values):
    db = varve.open(background=False, memory_limit_bytes=8 << 30)
    for first in range(0, len(times), CALL_ROWS):
        part = slice(first, first + CALL_ROWS)
        db.write("m", None, times[part], v=values[part])
    return db


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    times = numpy.arange(options.rows) * 1_000_000_000
    for name, values in (("walk", walk(options.rows)), ("constant", numpy.full(options.rows, 1.5))):
        db = write_all(times, values)
        answer = db.query("m", labels=()).to_numpy()
        if not ((answer["time"].view("i8") == times).all() and (answer["v"] == values).all()):
            raise SystemExit(f"{name}: what is read is not what was written")
        cpu, wall = measure(options.rounds, lambda: db.query("m", labels=()).to_numpy())
        print(f"{name:<9} read  {2 * options.rows / cpu / 1e6:8.1f} M values/s of CPU  {2 * options.rows / wall / 1e6:8.1f} M values/s")

        def blocks():
            for block in db.query("m", labels=()):
                block.to_numpy()

        cpu, wall = measure(1, blocks)
        print(f"{name:<9} block {2 * options.rows / cpu / 1e6:8.1f} M values/s of CPU  {2 * options.rows / wall / 1e6:8.1f} M values/s")
        db.close()
        cpu, wall = measure(options.rounds, lambda: write_all(times, values).close())
        print(f"{name:<9} write {options.rows / cpu / 1e6:8.1f} M rows/s of CPU    {options.rows / wall / 1e6:8.1f} M rows/s")
        copied = numpy.empty_like(values)
        cpu, _ = measure(options.rounds, lambda: (numpy.copyto(copied, values), times.copy()))
        print(f"{name:<9} copy  {2 * options.rows / cpu / 1e6:8.1f} M values/s of CPU  (numpy alone, of this run)")


if __name__ == "__main__":
    main()
