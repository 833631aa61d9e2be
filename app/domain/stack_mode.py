"""What a stack is up to, in one word: the first that is true."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from app.domain.enums import Mode, Power, Role, State


@dataclass(frozen=True, slots=True)
class ServiceStatus:
    """One service as its mode is judged.

    `held` by a live lease; `awaited` by any window that has not ended, so that a worker
    still stops or starts it; `stop_pending` since a window held it; `missed` by an open window
    under which it was ready. `failures` counts the stops that failed in a row.
    """

    role: Role
    power: Power
    alive: bool = False
    held: bool = False
    awaited: bool = False
    stop_pending: bool = False
    missed: bool = False
    failures: int = 0


def drifts(service: ServiceStatus) -> bool:
    """Whether its power differs from the desired one and no window waits for it."""
    if service.power is Power.UNKNOWN or service.role is Role.NONE:
        return False
    if service.role is Role.CORE:
        return service.power in {Power.OFF, Power.FAILING}
    return service.missed or (service.alive and not service.held and not service.awaited)


def why(service: ServiceStatus) -> str:
    """The fault of a drifting or stray service, as the beginning of "... since 12:03:11"."""
    if service.role is Role.CORE:
        return "core is down"
    if service.missed:
        return "stopped, though an open window holds it"
    if not service.alive:
        return "no window holds it, and it is not yet sure that it is off"
    if service.failures:
        return "runs, though no window holds it, and would not stop"
    return "runs, though no window holds it"


def why_ended(service: ServiceStatus) -> str:
    """What became of a drift that this program did not stop."""
    if service.held or service.awaited:
        return "it runs again" if service.alive else "a window holds it now"
    if service.role is Role.CORE:
        return "it has done its work" if service.power is Power.DONE else "it runs again"
    return "no open window needs it any more" if service.alive else "it is off"


def strays(service: ServiceStatus) -> bool:
    """Drift, or a stop that is still pending though every window that held the service has ended."""
    forsaken = service.stop_pending and not service.awaited and service.role is Role.ALLOWED
    return forsaken or drifts(service)


def mode(services: Iterable[ServiceStatus], windows: Collection[State], *, rejected: bool = False) -> Mode:
    """The mode of a stack with these services and these windows that are not closed."""
    if rejected:
        return Mode.REJECTED
    if any(strays(service) for service in services):
        return Mode.DRIFT
    if State.CLOSING in windows:
        return Mode.CLOSING
    if State.OPENING in windows or State.OPEN in windows:
        return Mode.OPEN
    return Mode.SOLO_CORE


def worst(modes: Collection[Mode]) -> Mode | None:
    """The first that is true of any of several stacks; None of none."""
    return next((one for one in Mode if one in modes), None)
