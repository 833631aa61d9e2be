"""Format times, durations and facts for pages."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from app.domain import durations
from app.domain.diagnosis import advice

_FACTS = 160
"""Characters shown of the facts of an entry."""


def clock(at: str | datetime | None) -> str:
    """`24 Nov 12:03:11`, in UTC."""
    if at is None:
        return "–"
    moment = datetime.fromisoformat(at) if isinstance(at, str) else at
    return f"{moment:%d %b %H:%M:%S}"


def facts_line(facts: Mapping[str, Any]) -> str:
    """The facts of an audit entry in one line."""
    line = "; ".join(
        f"{name}: {_value(value)}" for name, value in facts.items() if value not in (None, "", [])
    )
    return line if len(line) <= _FACTS else f"{line[:_FACTS]}…"


def _value(value: Any) -> str:
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return " ".join(value)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


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
    "facts_line": facts_line,
    "part": part,
    "size": size,
    "usually": advice.usually,
}
