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
from app.domain.nodes import AWAY_AFTER, Heartbeat
from app.domain.planning import StackSpec
from app.store import audit, stacks, workers
from app.store.database import Database
from app.store.tables import Entry, Window
from app.usecases.nodes import claims, published_stacks
from app.usecases.nodes.claims import NodeTaken, StackTaken
from app.usecases.windows import close as closing
from app.usecases.windows import expire as expiry
from app.usecases.windows import extend as extending
from app.usecases.windows import open as opening
from app.usecases.windows import transitions
from app.usecases.windows.open import OpenRequest
from tests.simultaneous import together
from tests.system import System, allowed, studio


def sign(system: System, worker: str = "w1", node: str = "local", **more: object) -> Heartbeat:
    plain = Heartbeat(worker, node, "E1", "L1", ["studio"], system.now, system.now)
    return replace(plain, **more)  # type: ignore[arg-type]


def nobody_is_dead(_worker: str) -> bool:
    return False


def appear(system: System, mine: Heartbeat, dead: Callable[[str], bool] = nobody_is_dead) -> None:
    with system.database.write() as session:
        claims.appear(session, mine, dead=dead, now=system.now)


def refused(system: System, mine: Heartbeat) -> str:
    with pytest.raises(NodeTaken) as taken:
        appear(system, mine)
    return str(taken.value)


def said(system: System, event: Event) -> list[dict[str, object]]:
    query = select(Entry).where(Entry.event == event).order_by(Entry.id)
    with system.database.read() as session:
        return [json.loads(one.facts) for one in session.scalars(query)]


def go_away(system: System) -> None:
    """The worker was there, and is not heard of any more."""
    appear(system, sign(system))
    system.now += AWAY_AFTER


def ask(system: System, *names: str, ttl: float = 600.0) -> str:
    return system.ask(*names, ttl=ttl)[0]


def admit(system: System) -> list[str]:
    """The worker is back: what waited begins."""
    appear(system, sign(system, "w2"))
    with system.database.write() as session:
        waiting = [one.id for one in session.scalars(select(Window).where(Window.state == "waiting"))]
        found = [opening.admit(session, window, system.now) for window in waiting]
    system.work()
    return [one.id for one in found if one]


# Claims.


def test_a_node_is_claimed_once_and_put_on_record(system: System) -> None:
    appear(system, sign(system))
    appear(system, sign(system))
    appear(system, sign(system, "w2"))

    (claimed,) = said(system, Event.NODE_CLAIMED)
    assert (claimed["node"], claimed["engine"], claimed["before"]) == ("local", "E1", None)


def test_a_node_with_another_engine_is_refused_by_name(system: System) -> None:
    appear(system, sign(system))

    fault = refused(system, sign(system, "w2", engine_id="E2"))

    for word in ("'local'", "w1", "E1", "E2", "POWER_NODE"):
        assert word in fault


def test_an_engine_under_another_name_is_refused_by_name(system: System) -> None:
    appear(system, sign(system))

    fault = refused(system, sign(system, "w2", "attic"))

    for word in ("'attic'", "'local'", "w1", "E1"):
        assert word in fault


def test_another_lock_directory_is_refused(system: System) -> None:
    appear(system, sign(system))

    assert "lock directory" in refused(system, sign(system, "w2", locks_id="L2"))


def test_an_engine_that_has_not_answered_yet_is_judged_when_it_has(system: System) -> None:
    appear(system, sign(system))
    appear(system, sign(system, "w2", engine_id=""))

    assert "E2" in refused(system, sign(system, "w2", engine_id="E2"))


def test_a_name_passes_on_from_one_who_is_dead_by_its_lock(system: System) -> None:
    appear(system, sign(system))

    appear(system, sign(system, "w2", engine_id="E2"), dead=lambda worker: worker == "w1")

    assert [(one["before"], one["engine"]) for one in said(system, Event.NODE_CLAIMED)] == [
        (None, "E1"),
        ("E1", "E2"),
    ]


def test_a_name_passes_on_from_one_who_is_silent_and_back_to_nobody(system: System) -> None:
    """Who was frozen meanwhile finds its place taken."""
    appear(system, sign(system))
    system.now += AWAY_AFTER
    appear(system, sign(system, "w2", engine_id="E2", locks_id="L2"))

    assert "w2" in refused(system, sign(system))


def test_of_many_claims_at_once_one_wins(database: Database) -> None:
    system = System(database)

    def claim(number: int) -> str:
        try:
            appear(system, sign(system, f"w{number}", engine_id=f"E{number}"))
        except NodeTaken:
            return "refused"
        return "won"

    outcomes = together(8, claim)

    assert sorted(outcomes) == ["refused"] * 7 + ["won"]
    assert len(said(system, Event.NODE_CLAIMED)) == 1


def take(system: System, spec: StackSpec, mine: Heartbeat) -> None:
    with system.database.write() as session:
        claims.take(session, spec, mine, key="power.toml: stacks.x", dead=nobody_is_dead, now=system.now)


def test_a_stack_that_another_node_serves_is_refused_by_name(system: System) -> None:
    appear(system, sign(system))

    with pytest.raises(StackTaken) as taken:
        take(system, replace(studio(), node="attic"), sign(system, "w2", "attic", engine_id="E2"))

    for word in ("power.toml", "'studio'", "'local'", "w1"):
        assert word in str(taken.value)


def test_a_project_under_another_name_on_the_same_node_is_refused_by_name(system: System) -> None:
    appear(system, sign(system))

    with pytest.raises(StackTaken) as taken:
        take(system, replace(studio(), name="other"), sign(system, "w2", stacks=[]))

    for word in ("stacks.x.project", "'studio'", "'local'"):
        assert word in str(taken.value)


def test_two_workers_of_a_node_serve_the_same_stack(system: System) -> None:
    appear(system, sign(system))
    take(system, studio(), sign(system, "w2"))


def test_a_stack_does_not_move_while_it_has_windows_or_owes_an_off(system: System) -> None:
    window = system.open("forge")
    go_away(system)
    moved, mine = replace(studio(), node="attic"), sign(system, "w2", "attic", engine_id="E2")

    with pytest.raises(StackTaken) as taken:
        take(system, moved, mine)
    assert "--force" in str(taken.value)

    with system.database.write() as session:
        closing.close(session, window, actor="ada", now=system.now, force=True)
    with pytest.raises(StackTaken) as taken:
        take(system, moved, mine)
    for word in ("power.toml", "'studio'", "forge", "'local'", "another name"):
        assert word in str(taken.value)
    system.work()
    take(system, moved, mine)


# Away.


def is_away(system: System) -> bool:
    with system.database.read() as session:
        row = stacks.stack_by_name(session, "studio")
        assert row
        return workers.is_away(session, row, system.now) is not None


def test_a_stack_is_away_when_nobody_who_serves_it_is_heard_of(system: System) -> None:
    assert not is_away(system)
    appear(system, sign(system))
    system.now += AWAY_AFTER - timedelta(seconds=1)
    assert not is_away(system)
    system.now += timedelta(seconds=1)
    assert is_away(system)
    appear(system, sign(system, "w2"))
    assert not is_away(system)


def test_a_worker_that_is_just_being_restarted_is_not_away(system: System) -> None:
    appear(system, sign(system))
    with system.database.write() as session:
        claims.leave(session, "w1")
    assert not is_away(system)
    system.now += AWAY_AFTER
    assert is_away(system)


def test_a_worker_that_has_just_begun_is_about_to_serve(system: System) -> None:
    go_away(system)
    began = system.now
    appear(system, sign(system, "w2", stacks=[]))
    assert not is_away(system)
    system.now += AWAY_AFTER
    appear(system, sign(system, "w2", stacks=[], started_at=began))
    assert is_away(system)


# Windows that wait.


def test_an_opening_on_a_stack_that_is_away_waits_and_holds_nothing(system: System) -> None:
    go_away(system)

    window = system.window(ask(system, "forge"))

    assert (window.state, window.waiting_for, window.opening_at) == ("waiting", "node", None)
    assert system.trail(window.id) == ["window.waiting"]
    system.work()
    assert "forge" not in system.running()
    assert not system.row("forge").stop_pending


def test_it_begins_when_its_node_is_back_and_its_time_counts_from_there(system: System) -> None:
    go_away(system)
    window = ask(system, "api", ttl=100)
    system.now += timedelta(seconds=90)

    assert admit(system) == [window]

    row = system.window(window)
    assert row.waiting_for is None
    assert row.opening_at
    assert row.deadline == row.opening_at + timedelta(seconds=100)
    assert system.trail(window)[:2] == ["window.waiting", "window.opening"]
    system.heal("db")
    assert system.state(window) == "open"
    system.tick(101)
    assert system.state(window) == "closed"
    assert system.running() == {"redis"}


def test_what_may_not_be_opened_any_more_fails_with_the_reason(system: System) -> None:
    go_away(system)
    window = ask(system, "forge")
    spec = studio()
    services = {**spec.services, "forge": replace(allowed("forge"), role=Role.NONE)}
    system.publish(replace(spec, services=services, digest="new"))

    assert admit(system) == []

    assert (system.state(window), system.status(window)) == ("closed", "fail")
    assert (system.window(window).close_reason, system.window(window).closed_by) == (
        "failed",
        transitions.SYSTEM_ACTOR,
    )
    assert "forge" in (system.window(window).close_detail or "")


def test_it_begins_by_what_its_stack_is_by_then(system: System) -> None:
    go_away(system)
    window = ask(system, "forge")
    spec = studio()
    needs = {"mill": next(iter(spec.services["api"].depends_on.values()))}
    services = {**spec.services, "forge": replace(allowed("forge"), depends_on=needs)}
    system.publish(replace(spec, services=services, digest="new"))

    admit(system)

    assert {lease.service for lease in system.window(window).leases} == {"forge", "mill"}


def test_it_gives_up_when_its_whole_time_went_by(system: System) -> None:
    go_away(system)
    window = ask(system, "forge", ttl=60)

    system.tick(61)

    assert (system.state(window), system.status(window)) == ("closed", "fail")
    assert (system.window(window).close_reason, system.window(window).closed_by) == (
        "lost",
        transitions.SYSTEM_ACTOR,
    )
    assert "local" in (system.window(window).close_detail or "")
    assert admit(system) == []


def test_it_is_lost_when_its_stack_is_gone_for_good(system: System) -> None:
    go_away(system)
    window = ask(system, "forge")
    with system.database.write() as session:
        stack = stacks.stack_by_name(session, "studio")
        assert stack
        published_stacks.forget_stack(session, stack, "it is gone", system.now)

    row = system.window(window)
    assert (row.state, row.status, row.close_reason) == ("closed", "fail", "lost")
    assert row.close_detail == "stack studio is no longer served by its node"


def test_it_is_lost_when_its_stack_is_rejected_meanwhile(system: System) -> None:
    go_away(system)
    window = ask(system, "forge")
    with system.database.write() as session:
        published_stacks.reject_stack(session, replace(studio(), services={}), ["no such file"], system.now)

    assert admit(system) == []

    assert (system.window(window).close_reason, system.state(window)) == ("lost", "closed")
    assert "no such file" in (system.window(window).close_detail or "")


def test_closing_it_closes_it_at_once(system: System) -> None:
    go_away(system)
    window = ask(system, "forge")
    system.close(window)
    assert (system.state(window), system.trail(window)) == ("closed", ["window.waiting", "window.closed"])


def test_extending_it_says_how_long_it_will_be_open_and_how_long_it_waits(system: System) -> None:
    go_away(system)
    window = ask(system, "forge", ttl=60)
    system.now += timedelta(seconds=30)
    with system.database.write() as session:
        extending.extend(session, window, 200, actor="ada", now=system.now)
    assert system.window(window).deadline == system.now + timedelta(seconds=200)

    admit(system)

    row = system.window(window)
    assert row.opening_at
    assert row.deadline - row.opening_at == timedelta(seconds=200)


def test_a_house_that_does_not_wait_says_who_is_away(system: System) -> None:
    go_away(system)
    with pytest.raises(NodeAway) as away, system.database.write() as session:
        opening.open_window(session, OpenRequest(["forge"]), actor="ada", now=system.now, wait_for_node=False)
    assert "'local'" in str(away.value)


def test_a_forced_close_does_not_wait_for_a_node_that_is_away(system: System) -> None:
    window = system.open("forge")
    go_away(system)

    with system.database.write() as session:
        closing.close(session, window, actor="ada", now=system.now, force=True)

    assert system.state(window) == "closed"
    assert "forge" in (system.window(window).close_detail or "")
    assert system.row("forge").stop_pending
    assert "forge" in system.running()
    system.work()
    assert "forge" not in system.running()


def test_a_close_that_was_forced_before_its_node_went_away_is_let_go(system: System) -> None:
    system.will_not_stop.add("forge")
    window = system.open("forge")
    appear(system, sign(system))
    with system.database.write() as session:
        closing.close(session, window, actor="ada", now=system.now, force=True)
    assert system.state(window) == "closing"
    system.now += AWAY_AFTER

    with system.database.write() as session:
        expiry.expire_due(session, system.now)

    assert system.state(window) == "closed"
    assert system.intact()


def test_refused_claims_are_on_record(system: System) -> None:
    with system.database.write() as session:
        claims.turned_down(session, sign(system), ["no"], system.now)
    (entry,) = said(system, Event.NODE_REFUSED)
    assert entry["faults"] == ["no"]
    with system.database.read() as session:
        assert all(proof.ok for proof in audit.verify(session))
