"""Requests that only look. They are not visits, so they open no window and extend none.

Links that are checked or loaded beforehand, what browsers and crawlers ask for by
themselves, and programs that watch whether a site answers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

PATHS = ("/favicon.ico", "/robots.txt", "/apple-touch-icon", "/.well-known/")
"""Paths that browsers and crawlers request by themselves, with all paths that begin with one of them."""
AGENTS = (
    *("bot", "crawler", "spider", "slurp", "facebookexternalhit"),
    *("uptime", "pingdom", "statuscake", "site24x7", "blackbox", "prometheus", "nagios", "icinga", "zabbix"),
)
"""Parts of the names by which crawlers and monitors call themselves."""


@dataclass(frozen=True, slots=True)
class PassiveRequestRules:
    """Who only looks: parts of the names of agents, and beginnings of paths, in any case."""

    agents: Sequence[str] = AGENTS
    paths: Sequence[str] = PATHS


def is_passive(method: str, purpose: str, agent: str, address: str, rules: PassiveRequestRules) -> bool:
    """`purpose` is what `Sec-Purpose` and `Purpose` say; `address` is what the visitor asked for."""
    return (
        method.upper() == "HEAD"
        or "prefetch" in purpose.lower()
        or any(part.lower() in agent.lower() for part in rules.agents)
        or _path(address).startswith(tuple(path.lower() for path in rules.paths))
    )


def _path(address: str) -> str:
    try:
        return urlsplit(address).path.lower()
    except ValueError:
        return ""
