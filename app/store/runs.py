"""Named queries about runs of scenarios."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session, undefer

from app.domain.enums import State
from app.domain.scenarios import RunState
from app.domain.stack_id import StackId
from app.store import paging
from app.store.tables import Lease, ScenarioRun, Window


def get(session: Session, run: str) -> ScenarioRun | None:
    """The run of this id without its scenario and report, or None."""
    return session.get(ScenarioRun, run)


def with_report(session: Session, run: str) -> ScenarioRun | None:
    """The run of this id with its scenario and report, or None."""
    query = select(ScenarioRun).where(ScenarioRun.id == run)
    return session.scalar(query.options(undefer(ScenarioRun.document), undefer(ScenarioRun.report)))


def page(
    session: Session, *, stack: StackId | None = None, before: paging.RowPlace | None = None, limit: int = 50
) -> list[ScenarioRun]:
    """Runs, newest first, from beyond `before` (created_at, id)."""
    query = paging.newest_first(select(ScenarioRun), ScenarioRun, before, limit)
    if stack is not None:
        query = query.where(ScenarioRun.stack == stack)
    return list(session.scalars(query))


def note_progress(session: Session, run: str, detail: str, steps: Sequence[Mapping[str, Any]]) -> None:
    """Store what a run does now and how its steps stand; a finished run stays as it is."""
    going = update(ScenarioRun).where(ScenarioRun.id == run, ScenarioRun.state == RunState.RUNNING)
    session.execute(going.values(detail=detail, steps=[dict(one) for one in steps]))


def images_of(session: Session, node: str, window: str) -> Mapping[str, str]:
    """By service, the image that a window's run has it run; empty where no run under way has the window."""
    query = select(ScenarioRun.document).where(
        ScenarioRun.state == RunState.RUNNING, ScenarioRun.node == node, ScenarioRun.window_id == window
    )
    return (session.scalar(query) or {}).get("images") or {}


def images_in_use(session: Session, stack: StackId) -> dict[str, tuple[str, str]]:
    """By service, the image that a run has it run, and that run; of runs whose window has not closed."""
    query = (
        select(ScenarioRun.id, ScenarioRun.document)
        .join(Window, Window.id == ScenarioRun.window_id)
        .where(
            ScenarioRun.state == RunState.RUNNING, ScenarioRun.stack == stack, Window.state != State.CLOSED
        )
    )
    return {
        service: (image, run)
        for run, document in session.execute(query)
        for service, image in (document.get("images") or {}).items()
    }


def start_times(session: Session, window: Window, limit: int) -> dict[str, list[float]]:
    """By service, the seconds from opening to ready in earlier windows of the same stack, newest last."""
    times: dict[str, list[float]] = {}
    for lease in window.leases:
        query = (
            select(Lease.ready_at, Window.opening_at)
            .join(Window, Lease.window_id == Window.id)
            .where(
                Window.stack == window.stack,
                Lease.service == lease.service,
                Lease.ready_at.is_not(None),
                Window.opening_at.is_not(None),
                Window.created_at < window.created_at,
            )
            .order_by(Window.created_at.desc())
            .limit(limit)
        )
        pairs = [(ready, began) for ready, began in session.execute(query) if ready and began]
        times[lease.service] = [round((ready - began).total_seconds(), 3) for ready, began in pairs[::-1]]
    return times


def forget(session: Session, before: datetime) -> None:
    """Delete the finished runs that were asked for before this time."""
    over = delete(ScenarioRun).where(ScenarioRun.state == RunState.FINISHED)
    session.execute(over.where(ScenarioRun.created_at < before))
