"""Runs of scenarios: ask for one, begin it, give it a window, cancel it, finish it. One transaction each.

A run is conducted by the worker of its stack's node. Its window is an ordinary window with the run's actor,
so its services stop at the deadline even if no worker ever finishes the run.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from dataclasses import replace
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Any

from sqlalchemy.orm import Session

from app.domain import planning, scenarios
from app.domain.enums import Event
from app.domain.planning import StackSpec
from app.domain.run_errors import (
    CheckOutsideWindow,
    HeldElsewhere,
    ImageNotPermitted,
    ImageOutsideWindow,
    InvalidScenario,
    TooManyRuns,
    UnknownRun,
)
from app.domain.scenarios import RunOutcome, RunState, Scenario, StepStatus
from app.domain.stack_id import StackId, namespace_of
from app.domain.viewer import Viewer
from app.settings import ConfigError
from app.settings.scenario_toml import as_document, parse_scenario
from app.store import stacks
from app.store import windows as rows
from app.store.tables import ScenarioRun, Window
from app.usecases import jobs
from app.usecases.jobs import record_job_entry
from app.usecases.windows import open as opening
from app.usecases.windows.open import OpenRequest


def start_run(session: Session, document: Any, *, actor: str, now: datetime) -> ScenarioRun:
    """Write the row of a new run, which a worker then conducts.

    Raises InvalidScenario, CheckOutsideWindow, ImageOutsideWindow, ImageNotPermitted, TooManyRuns, NodeAway,
    and what opening its window raises.
    """
    scenario = _qualify(parse_or_refuse(document), actor)
    stack, asked, ttl = opening.check_request(session, open_request(scenario))
    check_scope(stack.spec, scenario)
    check_images(stack.spec, scenario)
    jobs.check_node(session, ScenarioRun, stack, TooManyRuns, now)
    run = ScenarioRun(
        id=secrets.token_hex(8),
        stack=stack.name,
        node=stack.node,
        name=scenario.name,
        actor=actor,
        services=asked,
        state=RunState.QUEUED,
        detail=jobs.AWAITS_WORKER,
        document=as_document(scenario) | {"stack": stack.name, "ttl": ttl},
        steps=initial_steps(scenario),
        created_at=now,
    )
    session.add(run)
    facts: dict[str, Any] = {"services": asked, "ttl_sec": ttl, "fresh": scenario.fresh}
    facts |= {"images": dict(scenario.images)} if scenario.images else {}
    record_job_entry(session, run, Event.RUN_STARTED, actor, now, **facts)
    return run


def parse_or_refuse(document: Any) -> Scenario:
    """The scenario that a document describes; raises InvalidScenario."""
    try:
        return parse_scenario(document, "scenario")
    except ConfigError as error:
        raise InvalidScenario(error.faults) from error


def _qualify(scenario: Scenario, actor: str) -> Scenario:
    """The scenario with the id of its stack, which it names as its actor does."""
    viewer = Viewer(namespace_of(actor))
    return scenario if scenario.stack is None else replace(scenario, stack=viewer.stack_id(scenario.stack))


def open_request(scenario: Scenario, reason: str | None = None) -> OpenRequest:
    """The request for the window of a scenario."""
    stack = None if scenario.stack is None else StackId(scenario.stack)
    return OpenRequest(list(scenario.services), stack, scenario.ttl, reason)


def check_scope(spec: StackSpec, scenario: Scenario) -> None:
    """Raise CheckOutsideWindow where a step looks into a service that the window does not hold.

    So no check reads from, or runs a command in, a service of core or one that may not be powered.
    """
    held = planning.closure(spec, scenario.services)
    for service, steps in sorted(scenario.checked_services().items()):
        if service not in held:
            raise CheckOutsideWindow(steps[0], service, held)


def check_images(spec: StackSpec, scenario: Scenario) -> None:
    """Raise ImageOutsideWindow or ImageNotPermitted where a service may not run its image of the scenario."""
    held = planning.closure(spec, scenario.services)
    for service, image in sorted(scenario.images.items()):
        if service not in held:
            raise ImageOutsideWindow(service, held)
        permitted = spec.services[service].images
        if not any(fnmatchcase(image, pattern) for pattern in permitted):
            raise ImageNotPermitted(service, image, permitted)


def initial_steps(scenario: Scenario) -> list[dict[str, Any]]:
    """Each step of a scenario as a row shows it before anything has run."""
    return [
        {
            "name": step.name,
            "kind": str(step.kind),
            "check": scenarios.describe_check(step.check)[:300],
            "depends_on": list(step.depends_on),
            "status": str(StepStatus.PENDING),
            "detail": "",
            "tries": 0,
        }
        for step in scenario.steps.values()
    ]


def claim_run(session: Session, run_id: str, worker: str, now: datetime) -> ScenarioRun | None:
    """Begin a queued run as this worker; None where it is not queued any more."""
    run = jobs.claim_job(session, ScenarioRun, run_id, worker, now, queued=RunState.QUEUED)
    if run is not None:
        run.state = RunState.RUNNING
    return run


def take_over_run(session: Session, run_id: str, dead: str, worker: str) -> ScenarioRun | None:
    """Go on with the run of a worker that is dead, to end it; None where another has done so."""
    run = jobs.lock_unfinished(session, ScenarioRun, run_id)
    if run is None or run.worker != dead:
        return None
    run.worker = worker
    return run


def open_run_window(session: Session, run_id: str, scenario: Scenario, now: datetime) -> Window | None:
    """Open the window of a run as its actor; None where the run was cancelled meanwhile.

    Raises what opening a window raises.
    """
    run = jobs.lock_to_open(session, ScenarioRun, run_id)
    if run is None:
        return None
    if scenario.images:
        _require_unheld(session, run.stack, scenario.images)
    return jobs.open_job_window(session, run, open_request(scenario, f"run {run.id}: {run.name}"), now)


def _require_unheld(session: Session, stack: StackId, services: Iterable[str]) -> None:
    """Raise HeldElsewhere where a window holds one of these services.

    The stack's row is locked, so that no other window is opened on it before this transaction ends.
    """
    stacks.lock_stack(session, stack)
    windows = rows.moving_of(session, stack)
    for service in sorted(services):
        if holders := [one.id for one in windows if any(lease.service == service for lease in one.leases)]:
            raise HeldElsewhere(service, holders)


def cancel_run(session: Session, run_id: str, *, actor: str, now: datetime) -> ScenarioRun:
    """Cancel a run and close its window; one that is finished stays as it is. Raises UnknownRun.

    A run under way is finished by its worker, with a report.
    """

    def cut(detail: str) -> None:
        finish_run(session, run_id, RunOutcome.CUT, detail, report=None, now=now)

    run = jobs.cancel_job(session, ScenarioRun, run_id, word="run", actor=actor, now=now, cut=cut)
    if run is None:
        raise UnknownRun(run_id)
    return run


def finish_run(
    session: Session,
    run_id: str,
    outcome: RunOutcome,
    detail: str,
    *,
    report: Mapping[str, Any] | None,
    now: datetime,
    steps: Sequence[Mapping[str, Any]] | None = None,
) -> bool:
    """Record how a run ended; return False if it had ended before."""
    run = jobs.lock_unfinished(session, ScenarioRun, run_id)
    if run is None:
        return False
    run.state, run.outcome, run.finished_at = RunState.FINISHED, outcome, now
    run.detail = detail[: jobs.LONGEST_JOB_DETAIL]
    run.report = dict(report) if report is not None else None
    run.steps = [dict(one) for one in (run.steps if steps is None else steps)]
    run.document = without_secrets(run.document)
    event = Event.RUN_CUT if outcome is RunOutcome.CUT else Event.RUN_FINISHED
    failed = [one["name"] for one in run.steps if one["status"] == StepStatus.FAILED]
    actor = run.cancelled_by or run.actor
    record_job_entry(session, run, event, actor, now, outcome=str(outcome), detail=run.detail, failed=failed)
    return True


def without_secrets(document: Mapping[str, Any]) -> dict[str, Any]:
    """The document of a scenario without the headers and bodies of its requests, which may be secret."""
    plain: dict[str, Any] = deepcopy(dict(document))
    for step in plain.get("steps", {}).values():
        for name in ("headers", "body"):
            step.get("http", {}).pop(name, None)
    return plain
