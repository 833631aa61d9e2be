"""`power want`: the plan, what builds print, approvals, exit codes, and what it says while it is off."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask, jsonify, request

from app.cli import want_progress
from power_windows import Client, intents
from tests.cli import service as served
from tests.cli.conftest import Power
from tests.cli.service import TOKEN, Answer, Service, problem

HELLO: dict[str, Any] = {
    "name": "hello", "stack": "vx11", "description": "say hello", "services": ["switch"], "ttl_sec": 600,
    "reason": None, "build": ["switch"], "build_timeout_sec": 600, "approval": "none",
    "checks": [{"name": "greets", "kind": "log", "check": "log of switch has 'hello'", "depends_on": []}],
}  # fmt: skip
OPENING = {"stack": "vx11", "services": ["switch"], "ttl_sec": 600, "waves": [["redis"], ["switch"]]}
OFF = {"type": "/problems/no-such-route", "detail": "there is nothing at this address"}


def wish(state: str, outcome: str | None = None, detail: str = "", build: str = "pending") -> dict[str, Any]:
    return {
        "id": "5d2e28e6", "intent": "hello", "stack": "vx11", "node": "local", "actor": "ada",
        "services": ["switch"], "ttl_sec": 600, "until": None, "reason": None, "approval": "none",
        "approved_by": None, "state": state, "outcome": outcome, "detail": detail,
        "builds": [{"service": "switch", "status": build, "detail": ""}], "checks": [],
        "window": "3f2a9c1d00" if outcome == "passed" else None, "cancelled_by": None,
        "created_at": "2026-03-01T10:00:00.000Z", "started_at": None, "finished_at": None,
    }  # fmt: skip


class Course:
    """The looks at a request, one after another; the last one stays."""

    def __init__(self) -> None:
        self.intent = dict(HELLO)
        self.looks = [
            wish("building", detail="builds what has changed", build="running"),
            wish("finished", "passed", "open until 2026-03-01T10:10:00.000Z", build="built"),
        ]
        self.bodies: list[dict[str, Any]] = []

    def plan(self) -> dict[str, Any]:
        builds = [{"service": "switch", "last_built_at": None}]
        opening = {**OPENING, "already_on": ["hermes"], "missing_images": []}
        waits = self.intent["approval"] == "other"
        until = "2026-03-01T10:10:00.000Z"
        return {"intent": self.intent, "builds": builds, "opening": opening, "until": until, "waits": waits}


@pytest.fixture
def course(monkeypatch: pytest.MonkeyPatch) -> Course:
    """A service that also has intents."""
    stub, plain = Course(), served.application
    monkeypatch.setattr(want_progress, "INTENT_POLL_SECONDS", 0.01)
    monkeypatch.setattr(intents, "INTENT_POLL_SECONDS", 0.01)

    def application(service: Service) -> Flask:
        app = plain(service)

        @app.get("/api/v1/intents")
        def list_intents() -> Answer:
            return jsonify(items=[stub.intent])

        @app.post("/api/v1/intents/<name>")
        def want(name: str) -> Answer:
            if name != "hello":
                detail = f"there is no intent {name!r}; did you mean hello? there is hello"
                return problem(404, type="/problems/unknown-intent", detail=detail, allowed=["hello"])
            if request.args.get("plan"):
                return jsonify(stub.plan())
            stub.bodies.append(request.get_json())
            return jsonify(wish("queued", detail="waits for its worker")), 202

        @app.get("/api/v1/intent-requests")
        def requests() -> Answer:
            return jsonify(items=[wish("finished", "passed", "open")], next=None)

        @app.get("/api/v1/intent-requests/5d2e28e6")
        def look() -> Answer:
            return jsonify(stub.looks.pop(0) if len(stub.looks) > 1 else stub.looks[0])

        @app.get("/api/v1/intent-requests/5d2e28e6/output")
        def output() -> Answer:
            piece = {
                "seq": 7,
                "service": "switch",
                "at": "2026-03-01T10:00:00.000Z",
                "text": "Step 1\nred \x1b[31m\n",
            }
            new = request.args["after"] == "0"
            return jsonify(items=[piece] if new else [], next=7)

        @app.post("/api/v1/intent-requests/5d2e28e6/<act>")
        def act(act: str) -> Answer:
            return jsonify(wish("finished", "cut", f"{act} by ada")), 202

        return app

    monkeypatch.setattr(served, "application", application)
    return stub


def test_the_plan_comes_first_then_the_build_and_every_change(
    course: Course, service: Service, power: Power
) -> None:
    result = power("want", "hello", "--ttl", "10m")

    lines = result.stdout.splitlines()
    assert result.exit_code == 0, result.output
    assert lines[:6] == [
        "hello on vx11  say hello",
        "  build   switch, if its files have changed (not built by an intent before)",
        "  wave 1  redis",
        "  wave 2  switch",
        "  on      hermes (already)",
        "  until   2026-03-01T10:10:00.000Z (10m)",
    ]
    assert "  switch | Step 1" in lines
    assert "\x1b" not in result.stdout
    assert lines.index("request 5d2e28e6: builds what has changed") < lines.index("build switch  built")
    assert lines[-1] == "close it with: power close 3f2a9c1d00"
    assert course.bodies == [{"ttl_sec": 600, "approve": False}]


def test_until_is_sent_as_a_moment(course: Course, service: Service, power: Power) -> None:
    at = (datetime.now().astimezone() + timedelta(hours=1)).replace(second=0, microsecond=0)
    assert power("want", "hello", "--until", f"{at:%H:%M}").exit_code == 0
    assert datetime.fromisoformat(course.bodies[0]["until"]).astimezone(UTC) == at.astimezone(UTC)


def test_a_program_wants_and_awaits_too(course: Course, service: Service) -> None:
    until = datetime(2026, 3, 1, 18, tzinfo=UTC)
    with Client(service.url, TOKEN) as client:
        ended = client.want("hello", until=until, wait=False)
        assert (ended.state, ended.passed) == ("queued", False)
        ended = client.want("hello", ttl="10m", approve=True)
    assert (ended.passed, ended.window, ended.builds) == (True, "3f2a9c1d00", {"switch": "built"})
    assert course.bodies == [
        {"until": until.isoformat(), "approve": False},
        {"ttl_sec": 600, "approve": True},
    ]


@pytest.mark.parametrize(("options", "code"), [((), 1), (("--no-wait",), 0)])
def test_a_failure_is_1_unless_it_is_not_awaited(
    course: Course, service: Service, power: Power, options: tuple[str, ...], code: int
) -> None:
    course.looks = [wish("finished", "failed", "the build of switch failed: exit 1", build="failed")]
    assert power("want", "hello", *options).exit_code == code


def test_a_plan_changes_nothing(course: Course, service: Service, power: Power) -> None:
    result = power("want", "hello", "--plan")
    assert (result.exit_code, "nothing has changed" in result.stderr, course.bodies) == (0, True, [])
    assert json.loads(power("want", "hello", "--plan", "--json").stdout) == course.plan()


@pytest.mark.parametrize(("approval", "options", "approve"), [
    ("person", (), False), ("person", ("--yes",), True), ("none", (), False), ("other", (), False),
])  # fmt: skip
def test_in_a_pipe_only_yes_agrees_to_the_plan(
    course: Course, service: Service, power: Power, approval: str, options: tuple[str, ...], approve: bool
) -> None:
    course.intent["approval"] = approval
    assert power("want", "hello", *options).exit_code == 0
    assert course.bodies[0]["approve"] is approve


def test_without_a_name_it_lists_intents_and_requests(course: Course, service: Service, power: Power) -> None:
    printed = power("want").stdout
    assert "say hello" in printed
    assert "5d2e28e6" in printed
    assert set(json.loads(power("want", "--json").stdout)) == {"intents", "requests"}


@pytest.mark.parametrize("option", ["--approve", "--cancel"])
def test_a_request_is_approved_or_cancelled(
    course: Course, service: Service, power: Power, option: str
) -> None:
    result = power("want", option, "5d2e28e6")
    assert (result.exit_code, f"{option[2:]} by ada" in result.stdout) == (0, True)


def test_an_unknown_intent_is_4_with_the_nearest_name(course: Course, service: Service, power: Power) -> None:
    result = power("want", "helo")
    assert (result.exit_code, result.stderr.count("did you mean")) == (4, 1)
    assert "there is hello" in result.stderr


@pytest.mark.parametrize("arguments", [("want",), ("want", "hello"), ("want", "--cancel", "5d2e28e6")])
def test_while_off_one_line_says_how_to_switch_it_on(
    service: Service, power: Power, arguments: tuple[str, ...]
) -> None:
    for method, path in (
        ("GET", "/intents"),
        ("POST", "/intents/hello"),
        ("POST", "/intent-requests/5d2e28e6/cancel"),
    ):
        service.refuse(method, path, 404, **OFF)
    result = power(*arguments)
    assert (result.exit_code, result.stderr) == (
        4,
        "power: intents are off on this server; "
        "write `intents = true` below [features] in power.toml and restart the service\n",
    )


@pytest.mark.parametrize(
    "arguments",
    [("hello", "--ttl", "1h", "--until", "18:00"), ("hello", "--until", "25:00"), ("hello", "--cancel", "1")],
)
def test_wrong_usage_is_2(service: Service, power: Power, arguments: tuple[str, ...]) -> None:
    assert power("want", *arguments).exit_code == 2
