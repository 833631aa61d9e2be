"""What a container refers to by id: networks, and containers whose namespaces it shares.

The engine keeps such ids over a stop, also when what they name is made anew or gone. A
container that stands still with one of them can never start again; one that runs keeps
a loopback and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from app.domain.readiness import Container
from workers.engine.client import Engine

Owners = Mapping[str, Container | None]
"""The containers whose namespaces others use, by id; None for one that does not exist."""


def reachable(engine: Engine, containers: Iterable[Container]) -> list[Container]:
    """The same containers; those that run and cannot be reached carry the reason."""
    inspected = list(containers)
    owners = _owners(engine, [one for one in inspected if one.alive])
    return [replace(one, severed=_severed_reason(one, owners)) if one.alive else one for one in inspected]


def check_references(engine: Engine, containers: Iterable[Container]) -> list[Container]:
    """Return the same containers; a stopped one that cannot start again has the reason."""
    checked = reachable(engine, containers)
    still = [one for one in checked if not one.alive]
    if not still:
        return checked
    networks, owners = engine.network_ids(), _owners(engine, still)
    return [
        one if one.alive else replace(one, severed=_unstartable(one, networks, owners)) for one in checked
    ]


def _owners(engine: Engine, containers: Iterable[Container]) -> Owners:
    """Each container whose namespaces these use, and each that those in turn use."""
    owners: dict[str, Container | None] = {}
    todo = _owner_ids(containers)
    while todo:
        new = {owner: engine.container(owner) for owner in sorted(todo)}
        owners |= new
        todo = _owner_ids(one for one in new.values() if one) - owners.keys()
    return owners


def _owner_ids(containers: Iterable[Container]) -> set[str]:
    return {owner for one in containers for owner in one.owners.values()}


def _severed_reason(container: Container, owners: Owners) -> str:
    reasons = (_without(container, kind, owners) for kind in container.owners)
    return next(filter(None, reasons), container.left_over or container.unattached)


def _without(user: Container, kind: str, owners: Owners) -> str:
    """Why a container has lost a namespace that another has; empty where it has it."""
    owner = owners.get(user.owners[kind])
    if owner is None:
        return f"the container whose {kind} it uses is gone"
    if not owner.alive:
        return f"the container whose {kind} it uses does not run"
    if user.started_at and owner.started_at and owner.started_at > user.started_at:
        return f"the container whose {kind} it uses was started after it, which left it without"
    # It may be another's in turn: what that loses, all of them lose.
    if lost := _without(owner, kind, owners) if kind in owner.owners else _own_fault(owner, kind):
        return f"the container whose {kind} it uses has lost it: {lost}"
    return ""


def _own_fault(owner: Container, kind: str) -> str:
    return owner.unattached if kind == "network" else ""


def _unstartable(container: Container, networks: set[str], owners: Owners) -> str:
    if any(owners.get(owner) is None for owner in container.owners.values()):
        return "a container whose namespaces it uses is gone"
    if container.networks - networks:
        return "a network that it joined is gone"
    return "its last start failed before it ran" if container.state == "created" else ""
