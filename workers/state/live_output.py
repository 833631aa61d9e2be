"""What a running call has printed so far, for the loop that stores it."""

from __future__ import annotations

import threading

from app.domain import call_output
from workers.engine.redacted_lines import RedactedLines

MOST_UNREDACTED = 256 * 1024
"""Characters that wait to be redacted, at most; a call that prints more is live no longer."""
CUT_OFF = "[it prints too much; the rest is stored when the call ends]\n"


class LiveOutput:
    """The beginning and the end of what one call prints; safe to share between threads.

    `add` only puts a piece aside, so it never holds up the thread that reads the call's pipe.
    """

    def __init__(self, project: str) -> None:
        self._lock = threading.Lock()
        self._pieces: list[str] = []
        self._length = 0
        self._lines = RedactedLines(project)
        self.text = ""
        """What is printed so far, redacted and as short as a finished call's output."""

    def add(self, text: str) -> None:
        """Take in a piece of output."""
        with self._lock:
            if self._length <= MOST_UNREDACTED:
                self._pieces.append(text)
                self._length += len(text)

    def update(self) -> bool:
        """Redact what has come since the last update; True where `text` has changed. One thread calls it."""
        with self._lock:
            pieces, self._pieces = self._pieces, []
            # What follows a gap cannot be redacted: its beginning may be missing. So `add` takes no more.
            is_cut_off = self._length > MOST_UNREDACTED
            self._length = self._length if is_cut_off else 0
        self._lines.add("".join(pieces))
        lines = self._lines.take_rest() if is_cut_off and pieces else self._lines.take()
        if is_cut_off and pieces:
            lines += CUT_OFF
        self.text = call_output.shorten_output(self.text + lines)
        return bool(lines)
