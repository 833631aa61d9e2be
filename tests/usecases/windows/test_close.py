"""Closing: what refuses to stop stays on record and is tried again; force lets go; nothing is forgotten."""

from __future__ import annotations

import contextlib
import json
from dataclasses import replace
from datetime import timedelta

import pytest

from app.domain.enums import Action, CallStatus, Power
from app.store import services
from app.store.tables import LONGEST_MS
from app.usecases.reconciliation import observations
from app.usecases.reconciliation.observations import CallOutcome, StartedCall
from app.usecases.windows import transitions
from tests.system import System, WorkerKilled, names


def test_closing_twice_is_closing_once(house: System) -> None:
    window = house.open("forge")
    house.close(window)
    before = house.trail()
    house.close(window)
    house.close(window, force=True)
    assert house.trail() == before


def test_a_service_that_would_not_stop_is_killed_and_tried_again_ever_later(house: System) -> None:
    house.will_not_stop.add("forge")
    window = house.open("forge")
    house.close(window)
    assert (house.state(window), house.made) == ("closing", ["up forge", "stop forge"])

    house.tick(9)
    assert house.made == ["up forge", "stop forge"]
    house.tick(2)
    assert house.made[2:] == ["kill forge"]
    house.tick(19)
    assert house.made[2:] == ["kill forge"]
    assert not house.window(window).stuck
    house.tick(2)
    assert house.made[2:] == ["kill forge"] * 2
    assert house.window(window).stuck
    assert house.trail().count("window.stuck") == 1

    house.tick(3600)
    house.tick(3600)
    assert house.row("forge").retry_at
    assert house.trail().count("window.stuck") == 1

    house.will_not_stop.clear()
    house.tick(300)
    assert (house.state(window), house.window(window).stuck) == ("closed", False)
    assert (house.row("forge").owed, house.row("forge").failures) == (False, 0)


def test_what_is_stuck_is_on_record_with_the_last_error(house: System) -> None:
    house.will_not_stop.add("forge")
    window = house.open("forge", "mill")
    house.close(window)
    house.tick(11)
    assert "2 stops have failed, tried again at" in house.lease(window, "forge").detail
    house.tick(21)
    facts = house.facts("window.stuck")
    assert facts["failed_stops"] == {"forge": 3}
    assert facts["last_errors"] == {"forge": "cannot stop container"}


def test_a_window_is_stuck_no_longer_once_the_stuck_service_is_off(house: System) -> None:
    """Though it still closes, since another service has only begun to refuse."""
    house.will_not_stop.add("forge")
    window = house.open("forge", "mill")
    house.close(window)
    house.tick(11)
    house.tick(21)
    assert house.window(window).stuck

    house.run_by_hand("mill")
    with house.database.write() as session:
        services.of(session, "studio")["mill"].owed = True
    house.will_not_stop = {"mill"}
    house.tick(300)
    assert (house.state(window), house.window(window).stuck) == ("closing", False)
    house.tick(11)
    house.tick(21)
    assert house.trail().count("window.stuck") == 2


def test_a_stop_that_says_well_and_changes_nothing_has_failed(house: System) -> None:
    house.will_not_hear.add("forge")
    window = house.open("forge")
    house.close(window)
    assert (house.made, house.row("forge").failures) == (["up forge", "stop forge"], 1)
    house.tick(9)
    assert house.made[2:] == []
    house.tick(2)
    house.tick(21)
    assert house.made[2:] == ["kill forge"] * 2
    assert house.window(window).stuck


def test_a_stop_that_takes_too_long_has_failed(house: System) -> None:
    house.stops_forever.add("forge")
    window = house.open("forge")
    house.close(window)
    house.tick(11)
    house.tick(21)
    assert house.made == ["up forge", "stop forge", "kill forge", "kill forge"]
    assert house.window(window).stuck


def test_the_pause_doubles_up_to_five_minutes_and_stays_there(house: System) -> None:
    house.will_not_stop.add("forge")
    house.close(house.open("forge"))
    pauses = []
    for _ in range(9):
        retry_at = house.row("forge").retry_at
        assert retry_at
        pauses.append(round((retry_at - house.now).total_seconds()))
        house.tick(pauses[-1] + 1)
    assert pauses == [10, 20, 40, 80, 160, 300, 300, 300, 300]


@pytest.mark.parametrize("failures", [43, 1_024, 100_000])
def test_after_ever_so_many_failed_stops_the_stack_lives_on(house: System, failures: int) -> None:
    house.will_not_stop.add("forge")
    house.close(house.open("forge"))
    with house.database.write() as session:
        services.of(session, "studio")["forge"].failures = failures
    house.tick(300)

    assert house.row("forge").failures > failures
    assert house.state(house.open("mill")) == "open"
    house.will_not_stop.clear()
    house.tick(300)
    assert house.running() == {"redis", "mill"}


def test_a_call_of_a_month_is_put_on_record(house: System) -> None:
    window = house.open("forge")
    begun = StartedCall("studio", "forge", Action.STOP, ("docker",), "local", "w", window)
    with house.database.write() as session:
        call = observations.call_started(session, begun, house.now)
    with house.database.write() as session:
        observations.call_finished(session, call, CallOutcome(CallStatus.FAIL, 1, 31 * 86_400_000), house.now)

    assert [one.elapsed_ms for one in house.calls("forge")][-1] == LONGEST_MS


def test_a_new_window_forgives_what_would_not_stop(house: System) -> None:
    """Its own end begins with a stop again, at once and not when the old pause is over."""
    house.will_not_stop.add("forge")
    old = house.open("forge")
    house.close(old)
    house.tick(11)
    new = house.open("forge")
    assert (house.state(old), house.row("forge").failures) == ("closed", 0)

    house.will_not_stop.clear()
    house.made.clear()
    house.close(new)
    assert (house.made, house.state(new)) == (["stop forge"], "closed")


def test_who_forces_is_on_record_and_by_name(house: System) -> None:
    house.will_not_stop.add("forge")
    window = house.open("forge", actor="ada")
    house.close(window, actor="ada")
    house.close(window, actor="grace", force=True)
    said = [(one.actor, json.loads(one.facts).get("forced")) for one in house.said("window.closing")]
    assert said == [("ada", None), ("grace", True)]
    reason = house.window(window).close_detail
    assert reason == "forced by grace; still owing an off: forge"
    (closed,) = house.said("window.closed")
    why = {"reason": reason, "close_detail": reason, "close_reason": "forced", "closed_by": "grace"}
    assert json.loads(closed.facts) == {"status": "ok", "forced": True, **why}


def test_forcing_an_open_window_is_one_entry(house: System) -> None:
    window = house.open("forge")
    with house.database.write() as session:
        transitions.close(session, window, actor="grace", now=house.now, reason="now", force=True)
    house.work()
    (closing,) = house.said("window.closing")
    facts = json.loads(closing.facts)
    assert (closing.actor, facts["forced"], facts["reason"]) == ("grace", True, "forced by grace: now")
    assert house.made[-1] == "kill forge"


def test_after_a_forced_close_the_last_stop_is_on_record(house: System) -> None:
    house.will_not_stop.add("forge")
    house.close(house.open("forge"), force=True)
    assert house.facts("drift.found")["why"] == "runs, though no window holds it, and would not stop"
    for _ in range(8):
        house.tick(301)
    assert house.trail().count("drift.found") == 1

    house.will_not_stop.clear()
    house.tick(301)
    assert house.trail()[-1] == "drift.stopped"
    assert house.running() == {"redis"}


def test_one_that_would_not_stop_does_not_keep_the_others_on(house: System) -> None:
    house.will_not_stop.add("api")
    window = house.open("api", "forge")
    house.heal("db")
    house.close(window)
    house.tick(11)
    assert house.running() == {"redis", "api"}
    assert house.state(window) == "closing"


def test_force_kills_and_lets_the_window_go_though_the_service_still_owes(house: System) -> None:
    house.will_not_stop.add("forge")
    window = house.open("forge")
    house.close(window, force=True)
    assert house.made == ["up forge", "kill forge"]
    assert house.state(window) == "closed"
    assert "forced" in (house.window(window).close_detail or "")
    assert house.row("forge").owed
    assert "drift.found" in house.trail()

    house.will_not_stop.clear()
    house.tick(20)
    assert (house.row("forge").owed, house.running()) == (False, {"redis"})


def test_force_does_not_wait_for_the_next_try_of_a_stuck_window(house: System) -> None:
    house.will_not_stop.add("forge")
    window = house.open("forge")
    house.close(window)
    house.tick(11)
    house.tick(21)
    assert house.window(window).stuck

    house.made.clear()
    house.close(window, force=True)
    assert (house.made, house.state(window)) == (["kill forge"], "closed")


def test_force_on_the_older_of_two_closing_windows_lets_that_one_go(house: System) -> None:
    house.will_not_stop.add("forge")
    older, newer = house.open("forge"), house.open("forge")
    with house.database.write() as session:
        for window in (older, newer):
            transitions.close(session, window, actor="ada", now=house.now)
    house.work()
    house.close(older, force=True)
    assert (house.state(older), house.state(newer)) == ("closed", "closing")


def test_force_leaves_what_another_window_holds(house: System) -> None:
    mine, theirs = house.open("forge", "mill"), house.open("forge")
    house.close(mine, force=True)
    assert (house.state(mine), house.state(theirs)) == ("closed", "open")
    assert names(house.made, "kill") == ["mill"]


def test_a_stop_that_was_lost_is_made_again(house: System) -> None:
    window = house.open("forge")
    house.dies_at = "stop forge"
    with pytest.raises(WorkerKilled):
        house.close(window)
    house.restart_worker()
    assert house.made == ["up forge", "stop forge", "stop forge"]
    assert house.state(window) == "closed"
    assert house.trail().count("call.lost") == 1


def test_stops_that_are_lost_again_and_again_wait_ever_longer_and_get_stuck(house: System) -> None:
    window = house.open("forge")
    with house.database.write() as session:
        transitions.close(session, window, actor="ada", now=house.now)
    for _ in range(60):
        house.dies_at = "kill forge" if house.row("forge").failures else "stop forge"
        with contextlib.suppress(WorkerKilled):
            house.work()
        with house.database.write() as session:
            observations.lost_calls(session, "local", {"worker-1": True}, house.now)
        house.now += timedelta(seconds=1)
    assert house.made == ["up forge", "stop forge", "stop forge", "kill forge", "kill forge"]
    assert house.window(window).stuck

    house.dies_at = ""
    house.tick(300)
    assert (house.state(window), house.running()) == ("closed", {"redis"})


def test_an_off_is_not_confirmed_by_not_being_seen_alone(house: System) -> None:
    """A start that timed out may still come up: only a stop that returned 0 ends that."""
    house.times_out.add("forge")
    house.will_not_start.add("forge")
    window = house.open("forge")
    assert (house.status(window), house.state(window)) == ("fail", "closed")
    assert names(house.made, "stop") == ["forge"]
    assert not house.row("forge").owed


def test_while_the_engine_is_away_nothing_is_confirmed(house: System) -> None:
    window = house.open("forge")
    house.away = True
    house.close(window)
    assert (house.state(window), house.power("forge")) == ("closing", Power.UNKNOWN)
    assert house.row("forge").owed

    house.away = False
    house.tick(300)
    assert (house.state(window), house.running()) == ("closed", {"redis"})


def test_a_stop_that_returned_0_is_not_confirmed_while_the_engine_shows_nothing(house: System) -> None:
    """The start was cut off and may come up late; the stop found nothing to stop, and no look tells more."""
    house.times_out.add("forge")
    window = house.ask("forge")[0]
    house.attend_opening(window)
    with house.database.write() as session:
        transitions.close(session, window, actor="ada", now=house.now)
    house.attend_closing()
    assert house.made[-1] == "stop forge"

    house.away = True
    for _ in range(5):
        house.now += timedelta(seconds=60)
        house.look()
        assert (house.state(window), house.row("forge").owed) == ("closing", True)

    house.away = False
    house.work()
    assert (house.state(window), house.row("forge").owed) == ("closed", False)


def test_stops_that_nobody_can_confirm_are_made_ever_later(house: System) -> None:
    window = house.open("forge")
    house.shows_nothing = True
    house.close(window)
    for _ in range(600):
        house.tick(1)
    assert 2 <= len(names(house.made, "stop")) <= 9
    assert (house.state(window), house.window(window).stuck) == ("closing", False)

    house.shows_nothing = False
    house.tick(1)
    assert (house.state(window), house.running()) == ("closed", {"redis"})


def test_an_engine_that_answers_again_is_asked_to_stop_at_once_and_gently(house: System) -> None:
    window = house.open("forge")
    house.away = True
    house.close(window)
    house.tick(11)
    assert house.row("forge").failures == 2

    house.away = False
    house.tick(1)
    assert (house.state(window), house.running()) == ("closed", {"redis"})
    assert house.made[-1] == "stop forge"


def test_an_owed_off_survives_the_window_the_worker_and_the_allowlist(house: System) -> None:
    house.will_not_stop.add("forge")
    window = house.open("forge")
    house.close(window, force=True)
    assert house.state(window) == "closed"

    without = {name: one for name, one in house.spec.services.items() if name != "forge"}
    house.publish(replace(house.spec, services=without, digest="another"))
    house.will_not_stop.clear()
    house.restart_worker()
    house.tick(600)
    assert (house.row("forge").owed, house.running()) == (False, {"redis"})
