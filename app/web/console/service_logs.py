"""The page with the last log lines of one service, whether or not a window holds it."""

from __future__ import annotations

from typing import Any

from flask import request

from app.domain.errors import Refusal
from app.web import log_reading, problems
from app.web.authentication import Caller
from app.web.console.pages import PageResponse, Pages, render_page
from app.web.context import WebContext
from app.web.problems import ApiError

pages = Pages()
_LINES = 200


@pages.add("GET", "/logs")
def service_logs_page(context: WebContext, caller: Caller) -> PageResponse:
    """The last lines of `service` of `stack`."""
    stack, service = request.args.get("stack", "")[:200], request.args.get("service", "")[:200]
    values: dict[str, Any] = {
        "window": None,
        "stack": stack,
        "only": service,
        "lines": [],
        "notes": {},
        "why": "",
    }
    try:
        read = log_reading.read_service(context, caller, stack, service, _LINES)
    except ApiError as error:
        return render_page("logs.html", **values | {"why": str(error)}), error.kind.status
    except Refusal as refusal:
        return render_page("logs.html", **values | {"why": str(refusal)}), problems.kind_of(refusal).status
    return render_page("logs.html", **values | {"lines": read.lines, "notes": read.notes})
