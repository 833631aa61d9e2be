"""Runs of scenarios over HTTP: start, list, show, cancel, and their reports."""

from __future__ import annotations

from flask import Response

from app.reports.render import RENDERERS
from app.web import actions, responses, schemas
from app.web.authentication import Caller
from app.web.context import WebContext
from app.web.routes import JSON, Answer, Routes
from app.web.run_views import describe_run, read_run, read_run_page, require_report

routes = Routes("runs", "/api/v1")


@routes.add(
    "POST",
    "/runs",
    {202: Answer("The run, queued.", schemas.Run, headers={"Location": "The address of the run."})},
    body=schemas.RunRequest,
    refuses=(403, 409, 413),
)
def start_run(context: WebContext, caller: Caller, *, body: schemas.RunRequest) -> Response:
    """Run a scenario.

    The worker of the stack's node opens a window as the caller, runs the steps, closes the window and
    writes a report. Checks look only into services that the window holds.
    """
    run = actions.start_run_and_dispatch(context, caller, body.scenario)
    return responses.json(describe_run(run), 202, {"Location": f"/api/v1/runs/{run.id}"})


@routes.add(
    "GET", "/runs", {200: Answer("A page of runs, newest first.", schemas.Runs)}, query=schemas.RunsQuery
)
def list_runs(context: WebContext, caller: Caller, *, query: schemas.RunsQuery) -> Response:
    """List runs, newest first."""
    return responses.json(read_run_page(context, caller, query))


@routes.add("GET", "/runs/<run>", {200: Answer("The run.", schemas.Run)}, refuses=(404,))
def show_run(context: WebContext, caller: Caller, *, run: str) -> Response:
    """Show a run with its steps."""
    return responses.json(read_run(context, run))


_FORMS = {media.partition(";")[0]: f"`format={name}`." for name, (media, _) in RENDERERS.items()}
_PAGE_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; sandbox"
"""A report as a page has its style in itself, and neither scripts nor forms."""


@routes.add(
    "GET",
    "/runs/<run>/report",
    {
        200: Answer(
            "The report.",
            schemas.RunReport,
            also={media: says for media, says in _FORMS.items() if media != JSON},
        )
    },
    query=schemas.ReportQuery,
    refuses=(404, 409),
)
def show_report(front: WebContext, caller: Caller, *, run: str, query: schemas.ReportQuery) -> Response:
    """Read the report of a finished run, as JSON, Markdown, a page that needs nothing else, or JUnit XML."""
    media, render = RENDERERS[query.format]
    headers = {"Content-Security-Policy": _PAGE_POLICY} if query.format == "html" else None
    return Response(render(require_report(front, run)), 200, headers, content_type=media)


@routes.add(
    "POST",
    "/runs/<run>/cancel",
    {
        202: Answer("The run; its window is closing.", schemas.Run),
        200: Answer("The run, which was finished already.", schemas.Run),
    },
    refuses=(404,),
)
def cancel_run(context: WebContext, caller: Caller, *, run: str) -> Response:
    """Cancel a run and close its window; a finished run stays as it is.

    The run is finished, with a report, when its window has closed.
    """
    was_finished = actions.cancel_run_and_dispatch(context, caller, run)
    return responses.json(read_run(context, run), 200 if was_finished else 202)
