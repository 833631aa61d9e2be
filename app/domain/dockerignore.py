"""The patterns of a `.dockerignore` file, as far as the content of a build context needs them.

A file with exceptions (`!pattern`) is not applied: its whole context counts as content, so that a
service is rather built once too often.
"""

from __future__ import annotations

import re
from collections.abc import Iterable


class IgnoredPaths:
    """Which paths of a build context do not reach the builder."""

    def __init__(self, lines: Iterable[str]) -> None:
        patterns = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
        has_exceptions = any(pattern.startswith("!") for pattern in patterns)
        self._patterns = [] if has_exceptions else [_expression(pattern) for pattern in patterns]

    def covers(self, path: str) -> bool:
        """Is this path left out? `path` is relative to the context; a directory covers what is in it."""
        return any(pattern.fullmatch(path) for pattern in self._patterns)


def _expression(pattern: str) -> re.Pattern[str]:
    text, place = "", 0
    pattern = pattern.strip("/").removeprefix("./")
    while place < len(pattern):
        if pattern.startswith("**/", place):
            text, place = text + "(?:.*/)?", place + 3
        elif pattern.startswith("**", place):
            text, place = text + ".*", place + 2
        else:
            text, place = text + _one_sign(pattern[place]), place + 1
    return re.compile(f"{text}(?:/.*)?", re.DOTALL)


def _one_sign(sign: str) -> str:
    return {"*": "[^/]*", "?": "[^/]"}.get(sign) or re.escape(sign)
