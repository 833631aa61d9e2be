"""What was done blind enters the trail once, marked, with its real times, and says what it cut."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

from app.domain.enums import Action, CallStatus, Event, State
from app.store import audit, services
from app.store.tables import Entry
from app.usecases.reconciliation import observations, offline_import
from app.usecases.reconciliation.observations import CallOutcome, StartedCall
from app.usecases.reconciliation.offline_import import JournalPage, OfflineCall, OfflineEnd, OfflineRecord
from tests.system import System

DONE = CallOutcome(CallStatus.OK, 0, 300)


def stop(service: str, window: str | None = None, action: Action = Action.STOP) -> StartedCall:
    argv = ("docker", "compose", str(action), "--", service)
    return StartedCall("studio", service, action, argv, "local", "worker-9", window)


def exits(house: System, service: str) -> None:
    """While nobody looks."""
    house.containers[service] = replace(house.containers[service], state="exited", exit_code=143)


def made(house: System, id: str, begun: StartedCall, outcome: CallOutcome | None = DONE) -> OfflineCall:
    at = house.now
    return OfflineCall(id, begun, at, outcome, at + timedelta(seconds=1) if outcome else None)


def take_in(house: System, *pages: JournalPage) -> None:
    house.now += timedelta(seconds=60)
    with house.database.write() as session:
        offline_import.take_in(session, "local", pages, house.now)


def facts(house: System, event: Event) -> list[dict[str, Any]]:
    with house.database.read() as session:
        entries: list[Entry] = audit.entries(session, limit=1000)
    return [json.loads(one.facts) for one in entries if one.event == event]


def blind(house: System) -> list[dict[str, Any]]:
    return [one for one in facts(house, Event.CALL_FINISHED) if one.get("blind")]


def test_a_blind_stop_is_on_record_once_however_often_it_is_taken_in(house: System) -> None:
    window = house.open("forge", ttl=60)
    house.now += timedelta(seconds=100)
    outage = OfflineRecord("outage", "worker-9", house.now, None, 1)
    page = JournalPage([made(house, "one", stop("forge", window))], [], [outage])
    exits(house, "forge")

    take_in(house, page)
    take_in(house, page)
    house.tick(0)

    assert house.state(window) == State.CLOSED
    (finished,) = blind(house)
    assert finished["started_at"] < finished["finished_at"]
    (told,) = facts(house, Event.NODE_BLIND)
    assert (told["calls"], told["node"], told["workers"]) == (1, "local", ["worker-9"])
    assert not house.row("forge").owed
    # It was undone blind, so nothing is left to be undone.
    assert "stop forge" not in house.made
    assert house.intact()


def test_a_blind_stop_whose_end_nobody_saw_is_lost_and_the_truth_looked_up(house: System) -> None:
    window = house.open("forge", ttl=60)
    house.now += timedelta(seconds=100)

    take_in(house, JournalPage([made(house, "one", stop("forge", window), None)]))
    house.tick(0)

    (lost,) = facts(house, Event.CALL_LOST)
    assert lost["blind"] is True
    assert house.state(window) == State.CLOSED
    assert "stop forge" in house.made


def test_a_window_that_was_cut_short_is_named_and_says_why(house: System) -> None:
    window = house.open("forge", ttl=60)
    house.extend(window, 600)
    house.now += timedelta(seconds=100)
    page = JournalPage([made(house, "one", stop("forge", window))])
    exits(house, "forge")

    take_in(house, page)
    house.tick(0)

    (started,) = [one for one in facts(house, Event.CALL_STARTED) if one.get("blind")]
    assert started["cut"] == [window]
    assert house.state(window) == State.OPEN
    assert "stopped blind" in house.lease(window, "forge").detail
    assert house.status(window) == "partial"


def test_what_was_started_since_is_not_thought_undone(house: System) -> None:
    first = house.open("forge", ttl=60)
    house.now += timedelta(seconds=100)
    page = JournalPage([made(house, "one", stop("forge", first))])
    exits(house, "forge")
    house.tick(5)
    second = house.open("forge", ttl=600)
    assert house.row("forge").unsure

    take_in(house, page)
    house.tick(0)

    assert house.row("forge").unsure
    assert (house.state(second), house.status(second)) == ("open", "ok")


def test_a_stop_that_failed_blind_is_a_failed_stop(house: System) -> None:
    window = house.open("forge", ttl=60)
    house.now += timedelta(seconds=100)
    failed = CallOutcome(CallStatus.FAIL, 1, 20, stderr="cannot stop container")

    take_in(house, JournalPage([made(house, "one", stop("forge", window), failed)]))

    assert house.row("forge").failures == 1


def test_the_end_of_a_call_is_told_late_and_only_once(house: System) -> None:
    house.open("forge")
    with house.database.write() as session:
        call = observations.call_started(session, stop("forge"), house.now)
    ended = JournalPage([], [OfflineEnd(call, DONE, house.now)])

    take_in(house, ended)
    take_in(house, ended)

    stops = [one for one in facts(house, Event.CALL_FINISHED) if one["action"] == "stop"]
    assert len(stops) == 1
    with house.database.read() as session:
        assert services.running_calls(session, "local") == []


def test_one_outage_that_two_workers_went_through_is_one_entry(house: System) -> None:
    since = house.now
    dead = JournalPage(
        [made(house, "one", stop("forge"), None)], [], [OfflineRecord("a", "worker-8", since, None, 1)]
    )
    mine = JournalPage(
        [made(house, "two", stop("forge"))], [], [OfflineRecord("b", "worker-9", since, since, 1)]
    )

    take_in(house, dead, mine)

    (told,) = facts(house, Event.NODE_BLIND)
    assert (told["calls"], told["workers"]) == (2, ["worker-8", "worker-9"])
