"""Routes as Flask views: trace the request, authenticate it, parse it, and call the route."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Response, request

from app import tracing
from app.web import request_parsing
from app.web.context import WebContext
from app.web.routes import ApiRoute
from app.web.viewing import set_viewer


def view_of(context: WebContext, route: ApiRoute) -> Callable[..., Response]:
    """The view of a route; the token is checked first, then the body, then the query."""

    def view(**arguments: Any) -> Response:
        if not route.tokened:
            return route.run(context)
        name, carried = f"{route.method} {route.path}", request.headers.get(tracing.HEADER)
        with tracing.span(name, carried, http__request__method=route.method, http__route=route.path) as span:
            response = respond(arguments)
            span.tell(http__response__status_code=response.status_code)
            return response

    def respond(arguments: dict[str, Any]) -> Response:
        caller = context.authenticator.caller(request, route.scope, approver=route.approver)
        set_viewer(caller.viewer)
        if route.body:
            arguments["body"] = request_parsing.body(request, route.body)
        if route.query:
            arguments["query"] = request_parsing.query(request, route.query)
        return route.run(context, caller, **arguments)

    return view
