"""When the database last answered, kept on disk: a worker that is restarted goes on counting from there.

The time is that of the boot clock, which no correction of the wall clock moves and which
goes on while the host is suspended. After a reboot all that is known is that the database
has not answered since. The file keeps its size and is written in place, so a
full disk does not keep it from being written.
"""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path

from app.host.boot_clock import boot_clock, boot_id

log = logging.getLogger(__name__)

WRITE_INTERVAL = 2.0
"""Seconds after which a new answer is written down."""
_SIZE = 128


class LastContact:
    """One file, which all workers of a node share: what one of them heard, its node has heard."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.written_at: float | None = None
        self._told = False

    def read(self) -> float | None:
        """The moment by `boot_clock`, 0 where it was before the last boot; None where nothing is known."""
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
        """The database answered at this moment."""
        if self.written_at is not None and at - self.written_at < WRITE_INTERVAL:
            return
        self.written_at = at
        try:
            _overwrite(self._path, json.dumps({"boot": boot_id(), "at": round(at, 6)}))
            self._told = False
        except OSError as error:
            if not self._told:
                log.warning("%s: cannot be written: %s", self._path, error.strerror)
            self._told = True


def _overwrite(path: Path, text: str) -> None:
    """In place and of one size. It need not reach the disk: it is of no use once the host was down."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.pwrite(descriptor, text.ljust(_SIZE - 1).encode() + b"\n", 0)
    finally:
        os.close(descriptor)
