# SPDX-License-Identifier: Apache-2.0
"""Plain records of the package."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple


class Series(NamedTuple):
    """A series: a metric and its labels. Takes part in selections as itself."""

    metric: str
    labels: dict[str, str]


class Field(NamedTuple):
    """A field of a metric, and its type: "f64", "i64", ..., or "mixed"."""

    metric: str
    name: str
    type: str


class Health(NamedTuple):
    """The state ("ok", "degraded", "nospace", "write_failed", "corrupt") and what led there."""

    state: str
    reason: str | None


class Verified(NamedTuple):
    """What verify() found; equal contents have equal digests."""

    files: int
    blocks: int
    rows: int
    series: int
    digest: str


class Scrubbed(NamedTuple):
    """What scrub() read and found damaged."""

    files: int
    blocks: int
    bytes: int
    damaged_files: int
    damaged_places: int


class Copied(NamedTuple):
    """What snapshot() or restore() made: everything up to a sequence, in files of so many bytes."""

    sequence: int
    files: int
    files_linked: int
    bytes: int


class Rollup(NamedTuple):
    """A kept downsampling: buckets of `every`, of the series of a metric that match.

    `match` maps labels to values; `fields` None means every field that the aggregation takes.
    """

    id: str
    metric: str
    agg: str
    every: Any
    fields: Sequence[str] | None = ("value",)
    match: Mapping[str, str] | None = None
    origin: Any = None


class RollupStatus(NamedTuple):
    """How a rollup stands; through and lag are None until something is kept."""

    rollup: Rollup
    matched_series: int
    materialized_series: int
    through: int | None
    lag: int | None
    runs: int
    errors: int
    error: str | None


@dataclasses.dataclass(frozen=True)
class Histogram:
    """A native histogram, as it is stored: counts are ints, or floats."""

    count: int | float
    sum: float
    schema: int
    reset_hint: int
    zero_threshold: float
    zero_count: int | float
    positive_spans: list[tuple[int, int]]
    positive_buckets: list[int] | list[float]
    negative_spans: list[tuple[int, int]]
    negative_buckets: list[int] | list[float]
    custom_values: list[float]
