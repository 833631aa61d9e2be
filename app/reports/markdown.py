"""Text and tables in Markdown, with every special character escaped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from app.domain.untrusted_text import harmless

_SPECIAL = "\\`*_{}[]<>#|~"


def plain_text(value: object) -> str:
    """Text that Markdown shows as it is."""
    return "".join(f"\\{sign}" if sign in _SPECIAL else sign for sign in harmless(value))


def markdown_table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table whose cells are shown as they are."""
    head = f"| {' | '.join(heads)} |\n|{'---|' * len(heads)}"
    return "\n".join([head, *(f"| {' | '.join(map(plain_text, row))} |" for row in rows)])
