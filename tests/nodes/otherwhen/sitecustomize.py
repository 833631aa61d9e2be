"""Read by every Python that has this directory on its path: it then lives `OTHERWHEN` seconds ahead.

Only what tells the time of day is moved; what measures time goes on as it was.
"""

from __future__ import annotations

import datetime
import os
import time

AHEAD = float(os.environ["OTHERWHEN"])
_time = time.time


class _Ahead(datetime.datetime):
    @classmethod
    def now(cls, tz: datetime.tzinfo | None = None) -> _Ahead:
        return cls.fromtimestamp(_time() + AHEAD, tz)

    @classmethod
    def utcnow(cls) -> _Ahead:
        return cls.now(datetime.UTC).replace(tzinfo=None)


time.time = lambda: _time() + AHEAD
datetime.datetime = _Ahead  # type: ignore[misc]
