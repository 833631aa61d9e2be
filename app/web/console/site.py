"""The console's place in the web server: every page behind a session, every answer with its headers."""

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
from app.web.console import formatting, history, home, one_tap_links, open_window, sessions, window
from app.web.console.pages import Page, Said
from app.web.console.sessions import Forged
from app.web.context import WebContext
from app.web.problems import DATABASE_ERRORS, ApiError

PAGES: list[Page] = [page for room in (home, open_window, window, history) for page in room.pages.all]
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
    """The console on a server that has the API already."""
    front: WebContext = app.extensions["power-windows"]
    site = Blueprint("console", "app.web.console", template_folder="templates")
    for page in PAGES:
        site.add_url_rule(page.path, page.name, _view(front, page), methods=[page.method])
    site.add_url_rule("/sign-in", "sign_in", _sign_in_form)
    site.add_url_rule("/sign-in", "signing_in", _sign_in_view(front), methods=["POST"])
    site.add_url_rule("/sign-out", "signing_out", _sign_out_view(front), methods=["POST"])
    site.add_url_rule("/extend/<text>", "tapping", one_tap_links.offer_view(front))
    site.add_url_rule("/extend/<text>", "tapped", one_tap_links.extend_view(front), methods=["POST"])
    site.add_url_rule("/assets/<name>", "assets", _asset)
    site.after_request(_add_headers)
    for kind, answer in _ERROR_PAGES:
        site.register_error_handler(kind, answer)
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.jinja_env.finalize = _harmless_value
    app.jinja_env.filters.update(formatting.FILTERS)
    app.register_blueprint(site)
    return app


def _harmless_value(value: Any) -> Any:
    """What a template prints: text from outside may not turn the order of a line around."""
    return harmless_lines(value) if type(value) is str else value


def _view(front: WebContext, page: Page) -> Callable[..., Said]:
    def view(**said: Any) -> Said:
        session = sessions.of(front, request)
        if session is None:
            return _redirect_to_sign_in(page)
        g.session = session
        if page.method == "POST":
            session.check(request.form)
        return page.run(front, session.caller, **said)

    return view


def _redirect_to_sign_in(page: Page) -> Said:
    """A page is come back to after signing in; a part of one is not, and says so to whoever fetched it."""
    if page.part:
        return Response("sign in", HTTPStatus.UNAUTHORIZED, content_type="text/plain")
    going = request.full_path.rstrip("?") if page.method == "GET" else "/"
    return redirect("/sign-in" if going == "/" else f"/sign-in?{_next(going)}", HTTPStatus.SEE_OTHER)


def _next(address: str) -> str:
    from urllib.parse import urlencode

    return urlencode({"next": address[:500]})


def _sign_in_form(wrong: str = "", status: int = 200) -> Said:
    """The sign-in form."""
    door = sessions.cookie(request, sessions.DOOR) or secrets.token_urlsafe(24)
    going = sessions.inside(request.values.get("next", "/"))
    page = Response(render_template("sign-in.html", door=door, wrong=wrong, going=going), status)
    sessions.keep(page, request, sessions.DOOR, door)
    return page


def _sign_in_view(front: WebContext) -> Callable[[], Said]:
    def sign_in() -> Said:
        try:
            sessions.let_in(request)
        except Forged:
            return _sign_in_form("The form was out of date. Please send it once more.", HTTPStatus.FORBIDDEN)
        text = request.form.get("token", "").strip()
        if not front.door.knows(text):
            front.door.slow(request, text)
            said = (
                "This token is not known here. The standalone prints its own when it starts." if text else ""
            )
            return _sign_in_form(said or "Paste a token; it begins with pw_.", HTTPStatus.UNAUTHORIZED)
        with front.database.read() as session:
            token = tokens.bearer(session, text)
        if token is None:
            return _sign_in_form("This token was revoked just now.", HTTPStatus.UNAUTHORIZED)
        going = redirect(sessions.inside(request.form.get("next", "/")), HTTPStatus.SEE_OTHER)
        assert isinstance(going, Response)
        sessions.keep(going, request, sessions.COOKIE, sessions.begin(front, token))
        return going

    return sign_in


def _sign_out_view(front: WebContext) -> Callable[[], Said]:
    def sign_out() -> Said:
        session = sessions.of(front, request)
        if session:
            session.check(request.form)
            sessions.end(front, session.identifier)
        going = redirect("/sign-in", HTTPStatus.SEE_OTHER)
        assert isinstance(going, Response)
        sessions.drop(going, sessions.COOKIE)
        return going

    return sign_out


def _asset(name: str) -> Said:
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
    """A page that says what was wrong; of a part of a page only the words."""
    if request.path.startswith(("/parts/", "/live", "/assets/")):
        return Response(detail, status, content_type="text/plain; charset=utf-8")
    return Response(render_template("wrong.html", status=status, title=title, detail=detail), status)


def _refusal_page(refusal: Refusal) -> AnyResponse:
    kind = problems.kind_of(refusal)
    return _error_page(kind.status, kind.title, str(refusal))


def _api_error_page(turned: ApiError) -> AnyResponse:
    return _error_page(turned.kind.status, turned.kind.title, str(turned))


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
        HTTPStatus.SERVICE_UNAVAILABLE, "Our fault", "What went wrong is in the log; please try again."
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
