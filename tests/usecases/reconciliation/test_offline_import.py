"""What was done blind enters the trail once, marked, with its real times, and says what it cut."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

from app.domain.calls import CallOutcome, StartedCall
from app.domain.enums import Action, CallStatus, Event, State
from app.domain.stack_id import StackId
from app.store import audit, services
from app.store.tables import Entry
from app.usecases.reconciliation import calls, offline_import
from app.usecases.reconciliation.offline_import import JournalPage, OfflineCall, OfflineEnd, OfflineRecord
from tests.system import System

DONE = CallOutcome(CallStatus.OK, 0, 300)


def stop(service: str, window: str | None = None, action: Action = Action.STOP) -> StartedCall:
    argv = ("docker", "compose", str(action), "--", service)
    return StartedCall(StackId("studio"), service, action, argv, "local", "worker-9", window)


def exits(system: System, service: str) -> None:
    """Without an inspection."""
    system.containers[service] = replace(system.containers[service], state="exited", exit_code=143)


def made(system: System, id: str, begun: StartedCall, outcome: CallOutcome | None = DONE) -> OfflineCall:
    at = system.now
    return OfflineCall(id, begun, at, outcome, at + timedelta(seconds=1) if outcome else None)


def import_pages(system: System, *pages: JournalPage) -> None:
    system.now += timedelta(seconds=60)
    with system.database.write() as session:
        offline_import.import_journals(session, "local", pages, system.now)


def facts(system: System, event: Event) -> list[dict[str, Any]]:
    with system.database.read() as session:
        entries: list[Entry] = audit.entries(session, limit=1000)
    return [json.loads(one.facts) for one in entries if one.event == event]


def blind(system: System) -> list[dict[str, Any]]:
    return [one for one in facts(system, Event.CALL_FINISHED) if one.get("blind")]


def test_a_blind_stop_is_recorded_once_after_several_imports(system: System) -> None:
    window = system.open("forge", ttl=60)
    system.now += timedelta(seconds=100)
    outage = OfflineRecord("outage", "worker-9", system.now, None, 1)
    page = JournalPage([made(system, "one", stop("forge", window))], [], [outage])
    exits(system, "forge")

    import_pages(system, page)
    import_pages(system, page)
    system.tick(0)

    assert system.state(window) == State.CLOSED
    (finished,) = blind(system)
    assert finished["started_at"] < finished["finished_at"]
    (facts_of_outage,) = facts(system, Event.NODE_BLIND)
    assert (facts_of_outage["calls"], facts_of_outage["node"], facts_of_outage["workers"]) == (
        1,
        "local",
        ["worker-9"],
    )
    assert not system.row("forge").stop_pending
    # It was undone blind, so nothing is left to be undone.
    assert "stop forge" not in system.made
    assert system.intact()


def test_a_blind_stop_with_an_unseen_end_is_lost_and_inspected_again(system: System) -> None:
    window = system.open("forge", ttl=60)
    system.now += timedelta(seconds=100)

    import_pages(system, JournalPage([made(system, "one", stop("forge", window), None)]))
    system.tick(0)

    (lost,) = facts(system, Event.CALL_LOST)
    assert lost["blind"] is True
    assert system.state(window) == State.CLOSED
    assert "stop forge" in system.made


def test_a_window_that_was_cut_short_is_named_and_says_why(system: System) -> None:
    window = system.open("forge", ttl=60)
    system.extend(window, 600)
    system.now += timedelta(seconds=100)
    page = JournalPage([made(system, "one", stop("forge", window))])
    exits(system, "forge")

    import_pages(system, page)
    system.tick(0)

    (started,) = [one for one in facts(system, Event.CALL_STARTED) if one.get("blind")]
    assert started["cut"] == [window]
    assert system.state(window) == State.OPEN
    assert "stopped blind" in system.lease(window, "forge").detail
    assert system.status(window) == "partial"


def test_what_was_started_since_is_not_thought_undone(system: System) -> None:
    first = system.open("forge", ttl=60)
    system.now += timedelta(seconds=100)
    page = JournalPage([made(system, "one", stop("forge", first))])
    exits(system, "forge")
    system.tick(5)
    second = system.open("forge", ttl=600)
    assert system.row("forge").unsure

    import_pages(system, page)
    system.tick(0)

    assert system.row("forge").unsure
    assert (system.state(second), system.status(second)) == ("open", "ok")


def test_a_stop_that_failed_blind_is_a_failed_stop(system: System) -> None:
    window = system.open("forge", ttl=60)
    system.now += timedelta(seconds=100)
    failed = CallOutcome(CallStatus.FAIL, 1, 20, stderr="cannot stop container")

    import_pages(system, JournalPage([made(system, "one", stop("forge", window), failed)]))

    assert system.row("forge").failures == 1


def test_the_end_of_a_call_is_reported_late_and_only_once(system: System) -> None:
    system.open("forge")
    with system.database.write() as session:
        call = calls.start_call(session, stop("forge"), system.now)
    ended = JournalPage([], [OfflineEnd(call, DONE, system.now)])

    import_pages(system, ended)
    import_pages(system, ended)

    stops = [one for one in facts(system, Event.CALL_FINISHED) if one["action"] == "stop"]
    assert len(stops) == 1
    with system.database.read() as session:
        assert services.running_calls(session, "local") == []


def test_one_outage_that_two_workers_went_through_is_one_entry(system: System) -> None:
    since = system.now
    dead = JournalPage(
        [made(system, "one", stop("forge"), None)], [], [OfflineRecord("a", "worker-8", since, None, 1)]
    )
    mine = JournalPage(
        [made(system, "two", stop("forge"))], [], [OfflineRecord("b", "worker-9", since, since, 1)]
    )

    import_pages(system, dead, mine)

    (facts_of_outage,) = facts(system, Event.NODE_BLIND)
    assert (facts_of_outage["calls"], facts_of_outage["workers"]) == (2, ["worker-8", "worker-9"])
