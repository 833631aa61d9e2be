"""The summary for dashboards."""

from __future__ import annotations

from flask import Response

from app.store import stacks, windows
from app.web import responses, schemas
from app.web.authentication import Caller
from app.web.context import WebContext
from app.web.routes import Answer, Routes
from app.web.stack_views import describe_stacks
from app.web.summary_views import summarize

routes = Routes("stacks", "/api/v1")


@routes.add("GET", "/summary", {200: Answer("The summary.", schemas.DashboardSummary)})
def show_summary(context: WebContext, caller: Caller) -> Response:
    """Show the state of all stacks as one flat object, for dashboards."""
    with context.database.read() as session:
        now, rows = context.database.now(), stacks.every(session)
        moving = [window for row in rows for window in windows.moving_of(session, row.name)]
        return responses.json(summarize(describe_stacks(session, rows, now), moving, now))
