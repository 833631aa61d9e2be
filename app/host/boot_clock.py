"""Time since the host was booted: no correction of the wall clock moves it, and it counts while suspended."""

from __future__ import annotations

import time
from pathlib import Path

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def boot_clock() -> float:
    """Seconds since the host was booted, suspended or not."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def boot_id() -> str:
    """Return the unique id of this boot of this host; empty if the host has none."""
    try:
        return _BOOT_ID.read_text().strip()
    except OSError:
        return ""
