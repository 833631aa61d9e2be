"""One window: how it goes, what its services do and write, and what can be done with it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from flask import redirect, request

from app.domain.errors import Refusal
from app.store import samples
from app.web import actions, log_reading, problems, request_parsing, schemas, window_views
from app.web.authentication import Caller
from app.web.console import drawing
from app.web.console.drawing import Chart
from app.web.console.open_window import seconds
from app.web.console.pages import Pages, Said, render_page
from app.web.context import WebContext
from app.web.problems import ApiError

pages = Pages()
_LINES = 200


@pages.add("GET", "/windows/<window>")
def window_page(front: WebContext, _caller: Caller, *, window: str) -> Said:
    """A window, live."""
    return _page(front, window)


@pages.add("GET", "/parts/windows/<window>", part=True)
def window_part(front: WebContext, _caller: Caller, *, window: str) -> Said:
    """How it goes, to be put in its place."""
    return render_page("_window.html", window=window_views.read_window(front, window))


@pages.add("GET", "/parts/windows/<window>/acts", part=True)
def window_acts(front: WebContext, _caller: Caller, *, window: str) -> Said:
    """What can be done with it now, to be put in its place."""
    return render_page("_acts.html", window=window_views.read_window(front, window), wrong=None, ttl="")


@pages.add("GET", "/parts/windows/<window>/use", part=True)
def window_use(front: WebContext, _caller: Caller, *, window: str) -> Said:
    """What its services use, to be put in its place."""
    found = window_views.read_window(front, window)
    return render_page("_use.html", window=found, charts=_charts(front, found))


def _charts(front: WebContext, window: dict[str, Any]) -> list[Chart]:
    """CPU and memory of each service that was sampled while this window held it."""
    since = datetime.fromisoformat(window["created_at"])
    until = datetime.fromisoformat(window["closed_at"]) if window["closed_at"] else front.database.now()
    with front.database.read() as session:
        found = samples.between(session, window["stack"], list(window["health"]), since, until)
    return [drawing.chart(name, rows, since, until) for name, rows in found.items()]


def _page(front: WebContext, window: str, wrong: str = "", status: int = 200, ttl: str = "") -> Said:
    found = window_views.read_window(front, window)
    return render_page(
        "window.html", window=found, charts=_charts(front, found), wrong=wrong, ttl=ttl
    ), status


@pages.add("POST", "/windows/<window>/extend")
def extending(front: WebContext, caller: Caller, *, window: str) -> Said:
    """Move the deadline."""
    ttl = request.form.get("ttl", "")[:100].strip()
    window_views.require_window_id(window)
    try:
        actions.extend_deadline(front, caller, window, seconds(ttl))
    except ApiError as turned:
        return _page(front, window, str(turned), turned.kind.status, ttl)
    except Refusal as refusal:
        return _page(front, window, str(refusal), problems.kind_of(refusal).status, ttl)
    return _back(window)


@pages.add("GET", "/windows/<window>/force")
def force_page(front: WebContext, _caller: Caller, *, window: str) -> Said:
    """Ask before anything is killed."""
    return render_page("force.html", window=window_views.read_window(front, window))


@pages.add("POST", "/windows/<window>/close")
def closing(front: WebContext, caller: Caller, *, window: str) -> Said:
    """Close it, or kill and close it."""
    given: dict[str, Any] = {"reason": request.form.get("reason", "").strip() or None}
    body = request_parsing.validate(schemas.Close, given)
    actions.close_and_dispatch(
        front, caller, window, reason=body.reason, force=request.form.get("force") == "yes"
    )
    return _back(window)


def _back(window: str) -> Said:
    return redirect(f"/windows/{window}", 303)


@pages.add("GET", "/windows/<window>/logs")
def logs_page(front: WebContext, caller: Caller, *, window: str) -> Said:
    """What its services wrote last."""
    asked = {"service": request.args["service"]} if request.args.get("service") else {}
    query = request_parsing.validate(schemas.LogsQuery, {**asked, "tail": _LINES})
    shown_window = window_views.read_window(front, window)
    try:
        read = log_reading.read_newest(front, caller, window, query)
    except ApiError as turned:
        why = str(turned)
        return render_page(
            "logs.html", window=shown_window, lines=[], notes={}, why=why, only=query.service
        ), turned.kind.status
    return render_page(
        "logs.html", window=shown_window, lines=read.lines, notes=read.notes, why="", only=query.service
    )
