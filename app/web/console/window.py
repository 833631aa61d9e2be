"""The page of one window: its state, its services and their logs, and its actions."""

from __future__ import annotations

from typing import Any

from flask import redirect, request

from app.domain.errors import Refusal
from app.web import actions, log_reading, problems, request_parsing, schemas, window_views
from app.web.authentication import Caller
from app.web.console import sessions
from app.web.console.open_window import seconds
from app.web.console.pages import PageResponse, Pages, render_page
from app.web.console.window_details import window_charts, window_details
from app.web.context import WebContext
from app.web.problems import ApiError

pages = Pages()
_LINES = 200
_TAIL = 14
"""Log lines shown while a window opens."""


@pages.add("GET", "/windows/<window>")
def window_page(context: WebContext, _caller: Caller, *, window: str) -> PageResponse:
    """A window, updated while it is shown."""
    return _page(context, window)


@pages.add("GET", "/parts/windows/<window>", part=True)
def window_part(context: WebContext, _caller: Caller, *, window: str) -> PageResponse:
    """The state of the window, its services and what happened, for its page to replace."""
    view = window_views.read_window(context, window)
    return render_page("_window.html", window=view, part=True, **window_details(context, view))


@pages.add("GET", "/parts/windows/<window>/calls", part=True)
def window_calls(context: WebContext, _caller: Caller, *, window: str) -> PageResponse:
    """Its compose calls with what they have printed so far, for its page to replace while one runs."""
    return render_page("_calls.html", window=window_views.read_window(context, window))


@pages.add("GET", "/parts/windows/<window>/acts", part=True)
def window_acts(context: WebContext, _caller: Caller, *, window: str) -> PageResponse:
    """The actions that are possible now, for its page to replace."""
    return render_page("_acts.html", window=window_views.read_window(context, window), wrong=None, ttl="")


@pages.add("GET", "/parts/windows/<window>/use", part=True)
def window_use(context: WebContext, _caller: Caller, *, window: str) -> PageResponse:
    """CPU and memory of its services, for its page to replace."""
    view = window_views.read_window(context, window)
    return render_page("_use.html", window=view, charts=window_charts(context, view))


@pages.add("GET", "/parts/windows/<window>/output", part=True)
def window_output(context: WebContext, caller: Caller, *, window: str) -> PageResponse:
    """The last log lines of its services while it opens, for its page to replace."""
    view, lines, why = window_views.read_window(context, window), [], ""
    query = request_parsing.validate(schemas.LogsQuery, {"tail": _TAIL})
    try:
        lines = log_reading.read_newest(context, caller, window, query).lines
    except (ApiError, Refusal) as error:
        why = str(error)
    return render_page("_output.html", window=view, lines=lines[-_TAIL:], why=why)


def _page(
    context: WebContext, window: str, wrong: str = "", status: int = 200, ttl: str = ""
) -> PageResponse:
    view = window_views.read_window(context, window)
    values = {"window": view, "charts": window_charts(context, view), "wrong": wrong, "ttl": ttl}
    return render_page("window.html", **values, part=False, **window_details(context, view)), status


@pages.add("POST", "/windows/<window>/extend")
def extending(context: WebContext, caller: Caller, *, window: str) -> PageResponse:
    """Move the deadline to `ttl` from now, or by `by` from where it is."""
    ttl = request.form.get("ttl", "")[:100].strip()
    try:
        actions.extend_deadline(context, caller, window, _seconds_from_now(context, window, ttl))
    except ApiError as error:
        return _page(context, window, str(error), error.kind.status, ttl)
    except Refusal as refusal:
        return _page(context, window, str(refusal), problems.kind_of(refusal).status, ttl)
    return _back(window)


def _seconds_from_now(context: WebContext, window: str, ttl: str) -> float:
    """Seconds from now to the deadline that the form asks for; raises ApiError or UnknownWindow."""
    left = window_views.read_window(context, window)["ttl_remaining_sec"]
    by = request.form.get("by", "")[:100].strip()
    return float(left) + seconds(by) if by else seconds(ttl)


@pages.add("GET", "/windows/<window>/force")
def force_page(context: WebContext, _caller: Caller, *, window: str) -> PageResponse:
    """Ask for confirmation before services are killed."""
    return render_page("force.html", window=window_views.read_window(context, window))


@pages.add("POST", "/windows/<window>/close")
def closing(context: WebContext, caller: Caller, *, window: str) -> PageResponse:
    """Close the window; with `force` kill its services."""
    given: dict[str, Any] = {"reason": request.form.get("reason", "").strip() or None}
    body = request_parsing.validate(schemas.Close, given)
    actions.close_and_dispatch(
        context, caller, window, reason=body.reason, force=request.form.get("force") == "yes"
    )
    return _back(window)


def _back(window: str) -> PageResponse:
    """Redirect to the page of this server that the form stood on; by default the window's."""
    here = sessions.local_address(request.form.get("here", ""), f"/windows/{window}")
    return redirect(request.script_root + here, 303)


@pages.add("GET", "/windows/<window>/logs")
def logs_page(context: WebContext, caller: Caller, *, window: str) -> PageResponse:
    """The last log lines of its services."""
    service_filter = {"service": request.args["service"]} if request.args.get("service") else {}
    query = request_parsing.validate(schemas.LogsQuery, {**service_filter, "tail": _LINES})
    shown_window = window_views.read_window(context, window)
    try:
        read = log_reading.read_newest(context, caller, window, query)
    except ApiError as error:
        why = str(error)
        return render_page(
            "logs.html", window=shown_window, lines=[], notes={}, why=why, only=query.service
        ), error.kind.status
    return render_page(
        "logs.html", window=shown_window, lines=read.lines, notes=read.notes, why="", only=query.service
    )
