"""Runs the steps of a scenario: in parallel where they may, each with its retries."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from datetime import datetime

from app.domain import scenarios
from app.domain.scenarios import Scenario, ScenarioStep, StepStatus
from workers.conductor.network_checks import Verdict
from workers.conductor.run_record import RunRecord

PARALLEL_STEPS = 8
"""Steps of one run that are tried at the same time."""

TryCheck = Callable[[ScenarioStep], Verdict]
"""Makes one try of a step."""
Now = Callable[[], datetime]


def run_steps(
    scenario: Scenario, record: RunRecord, try_check: TryCheck, interrupted: threading.Event, now: Now
) -> bool:
    """Run every step that may run; True where all have passed. Steps that never began are skipped."""
    under_way: dict[Future[None], str] = {}
    with ThreadPoolExecutor(PARALLEL_STEPS, "run-step") as pool:
        while not interrupted.is_set():
            statuses = record.statuses()
            for name, lost in scenarios.steps_to_skip(scenario.steps, statuses).items():
                record.set_step(name, StepStatus.SKIPPED, f"{lost} has not passed", now())
            for name in scenarios.steps_to_start(scenario.steps, statuses):
                record.set_step(name, StepStatus.RUNNING, None, now())
                step = scenario.steps[name]
                under_way[pool.submit(_run_step, step, record, try_check, interrupted, now)] = name
            if not under_way:
                break
            done, _ = wait(under_way, timeout=0.5, return_when=FIRST_COMPLETED)
            for one in done:
                del under_way[one]
                one.result()
    skip_rest(record, "the run was interrupted", now())
    return all(status is StepStatus.PASSED for status in record.statuses().values())


def skip_rest(record: RunRecord, why: str, now: datetime) -> None:
    """Skip every step that has not ended."""
    for name, status in record.statuses().items():
        if status not in scenarios.FINISHED_STEP:
            record.set_step(name, StepStatus.SKIPPED, why, now)


def _run_step(
    step: ScenarioStep, record: RunRecord, try_check: TryCheck, interrupted: threading.Event, now: Now
) -> None:
    """Try a step until it passes, or as often as it may be tried."""
    detail = ""
    for number in range(step.retries + 1):
        if number and interrupted.wait(step.every):
            break
        if interrupted.is_set():
            break
        began, started = now(), time.monotonic()
        ok, detail = try_check(step)
        elapsed = round((time.monotonic() - started) * 1000)
        record.add_try(step.name, ok=ok, detail=detail, began=began, elapsed_ms=elapsed)
        if ok:
            record.set_step(step.name, StepStatus.PASSED, detail, now())
            return
    else:
        record.set_step(step.name, StepStatus.FAILED, detail, now())
