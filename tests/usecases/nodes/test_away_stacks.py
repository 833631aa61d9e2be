"""Which stacks are away, and the windows that wait for their node."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from app.domain.enums import Role
from app.domain.errors import NodeAway
from app.domain.nodes import AWAY_AFTER
from app.domain.stack_id import StackId
from app.store import stacks, workers
from app.usecases.nodes import claims, published_stacks
from app.usecases.windows import close as closing
from app.usecases.windows import expire as expiry
from app.usecases.windows import extend as extending
from app.usecases.windows import open as opening
from app.usecases.windows import transitions
from app.usecases.windows.open import OpenRequest
from tests.system import System, allowed, studio
from tests.usecases.nodes.heartbeats import admit, appear, ask, go_away, sign

# Away.


def is_away(system: System) -> bool:
    with system.database.read() as session:
        row = stacks.stack_by_name(session, StackId("studio"))
        assert row
        return workers.is_away(session, row, system.now) is not None


def test_a_stack_is_away_without_a_heartbeat_of_a_worker_that_serves_it(system: System) -> None:
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
        stack = stacks.stack_by_name(session, StackId("studio"))
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


def test_without_waiting_an_away_node_is_named(system: System) -> None:
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
