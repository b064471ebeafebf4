# SPDX-License-Identifier: Apache-2.0
"""varve: a time-series database to embed.

    import varve

    with varve.open("data") as db:
        db.write("weather", {"city": "Oslo"}, 1700000000_000_000_000, temperature=3.25)
        print(db.query("weather").to_rows())

docs/guide/python.md is the guide.
"""

from ._varve import (
    Batch,
    BusyError,
    CancelledError,
    ClosedError,
    Column,
    ConflictError,
    CorruptError,
    Error,
    ExistsError,
    FencedError,
    InternalError,
    InvalidError,
    LimitError,
    LockedError,
    NoSpaceError,
    NotFoundError,
    OutOfMemoryError,
    ReadOnlyError,
    StorageError,
    TimedOutError,
    UnsupportedError,
    Written,
    version as __version__,
)
from ._database import Database, open, restore
from ._result import Block, Result
from ._types import Copied, Field, Health, Histogram, Rollup, RollupStatus, Scrubbed, Series, Verified

__all__ = [
    "Batch", "Block", "BusyError", "CancelledError", "ClosedError", "Column", "ConflictError", "Copied", "CorruptError",
    "Database", "Error", "ExistsError", "FencedError", "Field", "Health", "Histogram", "InternalError", "InvalidError",
    "LimitError", "LockedError", "NoSpaceError", "NotFoundError", "OutOfMemoryError", "ReadOnlyError", "Result",
    "Rollup", "RollupStatus", "Scrubbed", "Series", "StorageError", "TimedOutError", "UnsupportedError", "Verified",
    "Written", "open", "restore", "__version__",
]
