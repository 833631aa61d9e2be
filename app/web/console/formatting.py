"""Format times and durations for pages."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from typing import Any

from markupsafe import Markup, escape

from app.domain import durations, meanings
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


def readable(text: str) -> str:
    """The text with its times in ISO 8601 as `26 Nov 15:19`, in the reader's zone."""
    return _STAMP.sub(lambda match: local_time.short_time(match[0]), text)


def code(text: str) -> Markup:
    """The text with what it has between backticks as code."""
    return Markup(_BACKTICKS.sub(r"<code>\1</code>", str(escape(text))))


def meaning(word: str) -> str:
    """What a word of a stack, a service or a window means; empty for a word of anything else.

    A word that is said of both, such as `OPEN` and `open`, differs in its capitals.
    """
    return _MEANINGS.get(word, "")


_STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z")
_BACKTICKS = re.compile("`([^`]*)`")
_MEANINGS: dict[str, str] = {
    str(word): sentence for words in meanings.GROUPS.values() for word, sentence in words.items()
}

FILTERS: dict[str, Callable[..., Any]] = {
    "clock": clock,
    "span": lambda seconds: durations.show(seconds or 0.0),
    "local_clock": lambda at, form="%H:%M": local_time.in_reader_zone(at).strftime(form),
    "local_day": local_time.local_day,
    "local_time": local_time.local_time,
    "code": code,
    "meaning": meaning,
    "part": part,
    "readable": readable,
    "size": size,
    "usually": advice.usually,
}
