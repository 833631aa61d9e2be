"""Redacts the output of a running call: whole lines only, so that no secret is cut in two."""

from __future__ import annotations

import re

from app.domain import untrusted_text
from workers.engine import stack_secrets

LONGEST_WAITING = 64 * 1024
"""Characters without a line's end that are kept back; of more, all are redacted as they are."""
_ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_KEY_BEGINS, _KEY_ENDS = "-----BEGIN ", "-----END "


class RedactedLines:
    """Takes output in pieces of any size; returns it in whole lines without its project's secrets."""

    def __init__(self, project: str) -> None:
        self._project = project
        self._waiting = ""

    def add(self, text: str) -> None:
        """Take in a piece of output."""
        self._waiting += text

    def take(self) -> str:
        """The whole lines since the last call. A private key is held back until its last line has come."""
        end = self._waiting.rfind("\n") + 1
        begins = self._waiting.rfind(_KEY_BEGINS, 0, end)
        if begins >= 0 and _KEY_ENDS not in self._waiting[begins:end]:
            end = begins
        if len(self._waiting) > LONGEST_WAITING:
            end = len(self._waiting)
        lines, self._waiting = self._waiting[:end], self._waiting[end:]
        return self._redact(lines)

    def take_rest(self) -> str:
        """Everything since the last call, at the end of the output."""
        rest, self._waiting = self._waiting, ""
        return self._redact(rest)

    def _redact(self, text: str) -> str:
        clean = stack_secrets.redact(self._project, _ESCAPE.sub("", text.replace("\r\n", "\n")))
        return untrusted_text.storable(clean)
