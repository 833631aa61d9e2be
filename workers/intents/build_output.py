"""Stores what a build prints while it goes on: in pieces, bounded, without the secrets of its stack."""

from __future__ import annotations

import logging
import time

from sqlalchemy.exc import SQLAlchemyError

from app.store import intents as rows
from workers.engine.redacted_lines import RedactedLines
from workers.state.context import WorkerContext

log = logging.getLogger(__name__)

PIECE_INTERVAL = 0.5
"""Seconds between two pieces, at least."""
LONGEST_PIECE = 8000
"""Characters of a piece; of a longer one the middle is left out."""
MOST_PIECES = 64
"""Pieces of one request that are stored; of more, the oldest go."""
LONGEST_TAIL = 4000
"""Characters of the end that the record of the call draws on."""


class BuildOutputWriter:
    """The output of one service's build, written to the rows of its request."""

    def __init__(self, context: WorkerContext, request: str, service: str, project: str) -> None:
        self._context, self._request, self._service = context, request, service
        self._lines = RedactedLines(project)
        self._written_at = 0.0
        self.tail = ""
        """The end of what has been written."""

    def add(self, text: str) -> None:
        """Take in a piece of output, and store what is complete when it is time."""
        self._lines.add(text)
        if time.monotonic() - self._written_at >= PIECE_INTERVAL:
            self._store(self._lines.take())

    def close(self) -> None:
        """Store the rest."""
        self._store(self._lines.take_rest())

    def _store(self, text: str) -> None:
        if not text:
            return
        self._written_at = time.monotonic()
        clean = _without_middle(text)
        self.tail = (self.tail + clean)[-LONGEST_TAIL:]
        try:
            with self._context.database.write() as session:
                now = self._context.database.now()
                rows.add_output(session, self._request, self._service, clean, now, most_pieces=MOST_PIECES)
        except SQLAlchemyError as error:
            log.warning(
                "output of request %s is not stored: %s", self._request, str(error).partition("\n")[0]
            )


def _without_middle(text: str) -> str:
    if len(text) <= LONGEST_PIECE:
        return text
    half = LONGEST_PIECE // 2
    return f"{text[:half]}\n[{len(text) - 2 * half} characters are left out]\n{text[-half:]}"
