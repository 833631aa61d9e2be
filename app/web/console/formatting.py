"""Format times and durations for pages."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from app.domain import durations
from app.domain.diagnosis import advice
from app.web.console import local_time


def clock(at: str | datetime | None) -> str:
    """`24 Nov 12:03:11`, in UTC."""
    if at is None:
        return "–"
    moment = datetime.fromisoformat(at) if isinstance(at, str) else at
    return f"{moment:%d %b %H:%M:%S}"


def part(left: float | None, whole: float | None) -> float:
    """The time left as a percentage of the whole."""
    return round(100 * min(1.0, max(0.0, (left or 0.0) / whole)), 1) if whole else 0.0


def size(count: float) -> str:
    """Bytes as `312 MiB` or `1.4 GiB`."""
    mebibytes = count / 2**20
    return f"{mebibytes / 1024:.1f} GiB" if mebibytes >= 1000 else f"{mebibytes:.0f} MiB"


FILTERS: dict[str, Callable[..., Any]] = {
    "clock": clock,
    "span": lambda seconds: durations.show(seconds or 0.0),
    "local_clock": lambda at, form="%H:%M": local_time.in_reader_zone(at).strftime(form),
    "local_day": local_time.local_day,
    "local_time": local_time.local_time,
    "part": part,
    "size": size,
    "usually": advice.usually,
}
