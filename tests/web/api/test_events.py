"""Events and waits: one tail for all, a seat for each."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from app.domain.enums import Event
from app.store import audit
from app.usecases.windows.transitions import SYSTEM_ACTOR
from app.web.context import WebContext
from app.web.event_feed import EventFeed
from app.web.stream_capacity import StreamCapacity
from tests.system import System
from tests.web.api.test_windows import opened
from tests.web.caller import Answer, Caller


@pytest.fixture
def front(api: Caller) -> WebContext:
    context: WebContext = api.client.application.extensions["power-windows"]
    return context


def told(answer: Answer) -> Iterator[str]:
    """The words of a stream's events, as they come."""
    for chunk in answer.iter_encoded():
        for line in chunk.decode().splitlines():
            if line.startswith("event: "):
                yield line.removeprefix("event: ")


def test_a_stream_begins_with_the_id_of_now(api: Caller, system: System) -> None:
    answer = api.get("/events", buffered=False)
    assert answer.mimetype == "text/event-stream"
    heads = {"house": 1, "studio": len(system.entries())}
    place = ",".join(f"{chain}:{seq}" for chain, seq in heads.items())
    assert next(answer.iter_encoded()).decode() == f"retry: 2000\nid: {place}\n\n"
    answer.close()


def test_a_stream_resumes_after_any_event_and_misses_nothing(api: Caller, system: System) -> None:
    opened(api, "forge")
    system.work()
    every = [entry.event for entry in system.entries()]
    for last in range(len(every)):
        answer = api.get("/events", headers={"Last-Event-ID": f"house:1,studio:{last}"}, buffered=False)
        words = told(answer)
        assert [next(words) for _ in every[last:]] == every[last:]
        answer.close()


def test_the_place_may_come_in_the_address(api: Caller, system: System) -> None:
    answer = api.get("/events?last_event_id=house:1", buffered=False)
    assert next(told(answer)) == system.trail()[0]
    answer.close()


def test_a_place_from_another_life_of_the_database_hides_nothing(api: Caller, system: System) -> None:
    answer = api.get("/events", headers={"Last-Event-ID": "house:1,studio:999999"}, buffered=False)
    words = told(answer)
    before = len(system.entries())
    opened(api, "forge")
    assert [next(words) for _ in system.entries()[before:]] == system.trail()[before:]
    answer.close()


@pytest.mark.parametrize("place", ["7", "house", "house:-1", "house:x", ",", "house:1" + "0" * 30, "a b:1"])
def test_an_id_that_is_not_from_here_is_422(api: Caller, place: str) -> None:
    answer = api.get("/events", headers={"Last-Event-ID": place})
    assert (answer.status_code, answer.json["field"]) == (422, "Last-Event-ID")


def test_a_revoked_token_ends_its_streams(api: Caller, system: System) -> None:
    answer = api.get("/events", buffered=False)
    words = told(answer)
    with system.database.write() as session:
        audit.record(session, Event.TOKEN_REVOKED, actor=SYSTEM_ACTOR, now=system.now, name="ada")
    assert list(words) == ["token.revoked"]
    answer.close()


def test_a_stream_too_many_gets_429_with_retry_after(api: Caller, front: WebContext) -> None:
    front.streams.limit = 1
    first = api.get("/events", buffered=False)
    second = api.get("/events")
    assert (second.status_code, second.json["limit"]) == (429, 1)
    assert second.headers["Retry-After"]
    first.close()
    assert front.streams.in_use == 0
    third = api.get("/events", buffered=False)
    assert third.status_code == 200
    third.close()


def test_a_head_of_a_stream_has_an_end(api: Caller, front: WebContext) -> None:
    answer = api.open("HEAD", "/api/v1/events", headers={"Authorization": f"Bearer {api.token}"})
    assert (answer.status_code, front.streams.in_use) == (200, 0)


def test_a_wait_whose_time_is_up_answers_with_how_far_it_is(api: Caller) -> None:
    answer = api.post("/windows", {"services": ["forge"]}, headers={"Prefer": "respond-async, wait=0"})
    assert (answer.status_code, answer.json["state"]) == (202, "opening")
    assert answer.headers["Preference-Applied"] == "wait=0"


@pytest.mark.parametrize("prefer", ["wait", "wait=x", "wait=-1", "wait=1.5", "return=minimal"])
def test_a_preference_that_cannot_be_read_is_none(api: Caller, prefer: str) -> None:
    answer = api.post("/windows", {"services": ["forge"]}, headers={"Prefer": prefer})
    assert answer.status_code == 202
    assert "Preference-Applied" not in answer.headers


def test_a_failed_opening_ends_a_wait(api: Caller, system: System) -> None:
    system.will_not_start.add("forge")
    window = opened(api, "forge")["id"]
    system.work()
    answer = api.post(f"/windows/{window}/close", headers={"Prefer": "wait=60"})
    assert (answer.status_code, answer.json["status"]) == (200, "fail")


def test_who_finds_no_seat_to_wait_in_is_answered_at_once(
    api: Caller, front: WebContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(front.window_waits, "capacity", StreamCapacity(0))
    answer = api.post("/windows", {"services": ["forge"]}, headers={"Prefer": "wait=60"})
    assert (answer.status_code, "Preference-Applied" in answer.headers) == (202, False)


def test_who_falls_behind_reads_for_itself(
    api: Caller, system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.web.event_feed.BUFFERED_ENTRIES", 2)
    tail = EventFeed(system.database)
    front = api.client.application.extensions["power-windows"]
    monkeypatch.setattr(WebContext, "event_feed", tail, raising=False)
    assert front.event_feed is tail
    answer = api.get("/events", buffered=False)
    words = told(answer)
    before = len(system.entries())
    for _ in range(4):
        opened(api, "forge")
        system.work()
    expected = system.trail()[before:]
    assert [next(words) for _ in expected] == expected
    answer.close()
    tail.stop()
