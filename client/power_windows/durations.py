"""Durations as text: `90`, `90s`, `30m`, `1h30m`, `2d`. The server reads and writes them in the same way."""

from __future__ import annotations

import re

_UNIT_SECONDS = {"d": 86400, "h": 3600, "m": 60, "s": 1}
_DURATION = re.compile(
    r"(?:(?P<d>\d+)d)?(?:(?P<h>\d+)h)?(?:(?P<m>\d+)m)?(?:(?P<s>\d+(?:\.\d+)?)s?)?", re.ASCII
)
_LIMIT = 10**9
"""Seconds that every duration is shorter than: about 31 years."""


def parse(text: str) -> float:
    """Return the seconds of a duration such as `1h30m`; a bare number is seconds.

    Raises ValueError, with the valid forms, for any other text, for zero and for 10⁹ seconds or more.
    """
    match = _DURATION.fullmatch(text.strip().lower())
    amounts = {unit: amount for unit, amount in match.groupdict().items() if amount} if match else {}
    if not amounts:
        raise ValueError(f"{text!r} is not a duration; write 90, 90s, 30m or 1h30m")
    seconds = sum(float(amount) * _UNIT_SECONDS[unit] for unit, amount in amounts.items())
    if not 0 < seconds < _LIMIT:
        raise ValueError(f"{text!r} must be more than nothing and less than thirty years")
    return seconds


def show(seconds: float) -> str:
    """Return a duration as text with its two largest units, such as `29m 53s`."""
    rest, parts = max(0, round(seconds)), []
    for unit, unit_seconds in _UNIT_SECONDS.items():
        amount, rest = divmod(rest, unit_seconds)
        if amount:
            parts.append(f"{amount}{unit}")
    return " ".join(parts[:2]) or "0s"
