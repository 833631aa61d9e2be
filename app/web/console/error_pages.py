"""Error pages of the console: every refusal and error as a page that says what was wrong."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus
from typing import Any

from flask import Response, g, render_template, request
from gunicorn.http.errors import ParseException
from werkzeug.exceptions import HTTPException, MethodNotAllowed
from werkzeug.wrappers import Response as AnyResponse

from app.domain.errors import Refusal
from app.web import problems
from app.web.console import sessions
from app.web.console.sessions import Forged
from app.web.context import WebContext
from app.web.problems import DATABASE_ERRORS, ApiError
from app.web.viewing import current_viewer

_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
}
_FORGED = (
    "This form is not from your present session, so nothing was done. Go back, load the page anew, try again."
)
_API = ("/api/", "/madre/", "/wake/")
"""Addresses of programs, whose errors are problem details for browsers too."""


def add_page_headers(response: Response) -> Response:
    """Add the headers of every page of the console."""
    response.headers.update(_HEADERS)
    response.headers.setdefault("Cache-Control", "no-store")
    return response


def unknown_address_view(context: WebContext) -> Callable[[HTTPException], AnyResponse | HTTPException]:
    """The answer where no page is at an address: a page for a browser, problem details for a program."""

    def answer(error: HTTPException) -> AnyResponse | HTTPException:
        if request.blueprint == "console":
            return _http_error_page(error)
        if request.path.startswith(_API) or not _prefers_page():
            return problems.answer_http_error(error)
        # The page has the navigation of a signed-in caller, where the database can tell.
        with suppress(*DATABASE_ERRORS):
            g.session = sessions.of(context, request)
        page = _no_page(error)
        assert isinstance(page, Response)
        return add_page_headers(page)

    return answer


def _no_page(error: HTTPException) -> AnyResponse:
    """What a browser shows for a misspelt address, or for one that only takes a form."""
    if isinstance(error, MethodNotAllowed):
        detail = "This address only takes what a button sends. Go back to the page that has the button."
        page = _error_page(HTTPStatus.METHOD_NOT_ALLOWED, "Only a button leads here", detail)
        page.headers["Allow"] = ", ".join(error.valid_methods or ())
        return page
    detail = f"There is nothing at {request.path[:200]}. The address may be misspelt."
    return _error_page(HTTPStatus.NOT_FOUND, "Nothing is here", detail)


def _prefers_page() -> bool:
    accepted = request.accept_mimetypes
    names_html = "text/html" in request.headers.get("Accept", "").lower()
    json_quality = max(accepted["application/json"], accepted[problems.PROBLEM_JSON])
    return names_html and accepted["text/html"] >= json_quality


def _error_page(status: int, title: str, detail: str) -> AnyResponse:
    """A page that says what was wrong; for a part of a page only the text."""
    detail = current_viewer().shorten_sentence(detail)
    if request.path.startswith(("/parts/", "/live", "/assets/")):
        return Response(detail, status, content_type="text/plain; charset=utf-8")
    values = {"status": status, "title": title, "detail": detail, "session": g.get("session")}
    return Response(render_template("wrong.html", **values), status)


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


ERROR_PAGES: list[tuple[type[Exception], Callable[[Any], AnyResponse]]] = [
    (Refusal, _refusal_page),
    (ApiError, _api_error_page),
    (Forged, _forged_form_page),
    (HTTPException, _http_error_page),
    (ParseException, _unparsed_form_page),
    *((kind, _database_away_page) for kind in DATABASE_ERRORS),
    (Exception, _fault_page),
]
