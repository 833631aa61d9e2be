"""`power conduct`: what is sent, what is shown, which files it writes, and how it ends."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, Response, jsonify, request

from app.cli import run_progress
from app.reports.render import RENDERERS
from tests.cli import service as served
from tests.cli.api_bodies import window
from tests.cli.conftest import Power
from tests.cli.service import Answer, Service, problem
from tests.reports.sample import sample

SCENARIO = """
name = "cycle"
services = ["switch"]
[steps.listens]
tcp = { port = 8001 }
"""


def run(state: str = "queued", outcome: str | None = None, detail: str = "", **step: Any) -> dict[str, Any]:
    plain = {"name": "listens", "kind": "tcp", "check": "connect", "depends_on": [], "detail": "", "tries": 0}
    return {
        "id": "0f1e",
        "name": "cycle",
        "stack": "vx11",
        "node": "local",
        "actor": "ada",
        "services": ["switch"],
        "state": state,
        "outcome": outcome,
        "detail": detail,
        "window": "3f2a9c1d00" if state != "queued" else None,
        "cancelled_by": None,
        "created_at": "2026-03-01T10:00:00.000Z",
        "started_at": None,
        "finished_at": None,
        "steps": [{**plain, "status": "pending", **step}],
    }


class Course:
    """The looks at a run, one after another; the last one stays."""

    def __init__(self) -> None:
        self.looks = [
            run("running", detail="waits for its services"),
            run("running", detail="runs its steps", status="running"),
            run("finished", "passed", "every step passed", status="passed", detail_="", tries=1),
        ]
        for one in self.looks:
            one["steps"][0].pop("detail_", None)
        self.has_report = True

    def look(self) -> dict[str, Any]:
        return self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]


@pytest.fixture
def course(monkeypatch: pytest.MonkeyPatch) -> Course:
    """A service that also has runs."""
    stub, plain = Course(), served.application
    monkeypatch.setattr(run_progress, "LOOK_INTERVAL", 0.01)

    def application(service: Service) -> Flask:
        app = plain(service)
        service.add(window())

        @app.post("/api/v1/runs")
        def start() -> Answer:
            return jsonify(run()), 202

        @app.get("/api/v1/runs/0f1e")
        def look() -> Answer:
            return jsonify(stub.look())

        @app.post("/api/v1/runs/0f1e/cancel")
        def cancel() -> Answer:
            stub.looks = [run("finished", "cut", "cancelled by ada", status="skipped")]
            return jsonify(run("running")), 202

        @app.get("/api/v1/runs/0f1e/report")
        def report() -> Answer:
            media, render = RENDERERS[request.args["format"]]
            if not stub.has_report:
                return problem(409, detail="run 0f1e is finished and has no report")
            return Response(render(sample()), content_type=media)

        return app

    monkeypatch.setattr(served, "application", application)
    return stub


@pytest.fixture
def scenario(tmp_path: Path) -> Path:
    path = tmp_path / "cycle.toml"
    path.write_text(SCENARIO)
    return path


def test_each_change_is_a_line_and_the_report_has_four_forms(
    course: Course, service: Service, power: Power, scenario: Path, tmp_path: Path
) -> None:
    result = power(
        "conduct", str(scenario), "--out", str(tmp_path / "out"), "--junit", str(tmp_path / "j.xml")
    )

    assert result.stdout.splitlines() == [
        "run  0f1e  waits for its services",
        "switch  starting",
        "step  listens  pending",
        "run  0f1e  runs its steps",
        "step  listens  running",
        "run  0f1e  every step passed",
        "step  listens  passed",
        "cycle  run 0f1e  passed  every step passed",
        f"report: {tmp_path / 'out/report.md'}",
    ]
    assert result.exit_code == 0
    assert sorted(one.name for one in (tmp_path / "out").iterdir()) == [
        "junit.xml", "report.html", "report.json", "report.md"
    ]  # fmt: skip
    assert json.loads((tmp_path / "out/report.json").read_text()) == sample()
    assert (tmp_path / "j.xml").read_text() == (tmp_path / "out/junit.xml").read_text()
    sent = service.requests("POST", "/runs")[0].body["scenario"]
    assert sent == {"name": "cycle", "services": ["switch"], "steps": {"listens": {"tcp": {"port": 8001}}}}


def test_the_report_goes_beside_the_audit_documents(
    course: Course,
    service: Service,
    power: Power,
    scenario: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert power("conduct", str(scenario)).exit_code == 0
    assert list(tmp_path.glob("docs/audit/2026-03-01-cycle/report.html"))


def test_a_failed_step_is_named_and_the_exit_code_is_1(
    course: Course, service: Service, power: Power, scenario: Path, tmp_path: Path
) -> None:
    course.looks = [run("finished", "failed", "failed: listens", status="failed", tries=3)]
    course.looks[0]["steps"][0]["detail"] = "Connection refused"
    result = power("conduct", str(scenario), "--out", str(tmp_path))
    assert result.exit_code == 1
    assert "  listens: Connection refused" in result.stdout.splitlines()


def test_ctrl_c_cancels_the_run_and_says_so(
    course: Course,
    service: Service,
    power: Power,
    scenario: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    follow = run_progress.follow_run
    interrupts = [KeyboardInterrupt()]

    def interrupted(*arguments: Any) -> Any:
        if interrupts:
            raise interrupts.pop()
        return follow(*arguments)

    monkeypatch.setattr(run_progress, "follow_run", interrupted)
    result = power("conduct", str(scenario), "--out", str(tmp_path))

    assert result.exit_code == 130
    assert service.requests("POST", "/runs/0f1e/cancel")
    assert "run 0f1e is cancelled, and its window is being closed" in result.output
    assert "cut  cancelled by ada" in result.stdout


def test_a_run_is_only_started_without_waiting(
    course: Course, service: Service, power: Power, scenario: Path
) -> None:
    result = power("conduct", str(scenario), "--no-wait", "--json")
    assert json.loads(result.stdout) == run()
    assert result.exit_code == 0
    assert not service.requests("GET", "/runs/0f1e/report")


def test_a_run_without_a_report_says_why(
    course: Course, service: Service, power: Power, scenario: Path, tmp_path: Path
) -> None:
    course.has_report = False
    course.looks = [run("finished", "cut", "cancelled by ada before it began")]
    result = power("conduct", str(scenario), "--out", str(tmp_path / "out"))
    assert result.exit_code == 1
    assert "has no report" in result.output
    assert not (tmp_path / "out").exists()


def test_a_scenario_with_faults_is_wrong_usage(service: Service, power: Power, tmp_path: Path) -> None:
    path = tmp_path / "cycle.toml"
    path.write_text(SCENARIO + "retry = 3")
    result = power("conduct", str(path))
    assert result.exit_code == 2
    assert f"{path}: steps.listens.retry: is not a key here; did you mean retries?" in result.output
    assert not service.requests("POST", "/runs")
