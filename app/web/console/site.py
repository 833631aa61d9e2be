"""The console as a Flask blueprint: every page needs a session, every response gets its headers."""

from __future__ import annotations

import mimetypes
import secrets
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from flask import Blueprint, Flask, Response, g, redirect, render_template, request
from werkzeug.exceptions import NotFound

from app.domain.features import Features
from app.domain.untrusted_text import harmless_lines
from app.store import tokens
from app.web import problems
from app.web.console import (
    formatting,
    history,
    home,
    intents,
    notices,
    one_tap_links,
    open_window,
    runs,
    savings,
    service_logs,
    sessions,
    system,
    timeline,
    trail,
    window,
)
from app.web.console import (
    tokens as token_pages,
)
from app.web.console.error_pages import ERROR_PAGES, add_page_headers, unknown_address_view
from app.web.console.navigation import navigation_links
from app.web.console.pages import Page, PageResponse
from app.web.console.rooted_addresses import RootedAddresses, root
from app.web.console.sessions import Forged
from app.web.context import WebContext
from app.web.problems import ApiError
from app.web.viewing import current_viewer, set_viewer

_MODULES = (
    home,
    open_window,
    window,
    service_logs,
    runs,
    timeline,
    history,
    savings,
    trail,
    notices,
    token_pages,
    system,
)
PAGES: list[Page] = [page for module in _MODULES for page in module.pages.all]
_ONLY_ADMIN = "This page needs a token with full access. Sign in with such a token, or ask who has one."
_LONGEST_ADDRESS = 4000
"""Characters of an address that the sign-in form leads back to; a bookmark with a reason may be long."""
_ASSETS = {one.name: one.read_bytes() for one in (Path(__file__).parent / "assets").iterdir()}


def pages_of(features: Features) -> list[Page]:
    """The pages that are served with these features; one that is off adds none."""
    return [*PAGES, *(intents.pages.all if features.intents else ())]


def mount_console(app: Flask) -> Flask:
    """Add the console to an application that has the API."""
    context: WebContext = app.extensions["power-windows"]
    site = Blueprint("console", "app.web.console", template_folder="templates")
    pages = pages_of(context.settings.features)
    for page in pages:
        site.add_url_rule(page.path, page.name, _view(context, page), methods=[page.method])
    site.add_url_rule("/sign-in", "sign_in", _sign_in_form)
    site.add_url_rule("/sign-in", "signing_in", _sign_in_view(context), methods=["POST"])
    site.add_url_rule("/sign-out", "signing_out", _sign_out_view(context), methods=["POST"])
    site.add_url_rule("/extend/<text>", "tapping", one_tap_links.offer_view(context))
    site.add_url_rule("/extend/<text>", "tapped", one_tap_links.extend_view(context), methods=["POST"])
    site.add_url_rule("/assets/<name>", "assets", _asset)
    site.after_request(add_page_headers)
    for kind, answer in ERROR_PAGES:
        site.register_error_handler(kind, answer)
    for status in (HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED):
        app.register_error_handler(status, unknown_address_view(context))
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.jinja_env.finalize = _harmless_value
    app.jinja_env.filters.update(formatting.FILTERS)
    app.jinja_env.globals["navigation"] = navigation_links([page.path for page in pages])
    app.jinja_env.globals["root"] = root
    app.jinja_env.add_extension(RootedAddresses)
    app.register_blueprint(site)
    return app


def _harmless_value(value: Any) -> Any:
    """A value for a template: names as the caller writes them, and no character that turns text around."""
    return harmless_lines(current_viewer().short(value)) if type(value) is str else value


def _view(context: WebContext, page: Page) -> Callable[..., PageResponse]:
    def view(**arguments: Any) -> PageResponse:
        session = sessions.of(context, request)
        if session is None:
            return _redirect_to_sign_in(page)
        g.session = session
        set_viewer(session.caller.viewer)
        if page.admin and session.caller.scope != tokens.ADMIN:
            raise ApiError(problems.OUT_OF_SCOPE, _ONLY_ADMIN)
        if page.method == "POST":
            session.check(request.form)
        return page.run(context, session.caller, **arguments)

    return view


def _redirect_to_sign_in(page: Page) -> PageResponse:
    """Redirect to the sign-in form, which leads back to this page; a part of a page answers 401."""
    if page.part:
        return Response("sign in", HTTPStatus.UNAUTHORIZED, content_type="text/plain")
    target = request.full_path.rstrip("?") if page.method == "GET" else "/"
    return redirect("/sign-in" if target == "/" else f"/sign-in?{_next(target)}", HTTPStatus.SEE_OTHER)


def _next(address: str) -> str:
    """The query of the sign-in form; of an address that is too long only the path is kept."""
    is_short = len(address) <= _LONGEST_ADDRESS
    return urlencode({"next": address if is_short else address.partition("?")[0][:500]})


def _sign_in_form(wrong: str = "", status: int = 200) -> PageResponse:
    """The sign-in form."""
    nonce = sessions.cookie(request, sessions.SIGN_IN_COOKIE) or secrets.token_urlsafe(24)
    target = sessions.local_address(request.values.get("next", "/"))
    page = Response(render_template("sign-in.html", nonce=nonce, wrong=wrong, target=target), status)
    sessions.set_cookie(page, request, sessions.SIGN_IN_COOKIE, nonce)
    return page


def _sign_in_view(context: WebContext) -> Callable[[], PageResponse]:
    def sign_in() -> PageResponse:
        try:
            sessions.check_sign_in_form(request)
        except Forged:
            return _sign_in_form("The form was out of date. Please send it once more.", HTTPStatus.FORBIDDEN)
        text = request.form.get("token", "").strip()
        if not context.authenticator.full_access_caller(text):
            context.authenticator.slow(request, text)
            wrong = (
                "This token is not known here. The standalone prints its own when it starts." if text else ""
            )
            return _sign_in_form(wrong or "Paste a token; it begins with pw_.", HTTPStatus.UNAUTHORIZED)
        with context.database.read() as session:
            token = tokens.bearer(session, text)
        if token is None:
            return _sign_in_form("This token was revoked just now.", HTTPStatus.UNAUTHORIZED)
        target = redirect(sessions.local_address(request.form.get("next", "/")), HTTPStatus.SEE_OTHER)
        assert isinstance(target, Response)
        sessions.set_cookie(target, request, sessions.COOKIE, sessions.begin(context, token))
        return target

    return sign_in


def _sign_out_view(context: WebContext) -> Callable[[], PageResponse]:
    def sign_out() -> PageResponse:
        session = sessions.of(context, request)
        if session:
            session.check(request.form)
            sessions.end(context, session.identifier)
        target = redirect("/sign-in", HTTPStatus.SEE_OTHER)
        assert isinstance(target, Response)
        sessions.delete_cookie(target, request, sessions.COOKIE)
        return target

    return sign_out


def _asset(name: str) -> PageResponse:
    if name not in _ASSETS:
        raise NotFound("There is nothing at this address.")
    kind = mimetypes.guess_type(name)[0] or "text/plain"
    return Response(
        _ASSETS[name], content_type=f"{kind}; charset=utf-8", headers={"Cache-Control": "no-cache"}
    )
