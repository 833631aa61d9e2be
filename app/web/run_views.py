"""Read runs of scenarios from the database and describe them as JSON values."""

from __future__ import annotations

from typing import Any

from app.domain.run_errors import NoReport, UnknownRun
from app.store import runs
from app.store.tables import ScenarioRun, stamp
from app.web import cursors, request_parsing, schemas
from app.web.authentication import Caller
from app.web.context import WebContext


def require_run_id(run: str) -> None:
    """Raise UnknownRun for text that cannot be an id; some databases fail on it."""
    request_parsing.check_id(run, UnknownRun)


def read_run(context: WebContext, run: str) -> dict[str, Any]:
    """One run as JSON; raises UnknownRun."""
    require_run_id(run)
    with context.database.read() as session:
        row = runs.get(session, run)
        if row is None:
            raise UnknownRun(run)
        return describe_run(row)


def read_report(context: WebContext, run: str) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """One run as JSON, and its report, None while it has none; raises UnknownRun."""
    require_run_id(run)
    with context.database.read() as session:
        row = runs.with_report(session, run)
        if row is None:
            raise UnknownRun(run)
        return describe_run(row), row.report


def require_report(front: WebContext, run: str) -> dict[str, Any]:
    """The report of a run; raises UnknownRun or NoReport."""
    view, report = read_report(front, run)
    if report is None:
        raise NoReport(run, str(view["state"]))
    return report


def read_run_page(context: WebContext, caller: Caller, query: schemas.RunsQuery) -> dict[str, Any]:
    """A page of runs and the cursor of the next one."""
    before = cursors.decode_newest(query.cursor)
    stack = caller.stack_id_or_none(query.stack)
    with context.database.read() as session:
        rows = runs.page(session, stack=stack, before=before, limit=query.limit + 1)
        page, following = cursors.split_newest(rows, query.limit)
        items = [describe_run(row) for row in page]
    return {"items": items, "next": following}


def describe_run(row: ScenarioRun) -> dict[str, Any]:
    """A run as JSON."""
    moments = {name: getattr(row, name) for name in ("created_at", "started_at", "finished_at")}
    return {
        "id": row.id,
        "name": row.name,
        "stack": row.stack,
        "node": row.node,
        "actor": row.actor,
        "services": row.services,
        "state": row.state,
        "outcome": row.outcome,
        "detail": row.detail,
        "window": row.window_id,
        "cancelled_by": row.cancelled_by,
        **{name: stamp(at) if at else None for name, at in moments.items()},
        "steps": row.steps,
    }
