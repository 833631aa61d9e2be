"""A service starts when every dependency stands as Compose's condition wants it."""

from __future__ import annotations

import pytest

from app.domain.dependencies import DependencyStatus, Gate, Way, gate
from app.domain.enums import Condition, Power, Role
from app.domain.planning import ServiceSpec, StackSpec
from app.domain.stack_id import StackId


def way(
    condition: Condition,
    dependency: DependencyStatus | None,
    *,
    role: Role = Role.ALLOWED,
    optional: bool = False,
) -> Gate:
    api = ServiceSpec("api", Role.ALLOWED, {"db": condition}, frozenset({"db"} if optional else ()))
    spec = StackSpec(StackId("studio"), "studio", "local", {"api": api, "db": ServiceSpec("db", role)})
    return gate(spec, "api", {"db": dependency}.get)


OFF = DependencyStatus(Power.OFF, alive=False)
STARTING = DependencyStatus(Power.STARTING, alive=True)
ON = DependencyStatus(Power.ON, alive=True)
DONE = DependencyStatus(Power.DONE, alive=False)
DIED = DependencyStatus(Power.FAILING, alive=False, over=True, detail="exited with code 1")
SICK = DependencyStatus(Power.FAILING, alive=True, over=True, detail="its healthcheck says unhealthy")


@pytest.mark.parametrize(
    ("condition", "dependency", "expected"),
    [
        (Condition.STARTED, OFF, Way.WAIT),
        (Condition.STARTED, STARTING, Way.OPEN),
        (Condition.STARTED, ON, Way.OPEN),
        (Condition.STARTED, SICK, Way.OPEN),
        (Condition.STARTED, DONE, Way.OPEN),
        (Condition.STARTED, DIED, Way.SHUT),
        (Condition.STARTED, DependencyStatus(Power.FAILING, alive=False, begun=True, over=True), Way.OPEN),
        (Condition.HEALTHY, OFF, Way.WAIT),
        (Condition.HEALTHY, STARTING, Way.WAIT),
        (Condition.HEALTHY, ON, Way.OPEN),
        (Condition.HEALTHY, SICK, Way.SHUT),
        (Condition.HEALTHY, DIED, Way.SHUT),
        (Condition.COMPLETED, STARTING, Way.WAIT),
        (Condition.COMPLETED, ON, Way.WAIT),
        (Condition.COMPLETED, DONE, Way.OPEN),
        (Condition.COMPLETED, DIED, Way.SHUT),
    ],
)
def test_each_condition_is_composes_own(
    condition: Condition, dependency: DependencyStatus, expected: Way
) -> None:
    assert way(condition, dependency).way is expected


def test_a_shut_gate_names_the_dependency_and_its_reason() -> None:
    assert way(Condition.HEALTHY, DIED).why == "needs db, which is failing: exited with code 1"


def test_core_that_is_down_is_not_waited_for_and_core_that_starts_is() -> None:
    down = way(Condition.STARTED, DependencyStatus(Power.OFF, alive=False), role=Role.CORE)
    assert down.way is Way.SHUT
    assert "core is not started from here" in down.why
    assert way(Condition.HEALTHY, STARTING, role=Role.CORE).way is Way.WAIT
    assert way(Condition.HEALTHY, ON, role=Role.CORE).way is Way.OPEN


def test_what_is_not_required_is_waited_for_but_never_in_the_way() -> None:
    assert way(Condition.HEALTHY, STARTING, optional=True).way is Way.WAIT
    assert way(Condition.HEALTHY, DIED, optional=True).way is Way.OPEN


def test_what_the_window_does_not_hold_is_not_waited_for() -> None:
    assert way(Condition.HEALTHY, None).way is Way.OPEN


def test_a_service_goes_by_its_worst_gate() -> None:
    needs = {"good": Condition.HEALTHY, "slow": Condition.HEALTHY, "dead": Condition.HEALTHY}
    services = {
        "api": ServiceSpec("api", Role.ALLOWED, needs),
        **{n: ServiceSpec(n, Role.ALLOWED) for n in needs},
    }
    spec = StackSpec(StackId("studio"), "studio", "local", services)
    stand: dict[str, DependencyStatus | None] = {"good": ON, "slow": STARTING, "dead": DIED}
    assert gate(spec, "api", stand.get).way is Way.SHUT
    assert gate(spec, "api", {**stand, "dead": ON}.get).way is Way.WAIT
    assert gate(spec, "api", dict.fromkeys(needs, ON).get).way is Way.OPEN
