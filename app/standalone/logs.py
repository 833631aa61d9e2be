"""The children's logs: kept small, and read for what deserves a terminal.

Children write to their files directly, never through a pipe to the supervisor, so
that they can go on writing when the supervisor is gone.
"""

from __future__ import annotations

import contextlib
import re
import shutil
from pathlib import Path

from app.domain import load_results

LIMIT = 8 * 1024 * 1024

_IMPORTANT = re.compile(r"\b(ERROR|CRITICAL)\b")


def rotate(path: Path, limit: int = LIMIT) -> None:
    """Before a start: put a big log behind the new one, over the one before."""
    with contextlib.suppress(OSError):
        if path.stat().st_size > limit:
            path.replace(path.with_name(path.name + ".1"))


def copy_and_truncate(path: Path, limit: int = LIMIT) -> None:
    """While a child writes to it, in append mode: copy a big log away and begin it anew.

    A line written between the copy and the cut is lost; a full disk would lose more. Where there is
    no room for the copy, the log is cut all the same, which makes room.
    """
    before = path.with_name(path.name + ".1")
    with contextlib.suppress(OSError):
        if path.stat().st_size <= limit:
            return
        try:
            shutil.copyfile(path, before)
        except OSError:
            before.unlink(missing_ok=True)
        with path.open("r+b") as log:
            log.truncate(0)


def last_lines(path: Path, count: int = 5) -> list[str]:
    """The last lines of a log file; none where it cannot be read."""
    try:
        with path.open("rb") as log:
            log.seek(max(0, path.stat().st_size - 16_384))
            text = log.read().decode(errors="replace")
    except FileNotFoundError:
        return []
    return [line for line in text.splitlines() if line.strip()][-count:]


def _is_important(line: str) -> bool:
    return bool(_IMPORTANT.search(line) or load_results.parse(line))


class LogFollower:
    """The important lines that were added to a log since the last look."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._at = self._size()

    def new_lines(self) -> list[str]:
        """The important lines that were added since the last call."""
        size = self._size()
        if size < self._at:
            # The log was begun anew.
            self._at = 0
        if size == self._at:
            return []
        return [line for line in self._add(size).splitlines() if _is_important(line)]

    def _add(self, size: int) -> str:
        with self._path.open("rb") as log:
            log.seek(self._at)
            text = log.read(size - self._at)
        # An unfinished line is left for the next look.
        whole = text[: text.rfind(b"\n") + 1]
        self._at += len(whole)
        return whole.decode(errors="replace")

    def _size(self) -> int:
        try:
            return self._path.stat().st_size
        except FileNotFoundError:
            return 0
