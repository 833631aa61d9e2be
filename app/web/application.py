"""The composition root of the web application: settings, database, routes and error handlers."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from flask import Flask, Response, request
from gunicorn.errors import AppImportError

from app import settings as server_settings
from app import tracing
from app.domain.viewer import OPERATOR
from app.settings import Settings
from app.settings.trusted_proxies import Forwarded
from app.store import schema
from app.store.database import Database
from app.task_queue import Dispatch
from app.web import problems, qualified_names, response_headers
from app.web.address_prefix import PrefixedApplication
from app.web.context import WebContext
from app.web.route_table import routes_of, specification
from app.web.route_views import view_of
from app.web.viewing import as_viewer
from app.web.wake import waiting_page


def build(settings: Settings | None, database: Database | None, dispatch: Dispatch | None) -> Flask:
    """The whole web application; an argument that is None is taken from the environment."""
    settings = settings or _load_settings()
    if settings.traces:
        tracing.begin("power-web", settings.trace_timeout)
    database = database or _require_known_schema(Database(settings.database_url), settings.database_fault)
    return application(WebContext.of(settings, database, dispatch or Dispatch.to(settings.broker_url)))


def _load_settings() -> Settings:
    """The settings; where a variable is invalid the server ends with one line for each fault."""
    try:
        loaded = server_settings.load()
    except server_settings.ConfigError as error:
        raise AppImportError(str(error)) from error
    server_settings.log_misspelt_variables(loaded.config)
    return loaded


def _require_known_schema(database: Database, fault: str | None) -> Database:
    """Return the database if it has the schema of this version, else end the server with what to do.

    Where a `fault` of the database is already known the server starts and refuses every request,
    since a worker runs beside it.
    """
    if fault:
        database.refuse(fault)
        return database
    try:
        schema.require(database)
    except schema.Mismatch as mismatch:
        raise AppImportError(str(mismatch)) from mismatch
    return database


class Application(Flask):
    """The routes. No request is a WebSocket's, although a proxy may forward a visitor's upgrade header."""

    def wsgi_app(self, environ: dict[str, Any], start_response: Any) -> Any:
        """Answer one request; an upgrade of the connection is never offered."""
        environ.pop("HTTP_UPGRADE", None)
        with as_viewer(OPERATOR):
            return super().wsgi_app(environ, start_response)


def application(context: WebContext) -> Flask:
    """The API as a Flask application, with its routes and error handlers."""
    app = Application("app.web", static_folder=None)
    # A doubled slash is no address, so no redirect is made of the client's Host.
    app.url_map.merge_slashes = False
    app.config["MAX_CONTENT_LENGTH"] = problems.BODY + 1
    app.config["EVERY_ANSWER"] = response_headers.EVERY_ANSWER
    app.config["TRUSTED_PROXIES"] = trusted = context.settings.trusted_proxies
    if prefix := context.settings.public_prefix:
        app.wsgi_app = PrefixedApplication(app.wsgi_app, prefix)  # type: ignore[assignment, method-assign]
    if trusted:
        app.wsgi_app = Forwarded(app.wsgi_app, trusted)  # type: ignore[assignment, method-assign]
    app.extensions["power-windows"] = context
    features = context.settings.features
    app.extensions["power-windows-routes"] = routes = routes_of(features)
    app.extensions["power-windows-specification"] = partial(specification, features)
    if features.namespaces:
        qualified_names.install(app.url_map)
    for route in routes:
        rule = qualified_names.rule_of(route.path) if features.namespaces else route.path
        app.add_url_rule(rule, route.name, view_of(context, route), methods=[route.method])
    problems.install(app)
    # Flask calls them from the last to the first, so the counter sees the final response.
    app.after_request(_request_counter(context))
    app.after_request(response_headers.complete)
    app.after_request(waiting_page.render_refusal)
    return app


def _request_counter(context: WebContext) -> Callable[[Response], Response]:
    def count(response: Response) -> Response:
        route = qualified_names.path_of(request.url_rule.rule) if request.url_rule else "none"
        # A path or method that no route has must not create a new series.
        method = request.method if request.url_rule else "none"
        context.metrics.requests.labels(method, route, response.status_code).inc()
        return response

    return count
