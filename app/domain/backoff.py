"""How long to wait before something that failed is tried again: doubled with each failure, up to a cap.

The exponent is bounded, so the delay after the hundred-thousandth failure is the cap and no error.
"""

from __future__ import annotations

from datetime import timedelta

_MOST_DOUBLINGS = 64


def seconds(failures: int, first: float, cap: float) -> float:
    """Seconds to wait after so many failures in a row: `first` after one (or none), never more than `cap`."""
    doublings = min(max(failures - 1, 0), _MOST_DOUBLINGS)
    return min(first * 2.0**doublings, cap)


def delay(failures: int, first: timedelta, cap: timedelta) -> timedelta:
    """The same for times that are kept as `timedelta`."""
    return timedelta(seconds=seconds(failures, first.total_seconds(), cap.total_seconds()))
