"""The composition root of the web application: routes, refusals, and what they need."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from flask import Flask, Response, request
from gunicorn.errors import AppImportError

from app import settings as environment
from app import tracing
from app.settings import Settings
from app.settings.trusted_proxies import Forwarded
from app.store import schema
from app.store.changes import ChangeCounter
from app.store.database import Database
from app.task_queue import Dispatch
from app.web import problems, request_parsing, response_headers, server
from app.web.api import (
    audit,
    docs,
    events,
    health,
    logs,
    notifications,
    openapi,
    original_surface,
    runs,
    stacks,
    tokens,
    windows,
)
from app.web.authentication import Authenticator
from app.web.context import WebContext
from app.web.event_feed import EventFeed
from app.web.metrics import Metrics
from app.web.readiness import BrokerProbe, ReadinessProbe
from app.web.refusal_audit import RefusalAudit
from app.web.response_cache import ResponseCache
from app.web.routes import ApiRoute
from app.web.stream_capacity import StreamCapacity
from app.web.wake import forward_auth, waiting_page
from app.web.wake_cache import WakeCache
from app.web.window_waits import WindowWaits

ROUTES: list[ApiRoute] = [
    route
    for module in (
        windows,
        runs,
        logs,
        stacks,
        audit,
        notifications,
        events,
        tokens,
        forward_auth,
        health,
        docs,
        original_surface,
    )
    for route in module.routes.all
]


@cache
def specification() -> dict[str, Any]:
    """Return the OpenAPI document of all routes."""
    return openapi.specification(ROUTES)


def build(settings: Settings | None, database: Database | None, dispatch: Dispatch | None) -> Flask:
    """The whole web application; what is None is taken from the environment."""
    settings = settings or _load_settings()
    if settings.traces:
        tracing.begin("power-web", settings.trace_timeout)
    database = database or _require_known_schema(Database(settings.database_url), settings.database_fault)
    return application(_front(settings, database, dispatch or Dispatch.to(settings.broker_url)))


def _load_settings() -> Settings:
    """The settings; where a variable cannot be used the server ends with one line for each fault."""
    try:
        return environment.load()
    except environment.ConfigError as error:
        raise AppImportError(str(error)) from error


def _require_known_schema(database: Database, fault: str | None) -> Database:
    """This database, if it is as we know it; otherwise the server ends with one line that says what to do.

    With a `fault` that is known already every request is refused, since a worker goes on beside it.
    """
    if fault:
        database.refuse(fault)
        return database
    try:
        schema.require(database)
    except schema.Mismatch as mismatch:
        raise AppImportError(str(mismatch)) from mismatch
    return database


def _front(settings: Settings, database: Database, dispatch: Dispatch) -> WebContext:
    streams, waits, tail = StreamCapacity(server.STREAMS), StreamCapacity(server.WAITS), EventFeed(database)
    gauges, changes = Metrics(database, dispatch, streams, waits, tail.guard), ChangeCounter(database)
    return WebContext(
        settings=settings,
        database=database,
        dispatch=dispatch,
        door=Authenticator(database, gauges.strangers.inc, changes),
        tail=tail,
        waiting=WindowWaits(database, tail, waits),
        streams=streams,
        readers=StreamCapacity(server.READERS),
        gauges=gauges,
        memory=ResponseCache(changes),
        wake_cache=WakeCache(changes),
        refusals=RefusalAudit(database),
        readiness=ReadinessProbe(settings, database, BrokerProbe(dispatch)),
    )


class Application(Flask):
    """The routes, for which no request is a WebSocket's: a proxy asks with the headers of its visitor."""

    def wsgi_app(self, environ: dict[str, Any], start_response: Any) -> Any:
        """Answer one request; an upgrade of the connection is never offered."""
        environ.pop("HTTP_UPGRADE", None)
        return super().wsgi_app(environ, start_response)


def application(front: WebContext) -> Flask:
    """The API as a Flask application, with its routes and refusals."""
    app = Application("app.web", static_folder=None)
    # A doubled slash is no address, so no redirect is made of the caller's Host.
    app.url_map.merge_slashes = False
    app.config["MAX_CONTENT_LENGTH"] = problems.BODY + 1
    app.config["EVERY_ANSWER"] = response_headers.EVERY_ANSWER
    app.config["TRUSTED_PROXIES"] = trusted = front.settings.trusted_proxies
    if trusted:
        app.wsgi_app = Forwarded(app.wsgi_app, trusted)  # type: ignore[assignment, method-assign]
    app.extensions["power-windows"] = front
    app.extensions["power-windows-routes"] = ROUTES
    app.extensions["power-windows-specification"] = specification
    for route in ROUTES:
        app.add_url_rule(route.path, route.name, _view(front, route), methods=[route.method])
    problems.install(app)
    # The last that is named is the first that is run: counted is what goes out.
    app.after_request(_request_counter(front))
    app.after_request(response_headers.complete)
    app.after_request(waiting_page.render_refusal)
    return app


def _view(front: WebContext, route: ApiRoute) -> Callable[..., Response]:
    """Who calls, then what the body says, then what it means: in this order a request is looked at."""

    def view(**said: Any) -> Response:
        if not route.tokened:
            return route.run(front)
        name, carried = f"{route.method} {route.path}", request.headers.get(tracing.HEADER)
        with tracing.span(name, carried, http__request__method=route.method, http__route=route.path) as span:
            response = answer(said)
            span.tell(http__response__status_code=response.status_code)
            return response

    def answer(said: dict[str, Any]) -> Response:
        caller = front.door.caller(request, route.scope)
        if route.body:
            said["body"] = request_parsing.body(request, route.body)
        if route.query:
            said["query"] = request_parsing.query(request, route.query)
        return route.run(front, caller, **said)

    return view


def _request_counter(front: WebContext) -> Callable[[Response], Response]:
    def count(response: Response) -> Response:
        route = request.url_rule.rule if request.url_rule else "none"
        # Whatever strangers make up must not make up new series.
        method = request.method if request.url_rule else "none"
        front.gauges.requests.labels(method, route, response.status_code).inc()
        return response

    return count
