"""Runs of scenarios over HTTP: what is started, shown, listed, cancelled and refused."""

from __future__ import annotations

from typing import Any

import pytest

from app.domain.scenarios import RunOutcome
from app.store import tokens
from app.usecases import runs
from tests.reports.sample import sample
from tests.system import System
from tests.web.caller import Caller, Remembering

STEPS = {"quiet": {"log": {"service": "forge", "pattern": "Traceback", "seen": False}, "retries": 2}}


def scenario(**more: Any) -> dict[str, Any]:
    return {"scenario": {"name": "cycle", "services": ["forge"], "ttl": "2m", "steps": STEPS, **more}}


def finish(system: System, run: str, report: Any = None) -> None:
    with system.database.write() as session:
        runs.claim_run(session, run, "worker-1", system.now)
        runs.finish_run(session, run, RunOutcome.PASSED, "", report=report, now=system.now)


def test_a_run_is_queued_and_its_node_notified(api: Caller, broker: Remembering) -> None:
    answer = api.post("/runs", scenario())

    assert answer.status_code == 202
    run = answer.json
    assert answer.headers["Location"] == f"/api/v1/runs/{run['id']}"
    assert (run["state"], run["outcome"], run["actor"], run["stack"]) == ("queued", None, "ada", "studio")
    assert run["steps"][0]["check"] == "log of forge lacks 'Traceback'"
    assert broker.sent == [("power.run_scenario", [run["id"]], "power.local")]
    assert api.get(f"/runs/{run['id']}").json == run


def test_a_broker_that_is_away_costs_nothing(api: Caller, broker: Remembering) -> None:
    broker.away = True
    assert api.post("/runs", scenario()).status_code == 202


@pytest.mark.parametrize(
    ("body", "status", "kind"),
    [
        ({}, 422, "invalid"),
        ({"scenario": []}, 422, "invalid"),
        (scenario(tll=1), 422, "invalid-scenario"),
        (scenario(stack="nowhere"), 422, "unknown-stack"),
        (scenario(services=["redis"]), 403, "not-allowed"),
        (scenario(services=["mill"]), 422, "check-outside-window"),
        (scenario(ttl="1d"), 422, "ttl-too-long"),
    ],
)
def test_what_cannot_be_run_is_refused(api: Caller, body: Any, status: int, kind: str) -> None:
    answer = api.post("/runs", body)
    assert (answer.status_code, answer.json["type"]) == (status, f"/problems/{kind}")


def test_a_fault_of_a_scenario_names_its_key(api: Caller) -> None:
    answer = api.post("/runs", scenario(tll=1)).json
    assert answer["faults"] == ["scenario: tll: is not a key here; did you mean ttl?"]


def test_a_token_for_a_waiting_page_runs_nothing(api: Caller, system: System) -> None:
    with system.database.write() as session:
        text = tokens.create(session, "guest", system.now, scope=tokens.WAKE)
    guest = Caller(api.client, text)
    assert guest.post("/runs", scenario()).status_code == 403
    assert guest.get("/runs").status_code == 403


def test_runs_are_listed_newest_first_in_pages(api: Caller, system: System) -> None:
    made = []
    for _ in range(3):
        made.append(api.post("/runs", scenario()).json["id"])
        system.now = system.now.replace(microsecond=system.now.microsecond + 1)
    first = api.get("/runs?limit=2").json
    rest = api.get(f"/runs?limit=2&cursor={first['next']}").json

    assert [one["id"] for one in first["items"] + rest["items"]] == made[::-1]
    assert rest["next"] is None
    assert api.get("/runs?stack=other").json["items"] == []


def test_cancelling_notifies_the_node_and_may_be_repeated(api: Caller, broker: Remembering) -> None:
    run = api.post("/runs", scenario()).json["id"]
    first, second = api.post(f"/runs/{run}/cancel"), api.post(f"/runs/{run}/cancel")

    assert (first.status_code, second.status_code) == (202, 200)
    assert (second.json["outcome"], second.json["cancelled_by"]) == ("cut", "ada")
    assert broker.sent[1:] == [("power.run_scenario", [run], "power.local")]


@pytest.mark.parametrize(
    ("form", "media", "begins"),
    [
        ("json", "application/json", "{"),
        ("md", "text/markdown", "# Run of cycle: failed"),
        ("html", "text/html", "<!doctype html>"),
        ("junit", "application/xml", "<?xml"),
    ],
)
def test_a_report_is_had_in_each_form(
    api: Caller, system: System, form: str, media: str, begins: str
) -> None:
    run = api.post("/runs", scenario()).json["id"]
    assert api.get(f"/runs/{run}/report?format={form}").json["type"] == "/problems/no-report"
    finish(system, run, sample())

    answer = api.get(f"/runs/{run}/report?format={form}")
    assert (answer.status_code, answer.media) == (200, media)
    assert answer.text.startswith(begins)
    if form == "html":
        assert "style-src 'unsafe-inline'" in answer.headers["Content-Security-Policy"]
        assert "script-src" not in answer.headers["Content-Security-Policy"]


def test_a_form_that_is_unknown_is_refused(api: Caller) -> None:
    assert api.get("/runs/0123/report?format=pdf").status_code == 422


@pytest.mark.parametrize("run", ["0123", "x" * 500, "a%00b", "ä"])
def test_a_run_that_is_not_there(api: Caller, run: str) -> None:
    assert api.get(f"/runs/{run}").json["type"] == "/problems/unknown-run"
    assert api.post(f"/runs/{run}/cancel").status_code == 404


def test_no_header_and_no_body_of_a_request_is_shown(api: Caller) -> None:
    request = {"url": "http://127.0.0.1:9/", "headers": {"Authorization": "hush-hush"}, "body": "hush-hush"}
    run = api.post("/runs", scenario(steps={"one": {"http": request}}))
    assert "hush" not in run.text + api.get("/runs").text
