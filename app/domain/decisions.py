"""What to do about one service: a decision is a value that carries its reason.

Deciding is pure, so a plan, a test and the worker all ask the same question and
only the worker acts on the answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from app.domain.enums import Action, Power, Role
from app.domain.locations import Location
from app.domain.planning import StackSpec
from app.domain.readiness import Container


@dataclass(frozen=True, slots=True)
class Decision:
    """At most one compose call for one service, and why."""

    action: Action
    why: str
    keep_running: bool = False
    """Some of its containers run already and must stay exactly as they are."""
    recreate: bool = False
    """A network or namespace of its containers no longer exists: they have to be recreated."""
    forced: bool = False
    """A window that lets the service go is closed by force."""
    outdated: bool = False
    """No call is due, but the database differs from the engine: inspect again."""


def decide_start(
    role: Role, containers: Sequence[Container], power: Power, replicas: int, tried: int
) -> Decision:
    """What bringing a wanted service up takes; `tried` counts this window's calls for it."""
    if role is not Role.ALLOWED:
        return Decision(Action.NONE, f"a service that is {role} is never started")
    if tried:
        return Decision(Action.NONE, "it was tried for this window already")
    if severed := [container.severed for container in containers if container.severed]:
        return Decision(Action.UP, f"a live window holds it and {severed[0]}", recreate=True)
    alive = [container for container in containers if container.alive]
    if len(alive) >= replicas:
        return Decision(Action.NONE, "it is running already", outdated=True)
    if power is Power.DONE:
        return Decision(Action.NONE, "it has done its work already", outdated=True)
    return Decision(Action.UP, "a live window holds it and it is not running", keep_running=bool(alive))


def decide_stop(
    role: Role, containers: Sequence[Container] | None, *, stop_pending: bool, unsure: bool, kill: bool
) -> Decision:
    """What turning an unwanted service off takes; `containers` is None while the engine does not answer.

    `stop_pending`: a window held it since it was last confirmed off. `unsure`: an `up` was
    started since a `stop` last returned 0, so it may yet come up by itself. `kill`:
    an earlier stop failed, or an operator forces the close.
    """
    if role is Role.CORE:
        return Decision(Action.NONE, "core is never stopped")
    if not stop_pending:
        return Decision(Action.NONE, "no window held it since it was last off")
    end = Action.KILL if kill else Action.STOP
    if containers is None:
        return Decision(end, "no live window holds it, and the engine shows nothing")
    if any(container.alive for container in containers):
        return Decision(end, "no live window holds it and it is running")
    if unsure:
        return Decision(Action.STOP, "no live window holds it and its last start has not been undone")
    return Decision(Action.NONE, "it is off", outdated=True)


@dataclass(frozen=True, slots=True)
class PendingStop:
    """The pending stop of a service, and how often it failed."""

    failures: int = 0
    retry_at: datetime | None = None
    unsure: bool = True
    location: Location = field(default_factory=Location)
    """Where the service has to be stopped."""


def in_turn(spec: StackSpec, pending_stops: Mapping[str, PendingStop], now: datetime) -> list[str]:
    """Services that may be stopped now: no dependant is still to stop.

    A dependant whose stop failed does not delay the others.
    """
    waited_for = {name for name, one in pending_stops.items() if not one.failures}
    return sorted(
        name
        for name, one in pending_stops.items()
        if (one.retry_at or now) <= now and not dependants(spec, name) & waited_for
    )


def dependants(spec: StackSpec, service: str) -> set[str]:
    """Return the services of the stack that depend directly on this one."""
    return {name for name, other in spec.services.items() if service in other.depends_on}
