"""The filter for text that another program wrote and that a terminal will print.

Containers, Compose and the server write such text. A terminal executes control characters and
escape sequences, and a bidirectional override shows a line in another order than it has. The
filter replaces each of these characters by a space.
"""

from __future__ import annotations

_JOINERS = "\u200c\u200d"
"""Not printable by `str.isprintable`, and part of how several languages and emoji are written."""


def printable_line(text: object) -> str:
    """Return the text as one line, with a space for each character that is not printable.

    A line break is not printable.
    """
    return "".join(char if char.isprintable() or char in _JOINERS else " " for char in str(text))


def printable_lines(text: object) -> str:
    """Return the text with its line breaks, each line filtered by `printable_line`."""
    return "\n".join(printable_line(line) for line in str(text).splitlines())
