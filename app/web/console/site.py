"""The console as a Flask blueprint: every page needs a session, every response gets its headers."""

from __future__ import annotations

import mimetypes
import secrets
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from typing import Any

from flask import Blueprint, Flask, Response, g, redirect, render_template, request
from gunicorn.http.errors import ParseException
from werkzeug.exceptions import HTTPException, NotFound
from werkzeug.wrappers import Response as AnyResponse

from app.domain.errors import Refusal
from app.domain.untrusted_text import harmless_lines
from app.store import tokens
from app.web import problems
from app.web.console import formatting, history, home, one_tap_links, open_window, runs, sessions, window
from app.web.console.navigation import navigation_links
from app.web.console.pages import Page, PageResponse
from app.web.console.sessions import Forged
from app.web.context import WebContext
from app.web.problems import DATABASE_ERRORS, ApiError

PAGES: list[Page] = [
    page for module in (home, open_window, window, runs, history) for page in module.pages.all
]
_ASSETS = {one.name: one.read_bytes() for one in (Path(__file__).parent / "assets").iterdir()}
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
}
_FORGED = (
    "This form is not from your present session, so nothing was done. Go back, load the page anew, try again."
)


def mount_console(app: Flask) -> Flask:
    """Add the console to an application that has the API."""
    context: WebContext = app.extensions["power-windows"]
    site = Blueprint("console", "app.web.console", template_folder="templates")
    for page in PAGES:
        site.add_url_rule(page.path, page.name, _view(context, page), methods=[page.method])
    site.add_url_rule("/sign-in", "sign_in", _sign_in_form)
    site.add_url_rule("/sign-in", "signing_in", _sign_in_view(context), methods=["POST"])
    site.add_url_rule("/sign-out", "signing_out", _sign_out_view(context), methods=["POST"])
    site.add_url_rule("/extend/<text>", "tapping", one_tap_links.offer_view(context))
    site.add_url_rule("/extend/<text>", "tapped", one_tap_links.extend_view(context), methods=["POST"])
    site.add_url_rule("/assets/<name>", "assets", _asset)
    site.after_request(_add_headers)
    for kind, answer in _ERROR_PAGES:
        site.register_error_handler(kind, answer)
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.jinja_env.finalize = _harmless_value
    app.jinja_env.filters.update(formatting.FILTERS)
    app.jinja_env.globals["navigation"] = navigation_links([page.path for page in PAGES])
    app.register_blueprint(site)
    return app


def _harmless_value(value: Any) -> Any:
    """A value for a template, without characters that change the direction of text."""
    return harmless_lines(value) if type(value) is str else value


def _view(context: WebContext, page: Page) -> Callable[..., PageResponse]:
    def view(**arguments: Any) -> PageResponse:
        session = sessions.of(context, request)
        if session is None:
            return _redirect_to_sign_in(page)
        g.session = session
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
    from urllib.parse import urlencode

    return urlencode({"next": address[:500]})


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
        if not context.authenticator.knows(text):
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
        sessions.delete_cookie(target, sessions.COOKIE)
        return target

    return sign_out


def _asset(name: str) -> PageResponse:
    if name not in _ASSETS:
        raise NotFound("There is nothing at this address.")
    kind = mimetypes.guess_type(name)[0] or "text/plain"
    return Response(
        _ASSETS[name], content_type=f"{kind}; charset=utf-8", headers={"Cache-Control": "no-cache"}
    )


def _add_headers(response: Response) -> Response:
    response.headers.update(_HEADERS)
    response.headers.setdefault("Cache-Control", "no-store")
    return response


def _error_page(status: int, title: str, detail: str) -> AnyResponse:
    """A page that says what was wrong; for a part of a page only the text."""
    if request.path.startswith(("/parts/", "/live", "/assets/")):
        return Response(detail, status, content_type="text/plain; charset=utf-8")
    return Response(render_template("wrong.html", status=status, title=title, detail=detail), status)


def _refusal_page(refusal: Refusal) -> AnyResponse:
    kind = problems.kind_of(refusal)
    return _error_page(kind.status, kind.title, str(refusal))


def _api_error_page(error: ApiError) -> AnyResponse:
    return _error_page(error.kind.status, error.kind.title, str(error))


def _forged_form_page(_forged_form_page: Forged) -> AnyResponse:
    return _error_page(HTTPStatus.FORBIDDEN, "This form cannot be taken", _FORGED)


def _http_error_page(error: HTTPException) -> AnyResponse:
    if (error.code or 400) < HTTPStatus.BAD_REQUEST:
        return error.get_response()
    return _error_page(error.code or 400, error.name, error.description or error.name)


def _unparsed_form_page(_error: ParseException) -> AnyResponse:
    page = _error_page(HTTPStatus.BAD_REQUEST, "The form cannot be read", problems.UNPARSED)
    page.headers["Connection"] = "close"
    return page


def _database_away_page(error: Exception) -> AnyResponse:
    problems.log.warning("the database does not answer: %s", str(error).partition("\n")[0])
    return _error_page(
        HTTPStatus.SERVICE_UNAVAILABLE, "The database does not answer", "Try again in a moment."
    )


def _fault_page(error: Exception) -> AnyResponse:
    problems.log.error("a page failed", exc_info=error)
    return _error_page(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "The server failed",
        "The server failed; the cause is in its log. Please try again.",
    )


_ERROR_PAGES: list[tuple[type[Exception], Callable[[Any], AnyResponse]]] = [
    (Refusal, _refusal_page),
    (ApiError, _api_error_page),
    (Forged, _forged_form_page),
    (HTTPException, _http_error_page),
    (ParseException, _unparsed_form_page),
    *((kind, _database_away_page) for kind in DATABASE_ERRORS),
    (Exception, _fault_page),
]
