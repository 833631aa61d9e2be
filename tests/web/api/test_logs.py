"""Logs over HTTP: asked of the window's node by a row, answered into the row, gone when they are read."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from flask import Flask

from app.domain.enums import Event
from app.domain.stack_id import StackId
from app.store import audit
from app.store import log_reads as rows
from app.store.tables import Node, Token, Worker
from app.usecases import logs
from app.web import log_reading
from tests.system import System
from tests.web.api.log_worker import LogWorker, left_behind, line
from tests.web.api.test_windows import opened
from tests.web.caller import Caller, Remembering, lines


@pytest.fixture
def worker(log_worker: LogWorker) -> LogWorker:
    return log_worker


@pytest.fixture(autouse=True)
def _briskly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_reading, "FOLLOW_INTERVAL", 0.02)
    monkeypatch.setattr(log_reading, "ANSWER_TIMEOUT", 0.2)


def test_the_lines_of_a_windows_services_are_read_and_leave_nothing_behind(
    api: Caller, system: System, worker: LogWorker
) -> None:
    window = opened(api, "forge", "mill")["id"]
    system.work()
    worker.lines = [line(1), line(2), line(3, service="mill")]
    worker.notes = {"mill": "its container is gone"}

    answer = api.get(f"/windows/{window}/logs?tail=1")

    assert [one["line"] for one in answer.json["items"]] == ["line 2", "line 3"]
    assert answer.json["notes"] == [{"service": "mill", "note": "its container is gone"}]
    assert (worker.asked[0].services, worker.asked[0].stack) == (["forge", "mill"], "studio")
    assert left_behind(system) == 0


def test_only_one_service_and_as_lines(api: Caller, system: System, worker: LogWorker) -> None:
    window = opened(api, "forge", "mill")["id"]
    worker.lines = [line(1), line(2, service="mill")]

    answer = api.get(f"/windows/{window}/logs?service=mill", headers={"Accept": "application/x-ndjson"})

    assert lines(answer) == [line(2, service="mill")]


@pytest.mark.parametrize("service", ["redis", "mill", "secret", "nothing", "--help"])
def test_a_service_that_the_window_does_not_hold_is_refused(
    api: Caller, worker: LogWorker, service: str
) -> None:
    window = opened(api, "forge")["id"]

    answer = api.get(f"/windows/{window}/logs", query_string={"service": service})

    assert (answer.status_code, answer.json["type"]) == (422, "/problems/not-in-window")
    assert (answer.json["field"], answer.json["allowed"]) == ("service", ["forge"])
    assert worker.asked == []


@pytest.mark.parametrize("query", ["tail=-1", "tail=1001", "tail=x", "follow=perhaps", "lines=3"])
def test_what_cannot_be_meant_is_422(api: Caller, query: str) -> None:
    window = opened(api, "forge")["id"]
    assert api.get(f"/windows/{window}/logs?{query}").status_code == 422


def test_an_unknown_window_has_no_logs(api: Caller, worker: LogWorker) -> None:
    for unknown in ("nosuch", "x" * 40, "%00"):
        assert api.get(f"/windows/{unknown}/logs").status_code == 404


def test_a_worker_reads_no_core_whatever_the_row_asks_for(
    api: Caller, system: System, worker: LogWorker
) -> None:
    window = opened(api, "forge", "mill")["id"]
    worker.core = {StackId("studio"): ["forge"]}
    worker.lines = [line(1), line(2, service="mill")]

    assert [one["line"] for one in api.get(f"/windows/{window}/logs").json["items"]] == ["line 2"]


def test_a_row_that_names_more_than_its_window_holds_gets_no_more(system: System) -> None:
    window = system.open("forge")
    with system.database.write() as session:
        read = logs.ask(session, window, None, tail=10, after={}, now=system.now)
        read.services = ["forge", "redis", "mill"]
        read.tail = 10**6
    with system.database.read() as session:
        wanted = logs.log_request(session, read.id, {})
    assert wanted
    assert (wanted.services, wanted.tail) == (["forge"], logs.LINES)


def test_an_answer_that_is_there_is_not_written_over(system: System) -> None:
    window = system.open("forge")
    with system.database.write() as session:
        read = logs.ask(session, window, None, tail=1, after={}, now=system.now).id
    with system.database.write() as session:
        rows.answer(session, read, [line(1)], {}, system.now)
    with system.database.write() as session:
        rows.answer(session, read, [line(2)], {}, system.now)
    with system.database.read() as session:
        request = rows.answered_request(session, read)
        assert request
        assert request.lines == [line(1)]
        assert logs.log_request(session, read, {}) is None


def test_an_unfetched_answer_is_deleted(system: System) -> None:
    window = system.open("forge")
    for _ in range(3):
        with system.database.write() as session:
            logs.ask(session, window, None, tail=1, after={}, now=system.now)
    system.now += logs.ANSWER_LIFETIME + timedelta(seconds=1)
    with system.database.write() as session:
        logs.ask(session, window, None, tail=1, after={}, now=system.now)
    assert left_behind(system) == 1


def test_a_broker_that_is_away_is_reported_at_once(api: Caller, system: System, broker: Remembering) -> None:
    window = opened(api, "forge")["id"]
    broker.away = True

    answer = api.get(f"/windows/{window}/logs")

    assert (answer.status_code, answer.json["type"]) == (503, "/problems/logs-unread")
    assert left_behind(system) == 0


def test_a_worker_that_does_not_answer_is_not_waited_for_for_ever(api: Caller, system: System) -> None:
    window = opened(api, "forge")["id"]

    answer = api.get(f"/windows/{window}/logs")

    assert answer.status_code == 503
    assert answer.headers["Retry-After"]
    assert "did not answer" in answer.json["detail"]
    assert left_behind(system) == 0


def test_a_node_that_is_away_is_named(api: Caller, system: System, worker: LogWorker) -> None:
    window = opened(api, "forge")["id"]
    with system.database.write() as session:
        times = {"started_at": system.now, "seen_at": system.now}
        session.add(Node(name="local", engine_id="e", worker="w", **times))
        session.add(Worker(name="w", node="local", engine_id="e", locks_id="l", stacks=["studio"], **times))
    system.now += timedelta(minutes=5)

    answer = api.get(f"/windows/{window}/logs")

    assert (answer.status_code, answer.json["type"]) == (503, "/problems/node-away")


def test_too_many_readers_get_429_with_retry_after(
    api: Caller, app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app.extensions["power-windows"].readers, "limit", 0)
    window = opened(api, "forge")["id"]

    answer = api.get(f"/windows/{window}/logs")

    assert (answer.status_code, answer.json["limit"]) == (429, 0)


Heard = Callable[[], str]


def follow(api: Caller, window: str) -> Heard:
    answer = api.get(f"/windows/{window}/logs?follow=1", buffered=False)
    chunks = answer.iter_encoded()
    return lambda: next(chunks).decode()


def to_the_end(next_chunk: Heard) -> None:
    """Listen until there is nothing more to come."""
    try:
        while next_chunk():
            continue
    except StopIteration:
        return


def test_who_follows_hears_each_line_once_until_the_window_has_ended(
    api: Caller, system: System, worker: LogWorker
) -> None:
    window = opened(api, "forge")["id"]
    system.work()
    worker.lines = [line(1), line(2)]
    next_chunk = follow(api, window)

    assert [one.count("line ") for one in (next_chunk(),)] == [2]
    worker.lines.append(line(3))
    assert "line 3" in next_chunk()
    worker.lines.append(line(4, "good bye"))
    system.close(window)
    rest = next_chunk()
    while "good bye" not in rest:
        rest = next_chunk()
    to_the_end(next_chunk)


def test_a_follower_gets_a_note_without_an_answer_and_goes_on_after_one(
    api: Caller, system: System, worker: LogWorker, broker: Remembering, monkeypatch: pytest.MonkeyPatch
) -> None:
    window = opened(api, "forge")["id"]
    system.work()
    worker.lines = [line(1)]
    next_chunk = follow(api, window)
    assert "line 1" in next_chunk()

    with monkeypatch.context() as away:
        away.setattr(broker, "nudge", lambda *_: False)
        assert "trying again" in next_chunk()
    worker.lines.append(line(2))
    assert "line 2" in next_chunk()


def test_a_revoked_token_follows_no_longer(api: Caller, system: System, worker: LogWorker) -> None:
    window = opened(api, "forge")["id"]
    system.work()
    worker.lines = [line(1)]
    next_chunk = follow(api, window)
    next_chunk()
    with system.database.write() as session:
        token = session.get(Token, "ada")
        assert token
        token.revoked_at = system.now
        audit.record(session, Event.TOKEN_REVOKED, actor="ada", now=system.now, name="ada")

    to_the_end(next_chunk)


def test_the_newest_lines_are_kept_within_bounds() -> None:
    long = [line(number, "x" * 10_000) for number in range(60)]

    fitting = logs.fitting(long, 1000)

    assert all(len(one["line"]) == logs.LINE + 1 for one in fitting)
    assert sum(len(one["line"]) for one in fitting) <= logs.TEXT
    assert fitting[-1]["at"] == long[-1]["at"]
    assert logs.fitting([line(1, "a\0b")], 5)[0]["line"] == "a\ufffdb"
