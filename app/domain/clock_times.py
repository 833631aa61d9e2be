"""Times as people write them on a command line: `18:00`, `2026-11-27 18:00`, or ISO 8601 with an offset."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, time, timedelta

_TIME_OF_DAY = re.compile(r"(\d{1,2}):(\d\d)(?::(\d\d))?", re.ASCII)


def resolve_until(text: str, now: datetime, to_aware: Callable[[datetime], datetime]) -> datetime:
    """The moment that a person means; a time of day that has passed today is tomorrow's.

    `now` has a zone; `to_aware` gives a local time its zone. Raises ValueError, saying what would be right.
    """
    given = text.strip()
    if match := _TIME_OF_DAY.fullmatch(given):
        return _next_time_of_day(match, given, now, to_aware)
    try:
        moment = datetime.fromisoformat(given)
    except ValueError:
        raise ValueError(f"{text!r} is no time; write 18:00, or 2026-11-27T18:00 for another day") from None
    if moment == datetime.combine(moment, time(), moment.tzinfo) and len(given) <= len("2026-11-27"):
        raise ValueError(f"{text!r} is a day; add the time: {given}T18:00")
    moment = moment if moment.tzinfo else to_aware(moment)
    if moment <= now:
        raise ValueError(f"{text!r} has passed already; write a later time")
    return moment


def _next_time_of_day(
    match: re.Match[str], given: str, now: datetime, to_aware: Callable[[datetime], datetime]
) -> datetime:
    hour, minute, second = (int(part or 0) for part in match.groups())
    try:
        wanted = time(hour, minute, second)
    except ValueError:
        raise ValueError(f"{given!r} is no time of day; write 00:00 to 23:59") from None
    today = to_aware(datetime.combine(now.date(), wanted))
    return today if today > now else to_aware(datetime.combine(now.date() + timedelta(days=1), wanted))
