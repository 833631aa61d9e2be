"""Durations as people write them: `90`, `90s`, `30m`, `1h30m`, `2d`."""

from __future__ import annotations

import re

LONGEST_CALL = 86400.0
"""Seconds that one call, or the wait for one service, may take at most: 24 h."""
LONGEST_DURATION = 365 * 86400.0
"""Seconds of any other duration in power.toml, a window's length included, at most: a year."""

_UNITS = {"d": 86400, "h": 3600, "m": 60, "s": 1}
_IN_WORDS = {"m": "min"}
_SHAPE = re.compile(r"(?:(?P<d>\d+)d)?(?:(?P<h>\d+)h)?(?:(?P<m>\d+)m)?(?:(?P<s>\d+(?:\.\d+)?)s?)?", re.ASCII)


def parse(text: str) -> float:
    """Seconds in a duration such as `1h30m`; a bare number is seconds.

    Raises ValueError, saying what would be right, for anything else and for zero.
    """
    match = _SHAPE.fullmatch(text.strip().lower())
    if not match or not any(match.groupdict().values()):
        raise ValueError(f"{text!r} is not a duration; write 90, 90s, 30m or 1h30m")
    seconds = sum(float(amount) * _UNITS[unit] for unit, amount in match.groupdict().items() if amount)
    if not 0 < seconds < 10**9:
        raise ValueError(f"{text!r} must be more than nothing and less than thirty years")
    return seconds


def exceeds(seconds: float, longest: float) -> bool:
    """Is this longer by at least a microsecond, the resolution of a moment?

    Both are differences of moments, which no float holds exactly: the longest extension that one part
    offers must not be too long for another by the last bit.
    """
    return seconds > longest + 5e-7


def at_most(longest: float, seconds: float) -> float:
    """The same number of seconds; raises ValueError, naming the bound, where it is over `longest`."""
    if seconds > longest:
        raise ValueError(f"{show(seconds)} is too long; at most {show(longest)} ({longest:.0f} s)")
    return seconds


def show_spaced(seconds: float) -> str:
    """The same for a sentence: `4 h`, `29 min 53 s`."""
    return re.sub(
        r"(\d)([dhms])", lambda match: f"{match[1]} {_IN_WORDS.get(match[2], match[2])}", show(seconds)
    )


def show(seconds: float) -> str:
    """A duration at a glance: the two largest units, `29m 53s`."""
    left, parts = max(0, round(seconds)), []
    for unit, size in _UNITS.items():
        amount, left = divmod(left, size)
        if amount:
            parts.append(f"{amount}{unit}")
    return " ".join(parts[:2]) or "0s"
