"""The moment at which the database last answered, on disk, so that a restarted worker goes on counting.

The moment is a time of the boot clock: no correction of the wall clock moves it, and it goes on while
the host is suspended. After a reboot the moment counts as 0. The file keeps its size and is written
in place, so a worker can write it on a full disk.
"""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path

from app.host.boot_clock import boot_clock, boot_id

log = logging.getLogger(__name__)

WRITE_INTERVAL = 2.0
"""Seconds between two writes of the file, at least."""
_SIZE = 128


class LastContact:
    """The file, which all workers of a node share: an answer to one of them counts for all."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.written_at: float | None = None
        self._has_warned = False

    def read(self) -> float | None:
        """Return the moment by `boot_clock`: 0 if before the last boot, None if there is no valid file."""
        try:
            record = json.loads(self._path.read_text())
            at, boot = float(record["at"]), str(record["boot"])
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            log.warning(
                "%s: cannot be read, so the database's silence is counted from now: %s", self._path, error
            )
            return None
        return min(max(at, 0.0), boot_clock()) if boot == boot_id() else 0.0

    def note(self, at: float) -> None:
        """Record that the database answered at `at`, a time of `boot_clock`."""
        if self.written_at is not None and at - self.written_at < WRITE_INTERVAL:
            return
        self.written_at = at
        try:
            _overwrite(self._path, json.dumps({"boot": boot_id(), "at": round(at, 6)}))
            self._has_warned = False
        except OSError as error:
            if not self._has_warned:
                log.warning("%s: cannot be written: %s", self._path, error.strerror)
            self._has_warned = True


def _overwrite(path: Path, text: str) -> None:
    """Write in place and with a fixed size. No sync: the file is of no use after a reboot."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.pwrite(descriptor, text.ljust(_SIZE - 1).encode() + b"\n", 0)
    finally:
        os.close(descriptor)
