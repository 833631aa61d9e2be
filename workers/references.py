"""What a container refers to by id: networks, and containers whose namespaces it shares.

The engine keeps such ids over a stop, also when what they name is made anew or gone. A
container that stands still with one of them can never start again; one that runs keeps
a loopback and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime

from app.domain.readiness import Container
from workers.engine import Engine

Starts = Mapping[str, datetime | None]


def reachable(engine: Engine, containers: Iterable[Container]) -> list[Container]:
    """The same containers; those that run and cannot be reached carry the reason."""
    found = list(containers)
    started = _owners(engine, [one for one in found if one.alive])
    return [replace(one, severed=_severed(one, started)) if one.alive else one for one in found]


def checked(engine: Engine, containers: Iterable[Container]) -> list[Container]:
    """The same containers; those that stand still and cannot start again carry the reason, too."""
    found = reachable(engine, containers)
    still = [one for one in found if not one.alive]
    if not still:
        return found
    networks, started = engine.network_ids(), _owners(engine, still)
    return [one if one.alive else replace(one, severed=_unstartable(one, networks, started)) for one in found]


def _owners(engine: Engine, containers: Iterable[Container]) -> dict[str, datetime | None]:
    """When each container whose namespaces these share began to run; those that are gone are missing."""
    owners = {owner for one in containers for owner in one.owners.values()}
    started = {owner: engine.started_at(owner) for owner in sorted(owners)}
    return {owner: at for owner, at in started.items() if at != "gone"}


def _severed(container: Container, started: Starts) -> str:
    for kind, owner in container.owners.items():
        if owner not in started:
            return f"the container whose {kind} it uses is gone"
        began = started[owner]
        if began is None:
            return f"the container whose {kind} it uses does not run"
        if container.started_at and began > container.started_at:
            return f"the container whose {kind} it uses was started after it, which left it without"
    return container.unattached


def _unstartable(container: Container, networks: set[str], started: Starts) -> str:
    if any(owner not in started for owner in container.owners.values()):
        return "a container whose namespaces it uses is gone"
    if container.networks - networks:
        return "a network that it joined is gone"
    return "its last start failed before it ran" if container.state == "created" else ""
