"""The trail over HTTP."""

from __future__ import annotations

import pytest

from app.store import retention
from tests.system import System
from tests.web.api.test_windows import opened
from tests.web.caller import Caller, lines

LINES = {"Accept": "application/x-ndjson"}


def test_the_trail_is_read_in_pages_oldest_first(api: Caller, system: System) -> None:
    window = opened(api, "forge")["id"]
    system.work()
    system.close(window)
    events, after = [], None
    while True:
        query = {"limit": "3", "window": window} | ({"after": after} if after else {})
        page = api.get("/audit", query_string=query).json
        events += [entry["event"] for entry in page["items"]]
        after = page["next"]
        if after is None:
            break
    assert events == system.trail(window)
    assert events[0] == "window.opening"
    assert events[-1] == "window.closed"


def test_the_trail_is_streamed_a_line_an_entry(api: Caller, system: System) -> None:
    opened(api, "forge")
    system.work()
    every = lines(api.get("/audit", headers=LINES))
    assert [one for one in every if one["stack"]] == [entry.as_json() for entry in system.entries()]
    assert len(lines(api.get("/audit?limit=2", headers=LINES))) == 2
    mine = lines(api.get("/audit?actor=ada", headers=LINES))
    assert {entry["actor"] for entry in mine} == {"ada"}


def test_the_cursor_may_be_called_as_in_other_lists_but_not_twice(api: Caller, system: System) -> None:
    after = api.get("/audit?limit=1").json["next"]
    by_either = [api.get("/audit", query_string={name: after}).json for name in ("after", "cursor")]
    assert by_either[0] == by_either[1]
    assert api.get("/audit", query_string={"after": after, "cursor": after}).status_code == 422


@pytest.mark.parametrize("query", ["after=x", "limit=0", "limit=501", "window=%00", "who=ada"])
def test_a_question_that_cannot_be_meant_is_422(api: Caller, query: str) -> None:
    assert api.get(f"/audit?{query}").status_code == 422


def test_a_whole_trail_is_proved_whole(api: Caller, system: System) -> None:
    opened(api, "forge")
    system.work()
    verdict = api.get("/audit/verify").json
    assert verdict["ok"]
    assert {chain["chain"] for chain in verdict["chains"]} == {"house", "studio"}
    assert all(chain["first_bad"] is None for chain in verdict["chains"])


def archived(system: System, upto: int) -> None:
    with system.database.write() as session:
        retention.delete_archived(session, "studio", 0, upto, system.now)


def test_what_is_archived_is_reported_and_the_rest_is_answered(api: Caller, system: System) -> None:
    system.close(system.open("forge"))
    place = api.get("/audit", query_string={"limit": "1"})
    assert "Power-Archived" not in place.headers
    archived(system, 4)

    for headers in ({}, LINES):
        answer = api.get("/audit", query_string={"after": place.json["next"]}, headers=headers)
        assert (answer.status_code, answer.headers["Power-Archived"]) == (200, "studio:4")
    seqs = [one["seq"] for one in api.get("/audit").json["items"] if one["stack"] == "studio"]
    assert seqs == list(range(5, len(system.entries()) + 5))
    verdict = next(one for one in api.get("/audit/verify").json["chains"] if one["chain"] == "studio")
    assert (verdict["ok"], verdict["archived"], verdict["entries"]) == (True, 4, len(seqs))


def test_a_cursor_from_before_the_archive_continues_with_the_first_entry(api: Caller, system: System) -> None:
    system.close(system.open("forge"))
    archived(system, 4)

    answer = api.get("/events", headers={"Last-Event-ID": "house:1,studio:2"}, buffered=False)

    assert (answer.status_code, answer.headers["Power-Archived"]) == (200, "studio:4")
    chunks = answer.iter_encoded()
    next(chunks)
    assert b"studio:5" in next(chunks)
    answer.close()
