"""Durations are read as people write them, and shown at a glance."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain import durations


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90", 90),
        ("90s", 90),
        ("30m", 1800),
        ("1h30m", 5400),
        ("2d", 172800),
        ("1d2h3m4s", 93784),
        ("0.5", 0.5),
        ("1m0.5s", 60.5),
        (" 1H ", 3600),
    ],
)
def test_a_duration_is_read_as_people_write_it(text: str, seconds: float) -> None:
    assert durations.parse(text) == seconds


@pytest.mark.parametrize(
    "text",
    [
        "",
        "s",
        "soon",
        "-1",
        "-5m",
        "1.5h",
        "30m1h",
        "1h 30m",
        "1e3",
        "nan",
        "inf",
        "0",
        "0s",
        "0h0m",
        "٣",
        "9" * 40,
    ],
)
def test_what_is_no_duration_is_refused_by_name(text: str) -> None:
    with pytest.raises(ValueError) as refused:
        durations.parse(text)
    assert repr(text) in str(refused.value)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (-3, "0s"),
        (0.4, "0s"),
        (59.6, "1m"),
        (1793.2, "29m 53s"),
        (5400, "1h 30m"),
        (90061, "1d 1h"),
    ],
)
def test_a_duration_is_shown_by_its_two_largest_units(seconds: float, text: str) -> None:
    assert durations.show(seconds) == text


@given(st.integers(min_value=1, max_value=10**8))
def test_a_whole_number_of_seconds_is_itself(seconds: int) -> None:
    assert durations.parse(str(seconds)) == durations.parse(f"{seconds}s") == seconds


@given(st.integers(1, 59), st.sampled_from("smhd"))
def test_what_is_shown_can_be_typed(amount: int, unit: str) -> None:
    seconds = durations.parse(f"{amount}{unit}")
    assert durations.parse(durations.show(seconds).replace(" ", "")) == seconds


def test_the_longest_extension_is_never_too_long_by_its_last_bit() -> None:
    began = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    for milliseconds in range(2000):
        now = began + timedelta(seconds=2900, milliseconds=milliseconds)
        offered = (began + timedelta(seconds=3600) - now).total_seconds()
        longest = (began - now).total_seconds() + 3600
        assert not durations.exceeds(offered, longest)
        assert durations.exceeds(offered + 1e-6, longest)
