"""The pages of runs: the list, a run under way, and a finished run with its report."""

from __future__ import annotations

from typing import Any

from app.domain.scenarios import RunOutcome
from app.usecases import runs
from tests.reports.sample import sample
from tests.system import System
from tests.web.console.conftest import Browser

STEPS = {"quiet": {"log": {"service": "forge", "pattern": "<b>never</b>"}}}


def started(system: System) -> str:
    scenario = {"name": "cycle", "services": ["forge"], "steps": STEPS}
    with system.database.write() as session:
        run = runs.start_run(session, scenario, actor="ada", now=system.now).id
    with system.database.write() as session:
        assert runs.claim_run(session, run, "worker-1", system.now)
    return run


def finish(system: System, run: str, report: Any) -> None:
    with system.database.write() as session:
        runs.finish_run(session, run, RunOutcome.FAILED, "failed: quiet", report=report, now=system.now)


def test_runs_are_listed_in_pages(ada: Browser, system: System) -> None:
    assert "No run yet" in ada.get("/runs").text
    first = started(system)
    system.tick(1)
    second = started(system)

    newest = ada.get("/runs?limit=1").text
    assert f'href="/runs/{second}"' in newest
    assert f'href="/runs/{first}"' not in newest
    assert 'rel="next"' in newest
    assert 'href="/runs" aria-current="page"' in newest


def test_a_run_under_way_is_live_and_can_be_cancelled(ada: Browser, system: System) -> None:
    run = started(system)
    page = ada.get(f"/runs/{run}").text
    assert f'hx-get="/parts/runs/{run}"' in page
    assert "&lt;b&gt;never&lt;/b&gt;" in page
    assert ada.get(f"/parts/runs/{run}").text.strip() in page

    assert ada.post(f"/runs/{run}/cancel").status_code == 303
    assert "is being cancelled by ada" in ada.get(f"/runs/{run}").text
    assert ada.get(f"/runs/{run}/md").status_code == 409


def test_a_finished_run_has_its_report_and_its_files(ada: Browser, system: System) -> None:
    run = started(system)
    hostile = sample(notes=["<script>alert(1)</script>"])
    finish(system, run, hostile)
    page = ada.get(f"/runs/{run}").text
    assert "hx-get" not in page.partition("<main")[2]
    assert "<svg" in page
    assert "<script>alert" not in page
    assert "the engine shows that only core runs: redis" in page

    for form, begins in (("md", "# Run"), ("json", "{"), ("html", "<!doctype"), ("junit", "<?xml")):
        answer = ada.get(f"/runs/{run}/{form}")
        assert answer.text.startswith(begins)
        assert answer.headers["Content-Disposition"].startswith(f"attachment; filename={run}-")
    assert ada.get(f"/runs/{run}/pdf").status_code == 404


def test_a_run_that_is_unknown_is_not_there(ada: Browser) -> None:
    assert ada.get("/runs/0123").status_code == 404
