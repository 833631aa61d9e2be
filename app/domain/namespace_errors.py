"""Why a request about a namespace was turned down."""

from __future__ import annotations

from collections.abc import Iterable

from app.domain.errors import Unknown


class UnknownNamespace(Unknown):
    """No stack belongs to this namespace; `allowed` has those that exist."""

    field = "namespace"

    def __init__(self, namespace: str, known: Iterable[str]) -> None:
        known = sorted(known)
        there_is = (
            f"there is {', '.join(known)}" if known else "power.toml has none, see docs/how-to/namespaces.md"
        )
        super().__init__(
            f"no stack belongs to a namespace {namespace!r}; {there_is}", namespace=namespace, allowed=known
        )
