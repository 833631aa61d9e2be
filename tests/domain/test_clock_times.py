"""A time as a person writes it is the next such moment in the person's own zone."""

from __future__ import annotations

import re
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from app.domain.clock_times import resolve_until

BERLIN = ZoneInfo("Europe/Berlin")


def local(naive: datetime) -> datetime:
    return naive.replace(tzinfo=BERLIN)


@pytest.mark.parametrize(
    ("now", "text", "expected"),
    [
        ("2026-11-26T12:00", "18:00", "2026-11-26T17:00+00:00"),
        ("2026-11-26T12:00", " 9:05 ", "2026-11-27T08:05+00:00"),
        ("2026-11-26T12:00", "12:00", "2026-11-27T11:00+00:00"),
        ("2026-11-26T12:00", "12:00:30", "2026-11-26T11:00:30+00:00"),
        ("2026-11-26T12:00", "2026-11-28T18:00", "2026-11-28T17:00+00:00"),
        ("2026-11-26T12:00", "2026-11-26 18:00+00:00", "2026-11-26T18:00+00:00"),
        # The clocks go back in the night: tomorrow's 18:00 is 25 hours later.
        ("2026-10-24T18:00", "18:00", "2026-10-25T17:00+00:00"),
        # And forward: it is 23 hours later.
        ("2026-03-28T18:00", "18:00", "2026-03-29T16:00+00:00"),
    ],
)
def test_a_time_is_the_next_such_moment(now: str, text: str, expected: str) -> None:
    assert resolve_until(text, local(datetime.fromisoformat(now)), local) == datetime.fromisoformat(expected)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("soon", "'soon' is no time; write 18:00, or 2026-11-27T18:00 for another day"),
        ("25:00", "'25:00' is no time of day; write 00:00 to 23:59"),
        ("2026-11-27", "'2026-11-27' is a day; add the time: 2026-11-27T18:00"),
        ("2026-11-25T18:00", "'2026-11-25T18:00' has passed already; write a later time"),
    ],
)
def test_what_is_no_time_to_come_is_refused_with_what_would_be_right(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(reason)}$"):
        resolve_until(text, local(datetime.fromisoformat("2026-11-26T12:00")), local)
