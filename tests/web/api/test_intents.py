"""Intents over HTTP: what is listed, planned, requested, approved and refused; nothing while off."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask

from app.domain.features import Features
from app.domain.intents import Approval, Intent, IntentOutcome
from app.settings import Settings
from app.store import intents as rows
from app.store.database import Database
from app.store.jobs import unfinished_jobs
from app.store.tables import IntentRequest
from app.usecases import intents
from app.web import create_app
from tests.simulated_worker import studio
from tests.system import System
from tests.web.caller import Caller, Remembering

CHECKS = ({"name": "quiet", "kind": "log", "check": "log of forge lacks 'Traceback'", "depends_on": []},)
INTENTS = {
    one.name: one
    for one in (
        Intent("translate", ("forge",), "translate documents", 1200.0, checks=CHECKS, build=("forge",)),
        Intent("careful", ("mill",), approval=Approval.PERSON),
        Intent("guarded", ("mill",), approval=Approval.OTHER),
        Intent("core", ("redis",)),
    )
}


@pytest.fixture
def system(database: Database, monkeypatch: pytest.MonkeyPatch) -> System:
    simulated = System(database, replace(studio(), intents=INTENTS))
    monkeypatch.setattr(database, "now", lambda: simulated.now)
    return simulated


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return replace(settings, features=Features(intents=True))


@pytest.fixture
def plain_app(settings: Settings, database: Database, system: System) -> Iterator[Flask]:
    """The same server with every feature off."""
    created = create_app(replace(settings, features=Features()), database, Remembering())
    yield created
    created.extensions["power-windows"].event_feed.stop()


def test_intents_are_listed_by_name(api: Caller) -> None:
    items = api.get("/intents").json["items"]
    assert [one["name"] for one in items] == ["careful", "core", "guarded", "translate"]
    assert items[3]["checks"] == list(CHECKS)
    assert (items[3]["build"], items[3]["ttl_sec"], items[3]["approval"]) == (["forge"], 1200, "none")


def test_a_plan_says_what_is_built_and_started_and_until_when(api: Caller, system: System) -> None:
    plan = api.post("/intents/translate?plan=1", {}).json

    assert plan["builds"] == [{"service": "forge", "last_built_at": None}]
    assert plan["opening"]["waves"] == [["forge"]]
    assert plan["until"].startswith("2030-05-01T12:20:00")
    assert not plan["waits"]
    assert api.get("/intent-requests").json["items"] == []


def test_a_request_is_queued_and_its_node_notified_in_the_queue_of_builds(
    api: Caller, broker: Remembering, system: System
) -> None:
    answer = api.post("/intents/translate", {"until": "2030-05-01T14:30:00+02:00", "reason": "batch 7"})

    request = answer.json
    assert (answer.status_code, request["state"], request["until"]) == (
        202,
        "queued",
        "2030-05-01T12:30:00.000Z",
    )
    assert broker.sent == [("power.build_intent", [request["id"]], "power.build.local")]
    assert api.get(answer.headers["Location"]).json == request
    assert system.facts("intent.requested")["builds"] == ["forge"]


@pytest.mark.parametrize(
    ("path", "body", "status", "kind"),
    [
        ("/intents/translat", {}, 404, "unknown-intent"),
        ("/intents/translate", {"stack": "nowhere"}, 422, "unknown-stack"),
        ("/intents/translate", {"ttl_sec": 7200}, 422, "ttl-too-long"),
        ("/intents/translate", {"ttl_sec": 60, "until": "2030-05-01T12:30:00Z"}, 422, "two-ends"),
        ("/intents/translate", {"until": "2030-05-01T11:59:59Z"}, 422, "until-passed"),
        ("/intents/translate", {"until": "0001-01-01T00:00:00+14:00"}, 422, "invalid"),
        ("/intents/translate", {"until": "2030-05-01T12:30:00"}, 422, "invalid"),
        ("/intents/translate", {"until": 1900000000}, 422, "invalid"),
        ("/intents/translate", {"nonsense": 1}, 422, "invalid"),
        ("/intents/core", {}, 403, "not-allowed"),
        ("/intent-requests/0123/approve", None, 404, "unknown-intent-request"),
        ("/intent-requests/a%00b/cancel", None, 404, "unknown-intent-request"),
    ],
)
def test_what_cannot_be_wanted_is_refused(api: Caller, path: str, body: Any, status: int, kind: str) -> None:
    for plan in ("", "?plan=1") if body is not None else ("",):
        answer = api.post(f"{path}{plan}", body)
        assert (answer.status_code, answer.json["type"]) == (status, f"/problems/{kind}")
    assert api.get("/intent-requests").json["items"] == []


def test_an_unknown_intent_is_answered_with_the_nearest_name(api: Caller) -> None:
    answer = api.post("/intents/translat", {}).json
    assert answer["detail"].startswith("there is no intent 'translat'; did you mean translate? there is ca")
    assert answer["allowed"] == ["careful", "core", "guarded", "translate"]


def test_a_request_waits_for_another_token(
    api: Caller, grace: Caller, broker: Remembering, system: System
) -> None:
    request = api.post("/intents/guarded", {"approve": True}).json
    assert (request["state"], broker.sent) == ("waiting", [])
    assert api.post(f"/intent-requests/{request['id']}/approve").json["type"] == "/problems/own-request"
    assert system.said("window.opening") == []

    approved = grace.post(f"/intent-requests/{request['id']}/approve").json

    assert (approved["state"], approved["approved_by"]) == ("queued", "grace")
    assert [one[0] for one in broker.sent] == ["power.build_intent"]
    assert [entry.actor for entry in system.said("intent.approved")] == ["grace"]
    again = grace.post(f"/intent-requests/{request['id']}/approve")
    assert (again.status_code, again.json["type"]) == (409, "/problems/not-waiting")


def test_an_approver_approves_and_does_nothing_else(api: Caller) -> None:
    request = api.post("/intents/guarded", {}).json["id"]
    text = api.post("/tokens", {"name": "reviewer", "approver": True}).json["token"]
    reviewer = Caller(api.client, text)

    assert [one["id"] for one in reviewer.get("/intent-requests").json["items"]] == [request]
    for method, path, body in (
        ("GET", "/windows", None),
        ("POST", "/intents/guarded", {}),
        ("POST", "/windows", {"services": ["forge"]}),
        ("POST", "/tokens", {"name": "more", "approver": True}),
    ):
        answer = reviewer.call(method, path, body)
        assert (answer.status_code, answer.json["type"]) == (403, "/problems/out-of-scope"), path
    approved = reviewer.post(f"/intent-requests/{request}/approve").json
    assert (approved["state"], approved["approved_by"]) == ("queued", "reviewer")
    assert reviewer.post(f"/intent-requests/{request}/cancel").status_code == 202


@pytest.mark.parametrize(("body", "state"), [({"approve": True}, "queued"), ({}, "waiting")])
def test_a_person_who_agrees_to_the_plan_may_approve(api: Caller, body: Any, state: str) -> None:
    request = api.post("/intents/careful", body).json
    assert (request["state"], request["approved_by"]) == (state, "ada" if body else None)


def test_a_request_that_waits_is_cancelled_by_anyone_once(api: Caller, grace: Caller, system: System) -> None:
    request = api.post("/intents/careful", {}).json["id"]
    first, second = (grace.post(f"/intent-requests/{request}/cancel") for _ in range(2))

    assert (first.status_code, second.status_code) == (202, 200)
    assert (second.json["outcome"], second.json["cancelled_by"]) == ("cut", "grace")
    assert system.said("intent.cut")[0].actor == "grace"


@pytest.mark.parametrize(
    ("later", "body", "detail"),
    [
        (timedelta(hours=24), {}, "was not approved within 24 h"),
        (
            timedelta(minutes=30),
            {"until": "2030-05-01T12:30:00Z"},
            "was not approved before 2030-05-01T12:30",
        ),
    ],
)
def test_an_approval_that_does_not_come_ends_the_request(
    api: Caller, system: System, later: timedelta, body: Any, detail: str
) -> None:
    request = api.post("/intents/careful", body).json["id"]
    with system.database.write() as session:
        for row in unfinished_jobs(session, IntentRequest, "local"):
            intents.expire_approvals(session, row, system.now + later - timedelta(seconds=1))
    assert api.get(f"/intent-requests/{request}").json["state"] == "waiting"

    with system.database.write() as session:
        for row in unfinished_jobs(session, IntentRequest, "local"):
            intents.expire_approvals(session, row, system.now + later)
    ended = api.get(f"/intent-requests/{request}").json
    assert (ended["state"], ended["outcome"]) == ("finished", "cut")
    assert ended["detail"].startswith(detail)


def test_the_window_of_a_request_ends_when_it_was_wanted_until(api: Caller, system: System) -> None:
    request = api.post("/intents/translate", {"until": "2030-05-01T12:30:00Z"}).json["id"]
    system.now += timedelta(minutes=10)
    with system.database.write() as session:
        assert intents.claim_request(session, request, "worker-1", system.now)
        window = intents.open_request_window(session, request, system.now)
        assert window
        assert window.deadline.isoformat() == "2030-05-01T12:30:00+00:00"
        assert (window.actor, window.reason) == ("ada", "wants translate")
        finished = intents.finish_request(session, request, IntentOutcome.PASSED, "open", system.now)
    assert finished
    view = api.get(f"/intent-requests/{request}").json
    assert (view["outcome"], view["builds"][0]["status"]) == ("passed", "skipped")


def test_a_cancelled_request_opens_no_window(api: Caller, system: System) -> None:
    request = api.post("/intents/translate", {}).json["id"]
    with system.database.write() as session:
        intents.claim_request(session, request, "worker-1", system.now)
    api.post(f"/intent-requests/{request}/cancel")
    with system.database.write() as session:
        assert intents.open_request_window(session, request, system.now) is None


def test_output_is_read_from_where_the_last_answer_ended(api: Caller, system: System) -> None:
    request = api.post("/intents/translate", {}).json["id"]
    with system.database.write() as session:
        for number in range(5):
            rows.add_output(session, request, "forge", f"step {number}\n", system.now, most_pieces=3)

    first = api.get(f"/intent-requests/{request}/output?limit=2").json
    rest = api.get(f"/intent-requests/{request}/output?after={first['next']}").json

    assert [one["text"] for one in first["items"] + rest["items"]] == ["step 2\n", "step 3\n", "step 4\n"]
    empty = api.get(f"/intent-requests/{request}/output?after={rest['next']}").json
    assert empty == {"items": [], "next": rest["next"]}


PATHS = ["/intents", "/intent-requests", "/intent-requests/0123", "/intent-requests/0123/output"]


@pytest.mark.parametrize("path", PATHS)
def test_while_off_there_is_no_route(plain_app: Flask, token: str, path: str) -> None:
    off = Caller.of(plain_app, token)
    unknown = off.get("/nothing-at-all")
    answer = off.get(path)
    assert (answer.status_code, answer.json) == (unknown.status_code, unknown.json)
    document = off.get("/openapi.json").json
    assert not [one for one in document["paths"] if "intent" in one]
    assert not [one for one in document["components"]["schemas"] if "Intent" in one]


def test_while_off_there_are_no_approvers(plain_app: Flask, token: str) -> None:
    answer = Caller.of(plain_app, token).post("/tokens", {"name": "reviewer", "approver": True})
    assert (answer.status_code, answer.json["type"]) == (409, "/problems/intents-off")


def test_while_off_nothing_is_requested(plain_app: Flask, token: str, database: Database) -> None:
    off = Caller.of(plain_app, token)
    unknown = off.post("/nothing/at-all", {})
    answer = off.post("/intents/translate", {})
    assert (answer.status_code, answer.json) == (unknown.status_code, unknown.json) == (404, answer.json)
    with database.read() as session:
        assert unfinished_jobs(session, IntentRequest, "local") == []
