"""Pages of scenario runs: the list, and one run with its report."""

from __future__ import annotations

from typing import Any

from flask import Response, redirect, request
from markupsafe import Markup
from werkzeug.exceptions import NotFound

from app.reports.render import RENDERERS, render_body
from app.web import actions, request_parsing, run_views, schemas
from app.web.authentication import Caller
from app.web.console.local_time import zone_label
from app.web.console.pages import PageResponse, Pages, render_page
from app.web.context import WebContext

pages = Pages()
FILES = {"md": "report.md", "json": "report.json", "html": "report.html", "junit": "junit.xml"}
"""The name under which each form of a report is saved."""


@pages.add("GET", "/runs")
def runs_page(context: WebContext, caller: Caller) -> PageResponse:
    """Runs, newest first, in pages."""
    given = {name: value.strip() for name, value in request.args.items() if value.strip()}
    page = run_views.read_run_page(context, caller, request_parsing.validate(schemas.RunsQuery, given))
    more = {**given, "cursor": page["next"]} if page["next"] else None
    zone = zone_label(context.database.now())
    return render_page("runs.html", runs=page["items"], more=more, zone=zone)


@pages.add("GET", "/runs/<run>")
def run_page(context: WebContext, _caller: Caller, *, run: str) -> PageResponse:
    """One run; its steps are live while it goes on, and its report follows when it is finished."""
    return render_page("run.html", **_values(context, run))


@pages.add("GET", "/parts/runs/<run>", part=True)
def run_part(context: WebContext, _caller: Caller, *, run: str) -> PageResponse:
    """The live part of the page of a run."""
    return render_page("_run.html", **_values(context, run))


def _values(context: WebContext, run: str) -> dict[str, Any]:
    view, report = run_views.read_report(context, run)
    # What the report renders is escaped there.
    body = Markup(render_body(report)) if report else ""
    return {"run": view, "report": body, "forms": FILES}


@pages.add("GET", "/runs/<run>/<form>")
def run_file(context: WebContext, _caller: Caller, *, run: str, form: str) -> PageResponse:
    """The report as a file to save, in one of its forms."""
    if form not in FILES:
        raise NotFound("A report has no such form.")
    media, render = RENDERERS[form]
    name = f"attachment; filename={run}-{FILES[form]}"
    text = render(run_views.require_report(context, run))
    return Response(text, content_type=media, headers={"Content-Disposition": name})


@pages.add("POST", "/runs/<run>/cancel")
def cancel_run_form(context: WebContext, caller: Caller, *, run: str) -> PageResponse:
    """Cancel a run and close its window."""
    actions.cancel_run_and_dispatch(context, caller, run)
    return redirect(f"/runs/{run}", 303)
