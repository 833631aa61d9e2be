"""A file that is touched while the work goes on, so that a healthcheck need only look at its age.

Asking a worker through the broker would start a Python and load Celery each time.
"""

from __future__ import annotations

from contextlib import suppress

from app import settings

_path = settings.load_or_exit().pulse


def beat() -> None:
    """Say that this process is at work. A full disk must not keep it from working."""
    if _path is not None:
        with suppress(OSError):
            _path.touch()
