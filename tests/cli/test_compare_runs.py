"""`power conduct compare`: what it reads, what it names, and how it ends."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, Response, jsonify

from app.domain.run_samples import RunSample, SubjectOutcome
from app.reports import matrix_summary
from app.reports.matrix_summary import CombinationRuns
from tests.cli import service as served
from tests.cli.conftest import Power
from tests.cli.service import Answer, Service
from tests.cli.test_conduct import run
from tests.reports.sample import sample


def combination(label: str, *, start: float, broken: int = 0, count: int = 6) -> CombinationRuns:
    made = CombinationRuns(label, ["web"], {})
    for number in range(count):
        failed = number < broken
        services = {"web": SubjectOutcome(True, start + number / 100)}
        steps = {"answers": SubjectOutcome(not failed, 0.5)}
        made.add(RunSample(str(number), "failed" if failed else "passed", "", services, steps), None)
    return made


def write(path: Path, *combinations: CombinationRuns) -> str:
    path.mkdir()
    summary = matrix_summary.build_summary("cycle", 6, combinations, began_at="", finished_at="")
    (path / "summary.json").write_text(matrix_summary.render_summary_json(summary))
    return str(path)


def report(number: int, start: float, outcome: str = "passed") -> dict[str, Any]:
    document = sample()
    document["run"] |= {"id": f"r{number}", "outcome": outcome}
    document["services"] = {"forge": document["services"]["forge"] | {"start_sec": start + number / 100}}
    return document


def test_what_became_slower_or_broke_is_named_by_combination(
    service: Service, power: Power, tmp_path: Path
) -> None:
    before = write(tmp_path / "a", combination("web", start=1), combination("web db", start=1))
    after = write(tmp_path / "b", combination("web", start=3), combination("web db", start=1, broken=6))
    result = power("conduct", "compare", before, after)

    assert result.exit_code == 1
    lines = [line.split("  ") for line in result.stdout.splitlines()]
    rows = [[cell.strip() for cell in line if cell.strip()] for line in lines]
    assert ["web: service web", "slower", "1.02 s", "3.02 s", "+1.97 to +2.03 s"] in rows
    assert ["web db: service web", "no difference shown", "1.02 s", "1.02 s", "-0.03 to +0.03 s"] in rows
    assert ["web db: step answers", "broke", "0 of 6 failed", "6 of 6 failed", "p = 0.002"] in rows
    assert rows[-4:] == [
        ["A has 12 complete runs, B has 12."],
        ["9 tests at 95 % each: about 0.5 name a difference by chance."],
        ["slower: web: service web"],
        ["broke: web db: run; web db: step answers"],
    ]


def test_the_other_direction_is_no_failure(service: Service, power: Power, tmp_path: Path) -> None:
    before = write(tmp_path / "a", combination("web", start=3, broken=6))
    after = write(tmp_path / "b", combination("web", start=1))
    result = power("conduct", "compare", before, f"{after}/summary.json")
    assert result.exit_code == 0
    assert result.stdout.splitlines()[-2:] == [
        "faster: web: service web",
        "mended: web: run; web: step answers",
    ]


def test_too_few_runs_are_not_guessed(service: Service, power: Power, tmp_path: Path) -> None:
    before = write(tmp_path / "a", combination("web", start=1, count=4))
    after = write(tmp_path / "b", combination("web", start=9, broken=4, count=4))
    result = power("conduct", "compare", before, after)
    assert result.exit_code == 0
    assert result.stdout.splitlines()[-1] == "too few runs to tell"


def test_directories_of_reports_are_compared_as_one_series(
    service: Service, power: Power, tmp_path: Path
) -> None:
    for name, start in (("a", 1.0), ("b", 2.0)):
        for number in range(5):
            place = tmp_path / name / str(number)
            place.mkdir(parents=True)
            (place / "report.json").write_text(json.dumps(report(number, start)))
    result = power("conduct", "compare", str(tmp_path / "a"), str(tmp_path / "b"), "--json")
    by_name = {one["name"]: one for one in json.loads(result.stdout)}
    assert by_name["forge"]["duration"]["change"] == "slower"
    assert by_name["forge"]["rate"]["before"] == {"failures": 0, "runs": 5}
    assert result.exit_code == 1


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """A service with ten runs on ten days, the newest first; the later five are slow."""
    plain = served.application

    def application(service: Service) -> Flask:
        app = plain(service)

        @app.get("/api/v1/runs")
        def page_of_runs() -> Answer:
            days = [
                run("finished", "passed") | {"id": f"r{day}", "created_at": f"2026-03-{day:02}T10:00:00.000Z"}
                for day in range(10, 0, -1)
            ]
            return jsonify(
                {
                    "items": [
                        run("finished") | {"name": "other", "created_at": "2026-03-11T10:00:00.000Z"},
                        *days,
                    ],
                    "next": None,
                }
            )

        @app.get("/api/v1/runs/r<int:number>/report")
        def report_of_run(number: int) -> Answer:
            return Response(
                json.dumps(report(number, 9.0 if number > 5 else 1.0)), content_type="application/json"
            )

        return app

    monkeypatch.setattr(served, "application", application)


def test_runs_of_the_server_are_distinguished_by_their_days(
    runs: None, service: Service, power: Power
) -> None:
    result = power("conduct", "compare", "cycle@..2026-03-06", "cycle@2026-03-06..")
    assert "A has 5 complete runs, B has 5." in result.stdout
    assert "slower: service forge" in result.stdout
    assert result.exit_code == 1


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("nothing", "nothing: is no file, and no finished run has this name"),
        ("cycle@2026-03-06", "cycle@2026-03-06: write NAME@FROM..TO"),
        ("cycle@soon..", "cycle@soon..: Invalid isoformat string: 'soon'; write NAME@"),
    ],
)
def test_what_names_no_runs_is_wrong_usage(
    runs: None, service: Service, power: Power, source: str, says: str
) -> None:
    result = power("conduct", "compare", source, source)
    assert result.exit_code == 2
    assert says in result.output


@pytest.mark.parametrize("text", ["{", "[]", "3", '{"combinations": 3}', '{"run": {}}'])
def test_a_file_that_is_no_report_is_wrong_usage(
    service: Service, power: Power, tmp_path: Path, text: str
) -> None:
    (tmp_path / "x.json").write_text(text)
    result = power("conduct", "compare", str(tmp_path / "x.json"), str(tmp_path / "x.json"))
    assert result.exit_code == 2
    assert "x.json: is no report and no summary of runs" in result.output
