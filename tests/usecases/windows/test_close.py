"""Closing: what refuses to stop stays on record and is tried again; force lets go; nothing is forgotten."""

from __future__ import annotations

import pytest

from app.domain.calls import CallOutcome, StartedCall
from app.domain.enums import Action, CallStatus
from app.domain.stack_id import StackId
from app.store import services
from app.store.tables import LONGEST_MS
from app.usecases.reconciliation import calls
from tests.system import System


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
        services.of(session, StackId("studio"))["mill"].stop_pending = True
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
        services.of(session, StackId("studio"))["forge"].failures = failures
    system.tick(300)

    assert system.row("forge").failures > failures
    assert system.state(system.open("mill")) == "open"
    system.will_not_stop.clear()
    system.tick(300)
    assert system.running() == {"redis", "mill"}


def test_a_call_of_a_month_is_put_on_record(system: System) -> None:
    window = system.open("forge")
    begun = StartedCall(StackId("studio"), "forge", Action.STOP, ("docker",), "local", "w", window)
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


def test_one_that_would_not_stop_does_not_keep_the_others_on(system: System) -> None:
    system.will_not_stop.add("api")
    window = system.open("api", "forge")
    system.heal("db")
    system.close(window)
    system.tick(11)
    assert system.running() == {"redis", "api"}
    assert system.state(window) == "closing"
