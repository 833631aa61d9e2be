"""Runs of scenarios over HTTP: start, list, show, cancel, and their reports."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from flask import Response

from app.store import runs as rows
from app.web import actions, request_parsing, responses, schemas
from app.web.authentication import Caller
from app.web.context import WebContext
from app.web.routes import Answer, Routes
from app.web.run_views import describe_run, read_run

routes = Routes("runs", "/api/v1")


@routes.add(
    "POST",
    "/runs",
    {202: Answer("The run, queued.", schemas.Run, headers={"Location": "Where the run is to be read."})},
    body=schemas.RunRequest,
    refuses=(403, 409, 413),
)
def start_run(front: WebContext, caller: Caller, *, body: schemas.RunRequest) -> Response:
    """Run a scenario.

    The worker of the stack's node opens a window as the caller, runs the steps, closes the window and
    writes a report. Checks look only into services that the window holds.
    """
    run = actions.start_run_and_dispatch(front, caller, body.scenario)
    return responses.json(describe_run(run), 202, {"Location": f"/api/v1/runs/{run.id}"})


@routes.add(
    "GET", "/runs", {200: Answer("A page of runs, newest first.", schemas.Runs)}, query=schemas.RunsQuery
)
def list_runs(front: WebContext, caller: Caller, *, query: schemas.RunsQuery) -> Response:
    """List runs, newest first."""
    return responses.json(read_page(front, query))


def read_page(front: WebContext, query: schemas.RunsQuery) -> dict[str, Any]:
    """A page of runs and the cursor of the next one."""
    before = request_parsing.place(query.cursor, "cursor", datetime, str) if query.cursor else None
    with front.database.read() as session:
        found = rows.page(session, stack=query.stack, before=before, limit=query.limit + 1)
        page = found[: query.limit]
        items = [describe_run(row) for row in page]
    more = len(found) > query.limit
    following = request_parsing.cursor(page[-1].created_at, page[-1].id) if more else None
    return {"items": items, "next": following}


@routes.add("GET", "/runs/<run>", {200: Answer("The run.", schemas.Run)}, refuses=(404,))
def show_run(front: WebContext, caller: Caller, *, run: str) -> Response:
    """Show a run with its steps as they stand."""
    return responses.json(read_run(front, run))


@routes.add(
    "POST",
    "/runs/<run>/cancel",
    {
        202: Answer("The run; its window is on its way down.", schemas.Run),
        200: Answer("It was finished already.", schemas.Run),
    },
    refuses=(404,),
)
def cancel_run(front: WebContext, caller: Caller, *, run: str) -> Response:
    """Cancel a run and close its window; cancelling a finished run does nothing.

    The run is finished, with a report, when its window has closed.
    """
    was_finished = actions.cancel_run_and_dispatch(front, caller, run)
    return responses.json(read_run(front, run), 200 if was_finished else 202)
