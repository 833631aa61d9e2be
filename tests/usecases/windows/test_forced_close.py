"""Closing with force: it lets windows go, and is on record by name."""

from __future__ import annotations

import json

from app.usecases.windows import close as closing
from tests.system import System, names


def test_who_forces_is_on_record_and_by_name(system: System) -> None:
    system.will_not_stop.add("forge")
    window = system.open("forge", actor="ada")
    system.close(window, actor="ada")
    system.close(window, actor="grace", force=True)
    closings = [(one.actor, json.loads(one.facts).get("forced")) for one in system.said("window.closing")]
    assert closings == [("ada", None), ("grace", True)]
    reason = system.window(window).close_detail
    assert reason == "forced by grace; not confirmed off: forge"
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
