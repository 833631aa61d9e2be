"""What is held or owed names its project and engine, and ends there, whatever a stack's files come to say."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from app.domain.calls import SeenContainers
from app.domain.enums import Event, Power
from app.domain.errors import NotDisplaced, StackRejected
from app.domain.locations import Location
from app.domain.nodes import AWAY_AFTER, Heartbeat
from app.domain.planning import StackSpec
from app.domain.stack_id import StackId
from app.store import services, stacks
from app.store.tables import Lease, Service, Stack, Window
from app.usecases.nodes import claims, published_stacks, relocation
from app.usecases.nodes.claims import StackHeld, StackTaken
from app.usecases.reconciliation import observations
from app.usecases.windows import close as closing
from app.usecases.windows import open as opening
from tests.simultaneous import together
from tests.system import System, studio
from tests.usecases.nodes.publishing import held, publish

OLD, NEW = Location("studio", "E1"), Location("atelier", "E1")


def look(system: System, spec: StackSpec, engine_id: str, *services: str) -> None:
    """A worker sees all of these off."""
    seen = {name: SeenContainers(Power.OFF) for name in services}
    system.now += timedelta(seconds=1)
    with system.database.write() as session:
        observations.record_inspection(
            session, spec, seen, at=system.now, now=system.now, engine_id=engine_id
        )


def test_lease_and_off_say_where_they_are(placed: System) -> None:
    window = placed.open("forge")
    assert placed.row("forge").location == placed.lease(window, "forge").location == OLD
    placed.close(window)
    assert (placed.row("forge").stop_pending, placed.row("forge").location) == (False, Location())


@pytest.mark.parametrize(
    ("changed", "engine_id"),
    [({"project": "atelier"}, "E1"), ({}, "E2"), ({"project": "atelier"}, "E2")],
    ids=["project", "engine", "both"],
)
def test_a_change_of_location_is_refused_while_anything_is_held_or_owed(
    placed: System, changed: dict[str, str], engine_id: str
) -> None:
    placed.will_not_stop.add("forge")
    window, moved = placed.open("forge"), replace(studio(), **changed, digest="another")  # type: ignore[arg-type]

    refusal = held(placed, moved, engine_id)
    for word in ("power.toml: stacks.studio", window, "forge", "'studio'", "power relocate studio"):
        assert word in refusal
    assert "\n" not in refusal

    placed.close(window, force=True)
    assert placed.state(window) == "closed"
    refusal = held(placed, moved, engine_id)
    assert window not in refusal
    assert "the off of forge" in refusal

    placed.will_not_stop.clear()
    placed.tick(600)
    assert not placed.row("forge").stop_pending
    publish(placed, moved, engine_id)


def test_an_engine_that_has_not_answered_yet_agrees_with_any(placed: System) -> None:
    placed.open("forge")
    publish(placed, placed.spec, "")
    assert placed.row("forge").location == OLD
    with placed.database.read() as session:
        assert session.get_one(Stack, "studio").engine_id == "E1"


def test_what_was_opened_before_the_engine_answered_is_on_it_once_it_has(system: System) -> None:
    window = system.open("forge")
    assert system.row("forge").location == Location("studio")
    publish(system, system.spec)
    assert system.row("forge").location == system.lease(window, "forge").location == OLD


def test_what_is_seen_elsewhere_confirms_no_off(placed: System) -> None:
    """Neither where a worker of an older version, nor one that lost a race, looks in the new location."""
    window = placed.open("forge")
    for spec, engine_id in ((replace(studio(), project="atelier"), "E1"), (studio(), "E2")):
        with placed.database.write() as session:
            closing.close(session, window, actor="ada", now=placed.now)
        look(placed, spec, engine_id, "forge")
        row = placed.row("forge")
        assert (row.stop_pending, row.power, placed.state(window)) == (True, Power.UNKNOWN, "closing")
        assert "project 'studio' on engine E1" in row.detail
    placed.work()
    assert (placed.state(window), placed.running()) == ("closed", {"redis"})


def test_a_renamed_stack_waits_until_the_old_name_owes_nothing_in_the_project(placed: System) -> None:
    window = placed.open("forge")
    renamed = replace(studio(), name=StackId("atelier"))

    refusal = held(placed, renamed)
    for word in ("stacks.atelier.project", "'studio'", window, "the off of forge"):
        assert word in refusal

    placed.close(window)
    publish(placed, renamed)
    with placed.database.write() as session, pytest.raises(StackRejected, match="another stack's"):
        opening.open_window(
            session, opening.OpenRequest(["forge"], StackId("studio")), actor="ada", now=placed.now
        )


def test_two_stacks_swap_their_projects_one_after_the_other(placed: System) -> None:
    other = replace(studio(), name=StackId("other"), project="atelier", digest="o")
    publish(placed, other)
    window, _new = placed.ask_on("studio", "forge")
    mine, theirs = (
        replace(studio(), project="atelier", digest="n"),
        replace(other, project="studio", digest="m"),
    )

    assert window in held(placed, mine)
    assert "by stack 'studio'" in held(placed, theirs)
    placed.work()
    placed.close(window)

    publish(placed, mine)
    with placed.database.read() as session:
        assert stacks.chosen(session, StackId("other")).faults
    publish(placed, theirs)
    with placed.database.read() as session:
        assert [(one.project, one.faults) for one in stacks.every(session)] == [
            ("studio", []),
            ("atelier", []),
        ]


def test_another_node_with_a_project_of_the_same_name_is_not_in_the_way(placed: System) -> None:
    placed.open("forge")
    attic = replace(studio(), name=StackId("attic"), node="attic")
    with placed.database.write() as session:
        mine = Heartbeat("w2", "attic", "", "L2", [], placed.now, placed.now)
        claims.claim_stack(session, attic, mine, key="power.toml: x", dead=lambda _one: False, now=placed.now)


def test_of_an_opening_and_a_change_of_project_at_once_one_waits_or_is_refused(placed: System) -> None:
    """Whichever comes first, what is opened is where its stack is."""
    moved = replace(studio(), project="atelier", digest="another")

    def act(number: int) -> str:
        if number % 2:
            try:
                publish(placed, moved)
            except StackHeld:
                return "held back"
            return "moved"
        placed.ask("forge")
        return "opened"

    together(6, act)

    with placed.database.read() as session:
        stack = session.get_one(Stack, "studio")
        locations = {one.location for one in relocation.holdings(session, StackId("studio"))}
    assert locations == {stack.location}


# Letting go of a location that is gone.


def test_relocating_lets_what_is_held_count_where_the_worker_is(placed: System) -> None:
    window = placed.open("forge")
    moved = replace(studio(), project="atelier", digest="another")
    fault = held(placed, moved)
    with placed.database.write() as session:
        published_stacks.record_refused_edit(session, StackId("studio"), [fault], "another", placed.now)

    with placed.database.write() as session:
        relocation.relocate(session, StackId("studio"), actor="ada", now=placed.now)

    (entry,) = placed.said(Event.STACK_RELOCATED)
    assert entry.actor == "ada"
    (left,) = placed.facts(Event.STACK_RELOCATED)["left"]
    assert left == {"project": "studio", "engine": "E1", "windows": [window], "owing": ["forge"]}
    publish(placed, moved)
    assert placed.row("forge").location == placed.lease(window, "forge").location == NEW
    assert placed.intact()


def test_a_stack_that_is_where_it_is_held_is_not_relocated(placed: System) -> None:
    with placed.database.write() as session, pytest.raises(NotDisplaced):
        relocation.relocate(session, StackId("studio"), actor="ada", now=placed.now)
    placed.open("forge")
    with placed.database.write() as session, pytest.raises(NotDisplaced):
        relocation.relocate(session, StackId("studio"), actor="ada", now=placed.now)


def test_a_node_that_is_gone_for_good_is_let_go_of(placed: System) -> None:
    window = placed.open("forge")
    placed.now += AWAY_AFTER
    attic = replace(studio(), node="attic")
    with pytest.raises(StackTaken):
        publish(placed, attic, "E2")

    with placed.database.write() as session:
        relocation.relocate(session, StackId("studio"), actor="ada", now=placed.now)
    publish(placed, attic, "E2")

    assert placed.window(window).node == "attic"
    assert placed.row("forge").location == Location("studio", "E2")


def test_a_forced_close_waits_for_no_engine_that_was_replaced(placed: System) -> None:
    window = placed.open("forge")
    with pytest.raises(StackHeld):
        publish(placed, placed.spec, "E2")
    with placed.database.write() as session:
        closing.close(session, window, actor="ada", now=placed.now, force=True)
    assert placed.state(window) == "closed"
    assert "engine E1 away; not confirmed off: forge" in (placed.window(window).close_detail or "")
    assert placed.row("forge").stop_pending


def test_a_reading_that_is_rejected_does_not_say_where_the_stack_is(placed: System) -> None:
    """Such as a file that broke at the same time as its project changed, while the worker was down."""
    window = placed.open("forge")
    empty = StackSpec(StackId("studio"), "atelier", "local", {})
    with placed.database.write() as session:
        published_stacks.reject_stack(session, empty, ["no file"], placed.now)
        assert session.get_one(Stack, "studio").location == OLD
    placed.close(window)
    assert placed.running() == {"redis"}


def test_rows_of_a_version_that_knew_no_location_agree_with_any(placed: System) -> None:
    window = placed.open("forge")
    with placed.database.write() as session:
        for row in (
            *services.of(session, StackId("studio")).values(),
            *session.get_one(Window, window).leases,
        ):
            assert isinstance(row, Service | Lease)
            row.project = row.engine_id = ""
    placed.close(window)
    assert placed.running() == {"redis"}
