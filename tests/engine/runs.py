"""Runs of scenarios on a stack of real containers, conducted by the stack's worker."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from app.domain.scenarios import RunState
from app.store import runs as rows
from app.store.tables import ScenarioRun
from app.usecases import runs
from tests.engine.stacks import Stack, until
from workers.conductor.conductor import Conductor


@contextmanager
def conducting(stack: Stack) -> Iterator[Conductor]:
    """The worker of a stack that has begun also conducts runs."""
    conductor = Conductor(stack.context, stack.watch.pools)
    conductor.begin()
    try:
        yield conductor
    finally:
        conductor.end()


def ask(stack: Stack, *services: str, **more: Any) -> str:
    """Request a run, and send no message to a worker."""
    scenario = {"name": "cycle", "services": list(services), "ttl": 60, **more}
    with stack.database.write() as session:
        return runs.start_run(session, scenario, actor="ada", now=stack.database.now()).id


def row(stack: Stack, run: str) -> ScenarioRun:
    with stack.database.read() as session:
        stored = rows.with_report(session, run)
        assert stored
        return stored


def finished(stack: Stack, run: str, *, within: float = 60.0) -> ScenarioRun:
    until(lambda: row(stack, run).state == RunState.FINISHED, f"run {run} is finished", within, stack)
    return row(stack, run)


def under_way(stack: Stack, run: str, phase: str, *, within: float = 30.0) -> ScenarioRun:
    until(lambda: row(stack, run).detail == phase, f"run {run} {phase}", within, stack)
    return row(stack, run)


def conduct(stack: Stack, *services: str, **more: Any) -> ScenarioRun:
    """Run a scenario from its beginning to its end."""
    run = ask(stack, *services, **more)
    with conducting(stack):
        return finished(stack, run)


def steps(run: ScenarioRun) -> dict[str, str]:
    return {one["name"]: one["status"] for one in run.steps}


def details(run: ScenarioRun) -> dict[str, str]:
    return {one["name"]: one["detail"] for one in run.steps}
