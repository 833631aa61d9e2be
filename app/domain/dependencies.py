"""May a service start yet? One gate per dependency, in Compose's own conditions.

A gate is open, or waits for its dependency, or is shut for good with the reason.
The service itself goes by its worst gate.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import IntEnum

from app.domain.enums import Condition, Power, Role
from app.domain.planning import ServiceSpec, StackSpec


class Way(IntEnum):
    """Ordered, so that the worst of several is the smallest."""

    SHUT = 0
    WAIT = 1
    OPEN = 2


@dataclass(frozen=True, slots=True)
class Gate:
    """Whether a dependency lets a service start, with the reason where it does not."""

    way: Way
    why: str = ""


FREE = Gate(Way.OPEN)


@dataclass(frozen=True, slots=True)
class DependencyStatus:
    """How a dependency stands for one window.

    `begun` says that an `up` for it has succeeded, even if it failed since;
    `over` that it will not get ready by itself any more.
    """

    power: Power
    alive: bool
    begun: bool = False
    over: bool = False
    detail: str = ""

    @property
    def ready(self) -> bool:
        """Is the service ready, by its power?"""
        return self.power.is_ready


def gate(stack: StackSpec, service: str, standing: Callable[[str], DependencyStatus | None]) -> Gate:
    """The worst gate in front of a service; `standing` is None for what this window does not hold."""
    spec = stack.services[service]
    return min(_gates(stack, spec, standing), key=lambda one: one.way, default=FREE)


def _gates(
    stack: StackSpec, spec: ServiceSpec, standing: Callable[[str], DependencyStatus | None]
) -> Iterable[Gate]:
    for name, condition in spec.depends_on.items():
        dependency = standing(name)
        if dependency is None:
            continue
        one = _one(stack, name, condition, dependency)
        # An optional dependency is awaited while it may still become ready, and ignored after that.
        yield FREE if one.way is Way.SHUT and name in spec.optional else one


def _one(stack: StackSpec, name: str, condition: Condition, dependency: DependencyStatus) -> Gate:
    if _is_satisfied(condition, dependency):
        return FREE
    if stack.services[name].role is Role.CORE:
        return _core(name, dependency)
    if dependency.over:
        return Gate(Way.SHUT, f"needs {name}, which is {_describe(dependency)}")
    return Gate(Way.WAIT, f"waits for {name} to {_AWAITED[condition]}")


def _is_satisfied(condition: Condition, dependency: DependencyStatus) -> bool:
    if condition is Condition.STARTED:
        return dependency.alive or dependency.begun or dependency.power is Power.DONE
    return dependency.power is Power.DONE if condition is Condition.COMPLETED else dependency.ready


def _core(name: str, dependency: DependencyStatus) -> Gate:
    if dependency.power is Power.STARTING:
        return Gate(Way.WAIT, f"waits for core service {name}, which is starting")
    return Gate(
        Way.SHUT,
        f"needs core service {name}, which is {_describe(dependency)}; core is not started from here",
    )


def is_blocked_by(why: str, service: str) -> bool:
    """Do the words of a shut gate name this service as what is needed?"""
    return why.startswith((f"needs {service}, which is ", f"needs core service {service}, which is "))


def _describe(dependency: DependencyStatus) -> str:
    return f"{dependency.power}: {dependency.detail}" if dependency.detail else str(dependency.power)


_AWAITED = {
    Condition.STARTED: "start",
    Condition.HEALTHY: "be healthy",
    Condition.COMPLETED: "complete",
}
