"""Names that the product uses itself, in the trail and for its chains, and nobody else may have."""

from __future__ import annotations

RESERVED = frozenset({"clock", "house", "link", "power-windows"})
"""Actors of the product, and the chain of what belongs to no stack; in any case of letters."""


def require_free(name: str) -> str:
    """Return the name; raises ValueError where it is reserved."""
    if name.lower() in RESERVED:
        raise ValueError(f"{name!r} is reserved; also {', '.join(sorted(RESERVED - {name.lower()}))}")
    return name
