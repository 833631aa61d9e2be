"""The patterns of a `.dockerignore` file: which paths of a build context do not reach the builder.

The last pattern that covers a path decides; one with `!` in front lets the path in again.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import PurePosixPath


class IgnoredPaths:
    """Which paths of a build context do not reach the builder."""

    def __init__(self, lines: Iterable[str]) -> None:
        patterns = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
        self._patterns = [(_expression(one.removeprefix("!")), one.startswith("!")) for one in patterns]
        self._exceptions = [_parts(one[1:]) for one in patterns if one.startswith("!")]

    def covers(self, path: str) -> bool:
        """Is this path left out? `path` is relative to the context; a directory covers what is in it."""
        decisive = [is_exception for pattern, is_exception in self._patterns if pattern.fullmatch(path)]
        return bool(decisive) and not decisive[-1]

    def covers_all_below(self, folder: str) -> bool:
        """Is this folder left out, with no exception for anything that it may have?"""
        parts = PurePosixPath(folder).parts
        return self.covers(folder) and not any(_may_be_below(one, parts) for one in self._exceptions)


def _may_be_below(exception: tuple[str, ...], folder: tuple[str, ...]) -> bool:
    """May the exception be about a path in the folder? Compared as far as neither has a wildcard."""
    for wanted, actual in zip(exception, folder, strict=False):
        if re.search(r"[*?\[]", wanted):
            return True
        if wanted != actual:
            return False
    return True


def _parts(pattern: str) -> tuple[str, ...]:
    return PurePosixPath(_clean(pattern)).parts


def _clean(pattern: str) -> str:
    return pattern.strip().strip("/").removeprefix("./")


def _expression(pattern: str) -> re.Pattern[str]:
    text, place = "", 0
    pattern = _clean(pattern)
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
