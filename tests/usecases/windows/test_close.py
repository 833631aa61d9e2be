"""Closing: what refuses to stop stays on record and is tried again; force lets go; nothing is forgotten."""

from __future__ import annotations

import contextlib
import json
from dataclasses import replace
from datetime import timedelta

import pytest

from app.domain.calls import CallOutcome, StartedCall
from app.domain.enums import Action, CallStatus, Power
from app.store import services
from app.store.tables import LONGEST_MS
from app.usecases.reconciliation import calls
from app.usecases.windows import close as closing
from tests.system import System, WorkerKilled, names


def test_closing_twice_is_closing_once(system: System) -> None:
    window = system.open("forge")
    system.close(window)
    before = system.trail()
    system.close(window)
    system.close(window, force=True)
    assert system.trail() == before


def test_a_service_that_would_not_stop_is_killed_and_tried_again_ever_later(system: System) -> None:
    system.will_not_stop.add("forge")
    window = system.open("forge")
    system.close(window)
    assert (system.state(window), system.made) == ("closing", ["up forge", "stop forge"])

    system.tick(9)
    assert system.made == ["up forge", "stop forge"]
    system.tick(2)
    assert system.made[2:] == ["kill forge"]
    system.tick(19)
    assert system.made[2:] == ["kill forge"]
    assert not system.window(window).stuck
    system.tick(2)
    assert system.made[2:] == ["kill forge"] * 2
    assert system.window(window).stuck
    assert system.trail().count("window.stuck") == 1

    system.tick(3600)
    system.tick(3600)
    assert system.row("forge").retry_at
    assert system.trail().count("window.stuck") == 1

    system.will_not_stop.clear()
    system.tick(300)
    assert (system.state(window), system.window(window).stuck) == ("closed", False)
    assert (system.row("forge").stop_pending, system.row("forge").failures) == (False, 0)


def test_what_is_stuck_is_on_record_with_the_last_error(system: System) -> None:
    system.will_not_stop.add("forge")
    window = system.open("forge", "mill")
    system.close(window)
    system.tick(11)
    assert "2 stops have failed, tried again at" in system.lease(window, "forge").detail
    system.tick(21)
    facts = system.facts("window.stuck")
    assert facts["failed_stops"] == {"forge": 3}
    assert facts["last_errors"] == {"forge": "cannot stop container"}


def test_a_window_is_stuck_no_longer_once_the_stuck_service_is_off(system: System) -> None:
    """Though it still closes, since another service has only begun to refuse."""
    system.will_not_stop.add("forge")
    window = system.open("forge", "mill")
    system.close(window)
    system.tick(11)
    system.tick(21)
    assert system.window(window).stuck

    system.run_by_hand("mill")
    with system.database.write() as session:
        services.of(session, "studio")["mill"].stop_pending = True
    system.will_not_stop = {"mill"}
    system.tick(300)
    assert (system.state(window), system.window(window).stuck) == ("closing", False)
    system.tick(11)
    system.tick(21)
    assert system.trail().count("window.stuck") == 2


def test_a_stop_that_says_well_and_changes_nothing_has_failed(system: System) -> None:
    system.will_not_hear.add("forge")
    window = system.open("forge")
    system.close(window)
    assert (system.made, system.row("forge").failures) == (["up forge", "stop forge"], 1)
    system.tick(9)
    assert system.made[2:] == []
    system.tick(2)
    system.tick(21)
    assert system.made[2:] == ["kill forge"] * 2
    assert system.window(window).stuck


def test_a_stop_that_takes_too_long_has_failed(system: System) -> None:
    system.stops_forever.add("forge")
    window = system.open("forge")
    system.close(window)
    system.tick(11)
    system.tick(21)
    assert system.made == ["up forge", "stop forge", "kill forge", "kill forge"]
    assert system.window(window).stuck


def test_the_pause_doubles_up_to_five_minutes_and_stays_there(system: System) -> None:
    system.will_not_stop.add("forge")
    system.close(system.open("forge"))
    pauses = []
    for _ in range(9):
        retry_at = system.row("forge").retry_at
        assert retry_at
        pauses.append(round((retry_at - system.now).total_seconds()))
        system.tick(pauses[-1] + 1)
    assert pauses == [10, 20, 40, 80, 160, 300, 300, 300, 300]


@pytest.mark.integration
@pytest.mark.parametrize("failures", [43, 1_024, 100_000])
def test_after_ever_so_many_failed_stops_the_stack_lives_on(system: System, failures: int) -> None:
    system.will_not_stop.add("forge")
    system.close(system.open("forge"))
    with system.database.write() as session:
        services.of(session, "studio")["forge"].failures = failures
    system.tick(300)

    assert system.row("forge").failures > failures
    assert system.state(system.open("mill")) == "open"
    system.will_not_stop.clear()
    system.tick(300)
    assert system.running() == {"redis", "mill"}


def test_a_call_of_a_month_is_put_on_record(system: System) -> None:
    window = system.open("forge")
    begun = StartedCall("studio", "forge", Action.STOP, ("docker",), "local", "w", window)
    with system.database.write() as session:
        call = calls.start_call(session, begun, system.now)
    with system.database.write() as session:
        calls.finish_call(session, call, CallOutcome(CallStatus.FAIL, 1, 31 * 86_400_000), system.now)

    assert [one.elapsed_ms for one in system.calls("forge")][-1] == LONGEST_MS


def test_a_new_window_forgives_what_would_not_stop(system: System) -> None:
    """Its own end begins with a stop again, at once and not when the old pause is over."""
    system.will_not_stop.add("forge")
    old = system.open("forge")
    system.close(old)
    system.tick(11)
    new = system.open("forge")
    assert (system.state(old), system.row("forge").failures) == ("closed", 0)

    system.will_not_stop.clear()
    system.made.clear()
    system.close(new)
    assert (system.made, system.state(new)) == (["stop forge"], "closed")


def test_who_forces_is_on_record_and_by_name(system: System) -> None:
    system.will_not_stop.add("forge")
    window = system.open("forge", actor="ada")
    system.close(window, actor="ada")
    system.close(window, actor="grace", force=True)
    said = [(one.actor, json.loads(one.facts).get("forced")) for one in system.said("window.closing")]
    assert said == [("ada", None), ("grace", True)]
    reason = system.window(window).close_detail
    assert reason == "forced by grace; still owing an off: forge"
    (closed,) = system.said("window.closed")
    why = {"reason": reason, "close_detail": reason, "close_reason": "forced", "closed_by": "grace"}
    assert json.loads(closed.facts) == {"status": "ok", "forced": True, **why}


def test_forcing_an_open_window_is_one_entry(system: System) -> None:
    window = system.open("forge")
    with system.database.write() as session:
        closing.close(session, window, actor="grace", now=system.now, reason="now", force=True)
    system.work()
    (entry,) = system.said("window.closing")
    facts = json.loads(entry.facts)
    assert (entry.actor, facts["forced"], facts["reason"]) == ("grace", True, "forced by grace: now")
    assert system.made[-1] == "kill forge"


def test_after_a_forced_close_the_last_stop_is_on_record(system: System) -> None:
    system.will_not_stop.add("forge")
    system.close(system.open("forge"), force=True)
    assert system.facts("drift.found")["why"] == "runs, though no window holds it, and would not stop"
    for _ in range(8):
        system.tick(301)
    assert system.trail().count("drift.found") == 1

    system.will_not_stop.clear()
    system.tick(301)
    assert system.trail()[-1] == "drift.stopped"
    assert system.running() == {"redis"}


def test_one_that_would_not_stop_does_not_keep_the_others_on(system: System) -> None:
    system.will_not_stop.add("api")
    window = system.open("api", "forge")
    system.heal("db")
    system.close(window)
    system.tick(11)
    assert system.running() == {"redis", "api"}
    assert system.state(window) == "closing"


def test_force_kills_and_lets_the_window_go_though_the_service_still_owes(system: System) -> None:
    system.will_not_stop.add("forge")
    window = system.open("forge")
    system.close(window, force=True)
    assert system.made == ["up forge", "kill forge"]
    assert system.state(window) == "closed"
    assert "forced" in (system.window(window).close_detail or "")
    assert system.row("forge").stop_pending
    assert "drift.found" in system.trail()

    system.will_not_stop.clear()
    system.tick(20)
    assert (system.row("forge").stop_pending, system.running()) == (False, {"redis"})


def test_force_does_not_wait_for_the_next_try_of_a_stuck_window(system: System) -> None:
    system.will_not_stop.add("forge")
    window = system.open("forge")
    system.close(window)
    system.tick(11)
    system.tick(21)
    assert system.window(window).stuck

    system.made.clear()
    system.close(window, force=True)
    assert (system.made, system.state(window)) == (["kill forge"], "closed")


def test_force_on_the_older_of_two_closing_windows_lets_that_one_go(system: System) -> None:
    system.will_not_stop.add("forge")
    older, newer = system.open("forge"), system.open("forge")
    with system.database.write() as session:
        for window in (older, newer):
            closing.close(session, window, actor="ada", now=system.now)
    system.work()
    system.close(older, force=True)
    assert (system.state(older), system.state(newer)) == ("closed", "closing")


def test_force_leaves_what_another_window_holds(system: System) -> None:
    mine, theirs = system.open("forge", "mill"), system.open("forge")
    system.close(mine, force=True)
    assert (system.state(mine), system.state(theirs)) == ("closed", "open")
    assert names(system.made, "kill") == ["mill"]


def test_a_stop_that_was_lost_is_made_again(system: System) -> None:
    window = system.open("forge")
    system.dies_at = "stop forge"
    with pytest.raises(WorkerKilled):
        system.close(window)
    system.restart_worker()
    assert system.made == ["up forge", "stop forge", "stop forge"]
    assert system.state(window) == "closed"
    assert system.trail().count("call.lost") == 1


@pytest.mark.integration
def test_stops_that_are_lost_again_and_again_wait_ever_longer_and_get_stuck(system: System) -> None:
    window = system.open("forge")
    with system.database.write() as session:
        closing.close(session, window, actor="ada", now=system.now)
    for _ in range(60):
        system.dies_at = "kill forge" if system.row("forge").failures else "stop forge"
        with contextlib.suppress(WorkerKilled):
            system.work()
        with system.database.write() as session:
            calls.record_lost_calls(session, "local", {"worker-1": True}, system.now)
        system.now += timedelta(seconds=1)
    assert system.made == ["up forge", "stop forge", "stop forge", "kill forge", "kill forge"]
    assert system.window(window).stuck

    system.dies_at = ""
    system.tick(300)
    assert (system.state(window), system.running()) == ("closed", {"redis"})


def test_an_off_is_not_confirmed_by_not_being_seen_alone(system: System) -> None:
    """A start that timed out may still come up: only a stop that returned 0 ends that."""
    system.times_out.add("forge")
    system.will_not_start.add("forge")
    window = system.open("forge")
    assert (system.status(window), system.state(window)) == ("fail", "closed")
    assert names(system.made, "stop") == ["forge"]
    assert not system.row("forge").stop_pending


def test_while_the_engine_is_away_nothing_is_confirmed(system: System) -> None:
    window = system.open("forge")
    system.away = True
    system.close(window)
    assert (system.state(window), system.power("forge")) == ("closing", Power.UNKNOWN)
    assert system.row("forge").stop_pending

    system.away = False
    system.tick(300)
    assert (system.state(window), system.running()) == ("closed", {"redis"})


def test_a_stop_that_returned_0_is_not_confirmed_while_the_engine_shows_nothing(system: System) -> None:
    """The start was cut off and may come up late; the stop found nothing to stop, and no look tells more."""
    system.times_out.add("forge")
    window = system.ask("forge")[0]
    system.attend_opening(window)
    with system.database.write() as session:
        closing.close(session, window, actor="ada", now=system.now)
    system.attend_closing()
    assert system.made[-1] == "stop forge"

    system.away = True
    for _ in range(5):
        system.now += timedelta(seconds=60)
        system.look()
        assert (system.state(window), system.row("forge").stop_pending) == ("closing", True)

    system.away = False
    system.work()
    assert (system.state(window), system.row("forge").stop_pending) == ("closed", False)


@pytest.mark.integration
def test_stops_that_nobody_can_confirm_are_made_ever_later(system: System) -> None:
    window = system.open("forge")
    system.shows_nothing = True
    system.close(window)
    for _ in range(600):
        system.tick(1)
    assert 2 <= len(names(system.made, "stop")) <= 9
    assert (system.state(window), system.window(window).stuck) == ("closing", False)

    system.shows_nothing = False
    system.tick(1)
    assert (system.state(window), system.running()) == ("closed", {"redis"})


def test_an_engine_that_answers_again_is_asked_to_stop_at_once_and_gently(system: System) -> None:
    window = system.open("forge")
    system.away = True
    system.close(window)
    system.tick(11)
    assert system.row("forge").failures == 2

    system.away = False
    system.tick(1)
    assert (system.state(window), system.running()) == ("closed", {"redis"})
    assert system.made[-1] == "stop forge"


def test_an_owed_off_survives_the_window_the_worker_and_the_allowlist(system: System) -> None:
    system.will_not_stop.add("forge")
    window = system.open("forge")
    system.close(window, force=True)
    assert system.state(window) == "closed"

    without = {name: one for name, one in system.spec.services.items() if name != "forge"}
    system.publish(replace(system.spec, services=without, digest="another"))
    system.will_not_stop.clear()
    system.restart_worker()
    system.tick(600)
    assert (system.row("forge").stop_pending, system.running()) == (False, {"redis"})
