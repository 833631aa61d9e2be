"""The one filter and the one bound for text from outside: containers, receivers, engines, servers and people.

A terminal obeys control characters and escape sequences, a bidirectional override shows a line
in another order than it has, and a newline makes one row of a table two.
"""

from __future__ import annotations

import json
from typing import Any

_JOINERS = "\u200c\u200d"
"""Not printable by themselves, and part of how many languages and signs are written."""
CUT = "[…]"


def harmless(text: object) -> str:
    """One line that a terminal shows and does not obey: each sign that is not printable is a space.

    What is left of an escape sequence is text.
    """
    return "".join(sign if _shows(sign) else " " for sign in str(text))


def harmless_lines(text: object) -> str:
    """The same, with its line breaks."""
    return "\n".join(harmless(line) for line in str(text).splitlines())


def _shows(sign: str) -> bool:
    return sign.isprintable() or sign in _JOINERS


def as_json(value: Any, *, indent: int | None = None) -> str:
    """Return JSON with all strings complete; characters that control a terminal are written as \\uXXXX."""
    printed = json.dumps(value, indent=indent, ensure_ascii=False)
    return "".join(sign if sign == "\n" or _shows(sign) else json.dumps(sign)[1:-1] for sign in printed)


def shorten(text: str, longest: int) -> str:
    """The beginning of a text of at most so many characters, with a mark where it was cut."""
    return text if len(text) <= longest else text[: max(0, longest - len(CUT))] + CUT[:longest]


def with_end(beginning: str, rest: str, longest: int) -> str:
    """A text and on new lines the end of another, of at most so many characters together."""
    head = shorten(beginning, longest)
    room = longest - len(head) - 1
    return f"{head}\n{rest[-room:]}" if room > 0 and rest else head


def require_storable(text: str) -> str:
    """Return the text; raise ValueError for NUL characters and lone surrogates, which no database stores."""
    if "\0" in text:
        raise ValueError("must not contain a NUL character")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError("must be well-formed Unicode, without lone surrogates") from error
    return text


def storable(text: str) -> str:
    """Without the characters that no database keeps: NUL and half surrogates."""
    return text.replace("\0", "\ufffd").encode(errors="replace").decode()
