"""Several nodes: who may claim what, which stacks are away, and the windows that wait for them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select

from app.domain.enums import Event, Role
from app.domain.errors import NodeAway
from app.domain.nodes import AWAY, Heartbeat
from app.domain.planning import StackSpec
from app.store import audit, stacks, workers
from app.store.database import Database
from app.store.tables import Entry, Window
from app.usecases.nodes import claims
from app.usecases.nodes.claims import NodeTaken, StackTaken
from app.usecases.reconciliation import observations
from app.usecases.windows import transitions
from app.usecases.windows.transitions import OpenRequest
from tests.simultaneous import together
from tests.system import System, allowed, studio


def sign(house: System, worker: str = "w1", node: str = "local", **more: object) -> Heartbeat:
    plain = Heartbeat(worker, node, "E1", "L1", ["studio"], house.now, house.now)
    return replace(plain, **more)  # type: ignore[arg-type]


def nobody_is_dead(_worker: str) -> bool:
    return False


def appear(house: System, mine: Heartbeat, dead: Callable[[str], bool] = nobody_is_dead) -> None:
    with house.database.write() as session:
        claims.appear(session, mine, dead=dead, now=house.now)


def refused(house: System, mine: Heartbeat) -> str:
    with pytest.raises(NodeTaken) as taken:
        appear(house, mine)
    return str(taken.value)


def said(house: System, event: Event) -> list[dict[str, object]]:
    query = select(Entry).where(Entry.event == event).order_by(Entry.id)
    with house.database.read() as session:
        return [json.loads(one.facts) for one in session.scalars(query)]


def go_away(house: System) -> None:
    """The worker was there, and is not heard of any more."""
    appear(house, sign(house))
    house.now += AWAY


def ask(house: System, *names: str, ttl: float = 600.0) -> str:
    return house.ask(*names, ttl=ttl)[0]


def admit(house: System) -> list[str]:
    """The worker is back: what waited begins."""
    appear(house, sign(house, "w2"))
    with house.database.write() as session:
        waiting = [one.id for one in session.scalars(select(Window).where(Window.state == "waiting"))]
        found = [transitions.admit(session, window, house.now) for window in waiting]
    house.work()
    return [one.id for one in found if one]


# Claims.


def test_a_node_is_claimed_once_and_put_on_record(house: System) -> None:
    appear(house, sign(house))
    appear(house, sign(house))
    appear(house, sign(house, "w2"))

    (claimed,) = said(house, Event.NODE_CLAIMED)
    assert (claimed["node"], claimed["engine"], claimed["before"]) == ("local", "E1", None)


def test_a_node_with_another_engine_is_refused_by_name(house: System) -> None:
    appear(house, sign(house))

    fault = refused(house, sign(house, "w2", engine_id="E2"))

    for word in ("'local'", "w1", "E1", "E2", "POWER_NODE"):
        assert word in fault


def test_an_engine_under_another_name_is_refused_by_name(house: System) -> None:
    appear(house, sign(house))

    fault = refused(house, sign(house, "w2", "attic"))

    for word in ("'attic'", "'local'", "w1", "E1"):
        assert word in fault


def test_another_lock_directory_is_refused(house: System) -> None:
    appear(house, sign(house))

    assert "lock directory" in refused(house, sign(house, "w2", locks_id="L2"))


def test_an_engine_that_has_not_answered_yet_is_judged_when_it_has(house: System) -> None:
    appear(house, sign(house))
    appear(house, sign(house, "w2", engine_id=""))

    assert "E2" in refused(house, sign(house, "w2", engine_id="E2"))


def test_a_name_passes_on_from_one_who_is_dead_by_its_lock(house: System) -> None:
    appear(house, sign(house))

    appear(house, sign(house, "w2", engine_id="E2"), dead=lambda worker: worker == "w1")

    assert [(one["before"], one["engine"]) for one in said(house, Event.NODE_CLAIMED)] == [
        (None, "E1"),
        ("E1", "E2"),
    ]


def test_a_name_passes_on_from_one_who_is_silent_and_back_to_nobody(house: System) -> None:
    """Who was frozen meanwhile finds its place taken."""
    appear(house, sign(house))
    house.now += AWAY
    appear(house, sign(house, "w2", engine_id="E2", locks_id="L2"))

    assert "w2" in refused(house, sign(house))


def test_of_many_claims_at_once_one_wins(database: Database) -> None:
    house = System(database)

    def claim(number: int) -> str:
        try:
            appear(house, sign(house, f"w{number}", engine_id=f"E{number}"))
        except NodeTaken:
            return "refused"
        return "won"

    outcomes = together(8, claim)

    assert sorted(outcomes) == ["refused"] * 7 + ["won"]
    assert len(said(house, Event.NODE_CLAIMED)) == 1


def take(house: System, spec: StackSpec, mine: Heartbeat) -> None:
    with house.database.write() as session:
        claims.take(session, spec, mine, key="power.toml: stacks.x", dead=nobody_is_dead, now=house.now)


def test_a_stack_that_another_node_serves_is_refused_by_name(house: System) -> None:
    appear(house, sign(house))

    with pytest.raises(StackTaken) as taken:
        take(house, replace(studio(), node="attic"), sign(house, "w2", "attic", engine_id="E2"))

    for word in ("power.toml", "'studio'", "'local'", "w1"):
        assert word in str(taken.value)


def test_a_project_under_another_name_on_the_same_node_is_refused_by_name(house: System) -> None:
    appear(house, sign(house))

    with pytest.raises(StackTaken) as taken:
        take(house, replace(studio(), name="other"), sign(house, "w2", stacks=[]))

    for word in ("stacks.x.project", "'studio'", "'local'"):
        assert word in str(taken.value)


def test_two_workers_of_a_node_serve_the_same_stack(house: System) -> None:
    appear(house, sign(house))
    take(house, studio(), sign(house, "w2"))


def test_a_stack_does_not_move_while_it_has_windows_or_owes_an_off(house: System) -> None:
    window = house.open("forge")
    go_away(house)
    moved, mine = replace(studio(), node="attic"), sign(house, "w2", "attic", engine_id="E2")

    with pytest.raises(StackTaken) as taken:
        take(house, moved, mine)
    assert "--force" in str(taken.value)

    with house.database.write() as session:
        transitions.close(session, window, actor="ada", now=house.now, force=True)
    with pytest.raises(StackTaken) as taken:
        take(house, moved, mine)
    for word in ("power.toml", "'studio'", "forge", "'local'", "another name"):
        assert word in str(taken.value)
    house.work()
    take(house, moved, mine)


# Away.


def is_away(house: System) -> bool:
    with house.database.read() as session:
        row = stacks.named(session, "studio")
        assert row
        return workers.is_away(session, row, house.now) is not None


def test_a_stack_is_away_when_nobody_who_serves_it_is_heard_of(house: System) -> None:
    assert not is_away(house)
    appear(house, sign(house))
    house.now += AWAY - timedelta(seconds=1)
    assert not is_away(house)
    house.now += timedelta(seconds=1)
    assert is_away(house)
    appear(house, sign(house, "w2"))
    assert not is_away(house)


def test_a_worker_that_is_just_being_restarted_is_not_away(house: System) -> None:
    appear(house, sign(house))
    with house.database.write() as session:
        claims.leave(session, "w1")
    assert not is_away(house)
    house.now += AWAY
    assert is_away(house)


def test_a_worker_that_has_just_begun_is_about_to_serve(house: System) -> None:
    go_away(house)
    began = house.now
    appear(house, sign(house, "w2", stacks=[]))
    assert not is_away(house)
    house.now += AWAY
    appear(house, sign(house, "w2", stacks=[], started_at=began))
    assert is_away(house)


# Windows that wait.


def test_an_opening_on_a_stack_that_is_away_waits_and_holds_nothing(house: System) -> None:
    go_away(house)

    window = house.window(ask(house, "forge"))

    assert (window.state, window.waiting_for, window.opening_at) == ("waiting", "node", None)
    assert house.trail(window.id) == ["window.waiting"]
    house.work()
    assert "forge" not in house.running()
    assert not house.row("forge").owed


def test_it_begins_when_its_node_is_back_and_its_time_counts_from_there(house: System) -> None:
    go_away(house)
    window = ask(house, "api", ttl=100)
    house.now += timedelta(seconds=90)

    assert admit(house) == [window]

    row = house.window(window)
    assert row.waiting_for is None
    assert row.opening_at
    assert row.deadline == row.opening_at + timedelta(seconds=100)
    assert house.trail(window)[:2] == ["window.waiting", "window.opening"]
    house.heal("db")
    assert house.state(window) == "open"
    house.tick(101)
    assert house.state(window) == "closed"
    assert house.running() == {"redis"}


def test_what_may_not_be_opened_any_more_fails_with_the_reason(house: System) -> None:
    go_away(house)
    window = ask(house, "forge")
    spec = studio()
    services = {**spec.services, "forge": replace(allowed("forge"), role=Role.NONE)}
    house.publish(replace(spec, services=services, digest="new"))

    assert admit(house) == []

    assert (house.state(window), house.status(window)) == ("closed", "fail")
    assert (house.window(window).close_reason, house.window(window).closed_by) == (
        "failed",
        transitions.HOUSE,
    )
    assert "forge" in (house.window(window).close_detail or "")


def test_it_begins_by_what_its_stack_is_by_then(house: System) -> None:
    go_away(house)
    window = ask(house, "forge")
    spec = studio()
    needs = {"mill": next(iter(spec.services["api"].depends_on.values()))}
    services = {**spec.services, "forge": replace(allowed("forge"), depends_on=needs)}
    house.publish(replace(spec, services=services, digest="new"))

    admit(house)

    assert {lease.service for lease in house.window(window).leases} == {"forge", "mill"}


def test_it_gives_up_when_its_whole_time_went_by(house: System) -> None:
    go_away(house)
    window = ask(house, "forge", ttl=60)

    house.tick(61)

    assert (house.state(window), house.status(window)) == ("closed", "fail")
    assert (house.window(window).close_reason, house.window(window).closed_by) == ("lost", transitions.HOUSE)
    assert "local" in (house.window(window).close_detail or "")
    assert admit(house) == []


def test_it_is_lost_when_its_stack_is_gone_for_good(house: System) -> None:
    go_away(house)
    window = ask(house, "forge")
    with house.database.write() as session:
        stack = stacks.named(session, "studio")
        assert stack
        observations.forgotten(session, stack, "it is gone", house.now)

    row = house.window(window)
    assert (row.state, row.status, row.close_reason) == ("closed", "fail", "lost")
    assert row.close_detail == "stack studio is no longer served by its node"


def test_it_is_lost_when_its_stack_is_rejected_meanwhile(house: System) -> None:
    go_away(house)
    window = ask(house, "forge")
    with house.database.write() as session:
        observations.rejected(session, replace(studio(), services={}), ["no such file"], house.now)

    assert admit(house) == []

    assert (house.window(window).close_reason, house.state(window)) == ("lost", "closed")
    assert "no such file" in (house.window(window).close_detail or "")


def test_closing_it_closes_it_at_once(house: System) -> None:
    go_away(house)
    window = ask(house, "forge")
    house.close(window)
    assert (house.state(window), house.trail(window)) == ("closed", ["window.waiting", "window.closed"])


def test_extending_it_says_how_long_it_will_be_open_and_how_long_it_waits(house: System) -> None:
    go_away(house)
    window = ask(house, "forge", ttl=60)
    house.now += timedelta(seconds=30)
    with house.database.write() as session:
        transitions.extend(session, window, 200, actor="ada", now=house.now)
    assert house.window(window).deadline == house.now + timedelta(seconds=200)

    admit(house)

    row = house.window(window)
    assert row.opening_at
    assert row.deadline - row.opening_at == timedelta(seconds=200)


def test_a_house_that_does_not_wait_says_who_is_away(house: System) -> None:
    go_away(house)
    with pytest.raises(NodeAway) as away, house.database.write() as session:
        transitions.open_window(
            session, OpenRequest(["forge"]), actor="ada", now=house.now, wait_for_node=False
        )
    assert "'local'" in str(away.value)


def test_a_forced_close_does_not_wait_for_a_node_that_is_away(house: System) -> None:
    window = house.open("forge")
    go_away(house)

    with house.database.write() as session:
        transitions.close(session, window, actor="ada", now=house.now, force=True)

    assert house.state(window) == "closed"
    assert "forge" in (house.window(window).close_detail or "")
    assert house.row("forge").owed
    assert "forge" in house.running()
    house.work()
    assert "forge" not in house.running()


def test_a_close_that_was_forced_before_its_node_went_away_is_let_go(house: System) -> None:
    house.will_not_stop.add("forge")
    window = house.open("forge")
    appear(house, sign(house))
    with house.database.write() as session:
        transitions.close(session, window, actor="ada", now=house.now, force=True)
    assert house.state(window) == "closing"
    house.now += AWAY

    with house.database.write() as session:
        transitions.expire_due(session, house.now)

    assert house.state(window) == "closed"
    assert house.intact()


def test_refused_claims_are_on_record(house: System) -> None:
    with house.database.write() as session:
        claims.turned_down(session, sign(house), ["no"], house.now)
    (entry,) = said(house, Event.NODE_REFUSED)
    assert entry["faults"] == ["no"]
    with house.database.read() as session:
        assert all(proof.ok for proof in audit.verify(session))
