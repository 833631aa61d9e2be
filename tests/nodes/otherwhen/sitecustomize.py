"""Read by every Python that has this directory on its path: its time of day is set ahead.

By `OTHERWHEN` seconds, or by as many as the file `OTHERWHEN_FILE` says at each moment. Only
what tells the time of day is moved; what measures time goes on as it was.
"""

from __future__ import annotations

import datetime
import os
import time
from pathlib import Path

_FILE = os.environ.get("OTHERWHEN_FILE")
_time = time.time


def ahead() -> float:
    return float(Path(_FILE).read_text() if _FILE else os.environ["OTHERWHEN"])


class _Ahead(datetime.datetime):
    @classmethod
    def now(cls, tz: datetime.tzinfo | None = None) -> _Ahead:
        return cls.fromtimestamp(_time() + ahead(), tz)

    @classmethod
    def utcnow(cls) -> _Ahead:
        return cls.now(datetime.UTC).replace(tzinfo=None)


time.time = lambda: _time() + ahead()
datetime.datetime = _Ahead  # type: ignore[misc]
