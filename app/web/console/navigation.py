"""The links that every page of the console has, in their order."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class NavigationLink:
    """One link of the navigation."""

    path: str
    name: str
    icon: str
    """The name of a drawing in `_icons.html`."""
    main: bool = False
    """A narrow screen shows it at the bottom; the other links are there under "More"."""


_LINKS = (
    NavigationLink("/", "Now", "now", main=True),
    NavigationLink("/open", "Open", "open-window", main=True),
    NavigationLink("/timeline", "Timeline", "timeline", main=True),
    NavigationLink("/history", "History", "history", main=True),
    NavigationLink("/intents", "Wants", "wants"),
    NavigationLink("/runs", "Runs", "runs"),
    NavigationLink("/savings", "Saved", "saved"),
    NavigationLink("/trail", "Trail", "trail"),
    NavigationLink("/notices", "Notices", "notices"),
    NavigationLink("/tokens", "Tokens", "tokens"),
    NavigationLink("/system", "System", "system"),
)


def navigation_links(paths: Collection[str]) -> list[NavigationLink]:
    """The links whose pages exist; `paths` are the paths of all pages."""
    return [link for link in _LINKS if link.path in paths]
