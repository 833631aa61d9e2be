"""Stores what a build prints while it goes on: in pieces, bounded, without the secrets of its stack."""

from __future__ import annotations

import logging
import re
import time

from sqlalchemy.exc import SQLAlchemyError

from app.domain import untrusted_text
from app.store import intents as rows
from workers.engine import stack_secrets
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
_LONGEST_LINE = 64 * 1024
_ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_KEY_BEGINS, _KEY_ENDS = "-----BEGIN ", "-----END "


class BuildOutputWriter:
    """The output of one service's build, written to the rows of its request."""

    def __init__(self, context: WorkerContext, request: str, service: str, project: str) -> None:
        self._context, self._request, self._service, self._project = context, request, service, project
        self._pending = ""
        self._written_at = 0.0
        self.tail = ""
        """The end of what has been written."""

    def add(self, text: str) -> None:
        """Take in a piece of output, and store what is complete when it is time."""
        self._pending += text
        if time.monotonic() - self._written_at >= PIECE_INTERVAL:
            self._store(self._take_lines())

    def close(self) -> None:
        """Store the rest."""
        rest, self._pending = self._pending, ""
        self._store(rest)

    def _take_lines(self) -> str:
        """The whole lines so far. A private key is held back until its last line has come."""
        end = self._pending.rfind("\n") + 1
        begins = self._pending.rfind(_KEY_BEGINS, 0, end)
        if begins >= 0 and _KEY_ENDS not in self._pending[begins:end]:
            end = begins
        if len(self._pending) > _LONGEST_LINE:
            end = len(self._pending)
        lines, self._pending = self._pending[:end], self._pending[end:]
        return lines

    def _store(self, text: str) -> None:
        if not text:
            return
        self._written_at = time.monotonic()
        clean = stack_secrets.redact(self._project, _ESCAPE.sub("", text.replace("\r\n", "\n")))
        clean = _without_middle(untrusted_text.storable(clean))
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
