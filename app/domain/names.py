"""Names: those that the product reserves for itself, and those that Compose permits."""

from __future__ import annotations

import re

RESERVED = frozenset({"clock", "house", "link", "power-windows"})
"""Actors of the product, and the chain of what belongs to no stack; in any case of letters."""

_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*")


def require_free(name: str) -> str:
    """Return the name; raises ValueError where it is reserved."""
    if name.lower() in RESERVED:
        raise ValueError(f"{name!r} is reserved; also {', '.join(sorted(RESERVED - {name.lower()}))}")
    return name


def require_project(name: str) -> str:
    """Return the name; raises ValueError, with a name that would be right, where it is not permitted."""
    if re.fullmatch(r"[a-z0-9][a-z0-9_-]*", name):
        return name
    proposal = f"; write {right!r}" if (right := as_project(name)) else ""
    permitted = "lower-case letters, digits, `-` and `_`, first a letter or digit"
    raise ValueError(f"{name!r} is no name of a Compose project: {permitted}{proposal}")


def as_project(name: str) -> str:
    """What Compose makes of a directory's name as a project's; nothing where nothing is left of it."""
    return re.sub(r"[^a-z0-9_-]", "", name.lower()).lstrip("_-")


def require_service(name: str) -> str:
    """Return the name; raises ValueError where Compose does not permit it, or it looks like an option."""
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]*", name):
        permitted = "letters, digits, `.`, `_` and `-`, first a letter, digit or `_`"
        raise ValueError(f"{name!r} is no name of a service that can be powered: {permitted}")
    return name


def require_image(name: str) -> str:
    """Return the name of an image; raises ValueError where it cannot be one."""
    if not re.fullmatch(r"[a-z0-9][A-Za-z0-9._/:@-]*", name, re.ASCII):
        raise ValueError(f"{name!r} is no name of an image; write one such as shop/app:2")
    return name


def require_image_pattern(pattern: str) -> str:
    """Return a name of an image in which `*` stands for any text; raises ValueError for any other text."""
    require_image(pattern.replace("*", "x"))
    return pattern


def require_host(name: str) -> str:
    """Return the name or address of a host; raise ValueError for one with a scheme, a port or a path."""
    if not _HOST.fullmatch(name):
        raise ValueError(
            f"{name!r} is neither the name nor the IP address of a host; write one such as gpu.lan or "
            "192.168.1.20, without http:// and without a port"
        )
    return name
