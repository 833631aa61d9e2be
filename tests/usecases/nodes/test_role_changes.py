"""A service that is core for a while: which off it still owes."""

from __future__ import annotations

from dataclasses import replace

from app.domain.enums import Role
from app.domain.planning import StackSpec
from app.store.tables import Service, Stack
from app.usecases.nodes import published_stacks
from tests.system import System, studio


def with_role(spec: StackSpec, service: str, role: Role) -> StackSpec:
    return replace(spec, services={**spec.services, service: replace(spec.services[service], role=role)})


def test_core_for_a_moment_loses_no_off(placed: System) -> None:
    window = placed.open("forge")
    placed.publish(with_role(studio(), "forge", Role.CORE))
    placed.close(window)
    assert (placed.state(window), placed.row("forge").stop_pending) == ("closed", True)
    assert "forge" in placed.running()

    placed.publish(studio())
    placed.work()

    assert placed.running() == {"redis"}
    assert not placed.row("forge").stop_pending


def test_core_for_a_moment_and_then_not_listed_is_turned_off_too(placed: System) -> None:
    window = placed.open("forge")
    placed.publish(with_role(studio(), "forge", Role.CORE))
    placed.close(window)
    placed.publish(with_role(studio(), "forge", Role.NONE))
    placed.work()
    assert placed.running() == {"redis"}


def test_core_that_a_person_stopped_owes_nothing_when_it_is_allowed_again(placed: System) -> None:
    window = placed.open("forge")
    placed.publish(with_role(studio(), "forge", Role.CORE))
    placed.close(window)
    placed.finish("forge", 143)
    with placed.database.write() as session:
        session.get_one(Service, ("studio", "forge")).unsure = False
    placed.look()
    placed.run_by_hand("forge")
    placed.publish(studio())
    placed.tick(600)
    assert "forge" in placed.running()


def test_core_that_left_with_its_stack_owes_its_off_when_it_comes_back_allowed(placed: System) -> None:
    window = placed.open("forge")
    placed.publish(with_role(studio(), "forge", Role.CORE))
    placed.close(window)
    with placed.database.write() as session:
        assert published_stacks.forget_stack(session, session.get_one(Stack, "studio"), "gone", placed.now)

    placed.publish(studio())
    placed.work()

    assert placed.running() == {"redis"}
