"""`power conduct` several times and over a matrix: what runs, what goes on, and the summary."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, Response, jsonify, request

from app.cli import run_progress
from app.reports.render import RENDERERS
from tests.cli import service as served
from tests.cli.conftest import Power
from tests.cli.service import Answer, Service, problem
from tests.cli.test_conduct import run
from tests.reports.sample import sample

MATRIX = """
name = "cycle"
[matrix]
services = [["switch"], ["switch", "hermes"]]
variables = { PORT = ["8001", "8002"] }
[steps.answers]
http = { url = "http://127.0.0.1:${PORT}/" }
"""


class Server:
    """Runs that end at once; `outcomes` are those of the next runs, then every run passes."""

    def __init__(self) -> None:
        self.outcomes: list[str] = []
        self.documents: list[dict[str, Any]] = []
        self.runs: list[dict[str, Any]] = []

    def start(self, document: dict[str, Any]) -> dict[str, Any]:
        self.documents.append(document)
        outcome = self.outcomes.pop(0) if self.outcomes else "passed"
        self.runs.append(run("finished", outcome, f"it {outcome}") | {"id": f"r{len(self.runs)}"})
        return self.runs[-1]

    def report(self, number: int) -> dict[str, Any]:
        one = sample()
        one["run"] |= {key: self.runs[number][key] for key in ("id", "outcome", "detail")}
        one["services"] = {"switch": one["services"]["forge"]}
        one["steps"] = one["steps"][: 1 if one["run"]["outcome"] == "passed" else 2]
        return one


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Server:
    stub, plain = Server(), served.application
    monkeypatch.setattr(run_progress, "LOOK_INTERVAL", 0.01)

    def application(service: Service) -> Flask:
        app = plain(service)

        @app.post("/api/v1/runs")
        def start() -> Answer:
            if stub.outcomes and stub.outcomes[0] == "refused":
                return problem(422, detail=f"scenario: {stub.outcomes.pop(0)}")
            document = request.get_json()["scenario"]
            return jsonify(stub.start(document) | {"window": None}), 202

        @app.get("/api/v1/runs/r<int:number>")
        def look(number: int) -> Answer:
            return jsonify(stub.runs[number] | {"window": None})

        @app.post("/api/v1/runs/r<int:number>/cancel")
        def cancel(number: int) -> Answer:
            stub.runs[number] |= {"outcome": "cut", "detail": "cancelled by ada"}
            return jsonify(stub.runs[number]), 202

        @app.get("/api/v1/runs/r<int:number>/report")
        def report(number: int) -> Answer:
            media, render = RENDERERS[request.args["format"]]
            return Response(render(stub.report(number)), content_type=media)

        return app

    monkeypatch.setattr(served, "application", application)
    return stub


@pytest.fixture
def matrix(tmp_path: Path) -> Path:
    path = tmp_path / "matrix.toml"
    path.write_text(MATRIX)
    return path


def test_every_combination_runs_each_round_and_a_failure_does_not_end_it(
    server: Server, service: Service, power: Power, matrix: Path, tmp_path: Path
) -> None:
    server.outcomes = ["failed"]
    result = power("conduct", str(matrix), "--times", "2", "--out", str(tmp_path / "out"))

    assert result.exit_code == 1
    assert [(one["services"], one["steps"]["answers"]["http"]["url"][-5:]) for one in server.documents] == [
        (["switch"], "8001/"),
        (["switch"], "8002/"),
        (["switch", "hermes"], "8001/"),
        (["switch", "hermes"], "8002/"),
    ] * 2
    assert not any("matrix" in one for one in server.documents)
    lines = result.stdout.splitlines()
    start = next(at for at, line in enumerate(lines) if line.startswith("COMBINATION"))
    assert [line.split("  ")[0] for line in lines[start + 1 :] if not line.startswith(" ")] == [
        "switch, PORT=8001",
        "switch, PORT=8002",
        "switch hermes, PORT=8001",
        "switch hermes, PORT=8002",
        f"summary: {tmp_path / 'out/summary.md'}",
    ]
    assert [line.split() for line in lines[start + 1 : start + 5]] == [
        ["switch,", "PORT=8001", "run", "2", "1", "50", "%", "(9–91", "%)", "–"],
        ["service", "switch", "2", "0", "0", "%", "(0–66", "%)", "1.80", "s"],
        ["step", "listens", "2", "0", "0", "%", "(0–66", "%)", "0.00", "s"],
        ["step", "answers", "1", "1", "100", "%", "(21–100", "%)", "–"],
    ]


def test_the_summary_stands_beside_the_report_of_each_run(
    server: Server, service: Service, power: Power, matrix: Path, tmp_path: Path
) -> None:
    power("conduct", str(matrix), "--times", "2", "--out", str(tmp_path / "out"))

    summary = json.loads((tmp_path / "out/summary.json").read_text())
    assert (summary["name"], summary["times"], summary["complete"]) == ("cycle", 2, True)
    second = summary["combinations"][1]
    assert (second["services"], second["variables"]) == (["switch"], {"PORT": "8002"})
    assert [one["report"] for one in second["runs"]] == ["02/001/report.md", "02/002/report.md"]
    assert second["subjects"][0] == {
        "kind": "run",
        "name": "run",
        "runs": 2,
        "failures": 0,
        "flake_rate": 0.0,
        "flake_low": 0.0,
        "flake_high": pytest.approx(0.65762),
        "median_sec": None,
    }
    assert sorted(one.name for one in (tmp_path / "out/02/002").iterdir()) == [
        "junit.xml", "report.html", "report.json", "report.md"
    ]  # fmt: skip
    markdown = (tmp_path / "out/summary.md").read_text()
    assert markdown.startswith("# cycle: 4 × 2 runs\n")
    assert "| switch, PORT=8001 | run | 2 | 0 | 0 % (0–66 %) | – |" in markdown
    assert "- switch, PORT=8002: [r1](02/001/report.md) passed (it passed)" in markdown


def test_a_plain_scenario_runs_several_times(
    server: Server, service: Service, power: Power, tmp_path: Path
) -> None:
    path = tmp_path / "cycle.toml"
    path.write_text('name = "cycle"\nservices = ["switch"]')
    result = power("conduct", str(path), "--times", "3", "--json", "--out", str(tmp_path))
    assert result.exit_code == 0
    assert [one["label"] for one in json.loads(result.stdout)["combinations"]] == ["cycle"]
    assert len(server.documents) == 3


def test_a_run_that_is_refused_or_cut_does_not_count_and_is_named(
    server: Server, service: Service, power: Power, matrix: Path, tmp_path: Path
) -> None:
    server.outcomes = ["refused", "cut"]
    result = power("conduct", str(matrix), "--out", str(tmp_path))
    assert result.exit_code == 1
    assert [line for line in result.stdout.splitlines() if line.startswith("not counted")] == [
        "not counted: switch, PORT=8001: run – refused: scenario: refused",
        "not counted: switch, PORT=8002: run r0 cut: it cut",
    ]
    assert len(server.documents) == 3


def test_ctrl_c_ends_the_series_with_a_summary(
    server: Server,
    service: Service,
    power: Power,
    matrix: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    follow, looks = run_progress.follow_run, []

    def interrupted(api: Any, identifier: str) -> Any:
        looks.append(identifier)
        if len(looks) == 2:
            raise KeyboardInterrupt
        return follow(api, identifier)

    monkeypatch.setattr(run_progress, "follow_run", interrupted)
    result = power("conduct", str(matrix), "--times", "5", "--out", str(tmp_path))

    assert result.exit_code == 130
    assert looks == ["r0", "r1", "r1"]
    assert service.requests("POST", "/runs/r1/cancel")
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert not summary["complete"]
    assert [[run["outcome"] for run in one["runs"]] for one in summary["combinations"]] == [
        ["passed"], ["cut"], [], []
    ]  # fmt: skip


def test_a_second_ctrl_c_leaves_at_once_and_what_has_run_is_summarized(
    server: Server,
    service: Service,
    power: Power,
    matrix: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    follow = run_progress.follow_run

    def interrupted(api: Any, identifier: str) -> Any:
        if identifier == "r1":
            raise KeyboardInterrupt
        return follow(api, identifier)

    monkeypatch.setattr(run_progress, "follow_run", interrupted)
    result = power("conduct", str(matrix), "--out", str(tmp_path))
    assert result.exit_code == 130
    assert "run r1 ends without you" in result.output
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert [len(one["runs"]) for one in summary["combinations"]] == [1, 0, 0, 0]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--no-wait"], "a series of runs takes no --no-wait and no --junit"),
        (["--junit", "j.xml"], "a series of runs takes no --no-wait and no --junit"),
        (["--times", "300"], "--times: makes 1200 runs; at most 1000"),
        (["--times", "0"], "0 is not in the range 1<=x<=1000"),
    ],
)
def test_options_that_do_not_fit_are_wrong_usage(
    server: Server, service: Service, power: Power, matrix: Path, arguments: list[str], says: str
) -> None:
    result = power("conduct", str(matrix), *arguments)
    assert (result.exit_code, server.documents) == (2, [])
    assert says in result.output


def test_a_fault_of_the_matrix_is_wrong_usage(
    server: Server, service: Service, power: Power, matrix: Path
) -> None:
    matrix.write_text(MATRIX.replace("${PORT}", "${PROT}"))
    result = power("conduct", str(matrix))
    assert result.exit_code == 2
    assert f"{matrix}: steps.answers.http.url: ${{PROT}} is no variable" in result.output


def test_a_scenario_that_is_named_compare_is_run_by_its_path(
    server: Server, service: Service, power: Power, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "compare").write_text('name = "cycle"\nservices = ["switch"]')
    assert power("conduct", "./compare").exit_code == 0
    assert power("conduct", "compare").exit_code == 2
    assert len(server.documents) == 1
