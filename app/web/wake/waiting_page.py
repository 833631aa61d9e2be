"""The waiting page: a problem of the wake routes as HTML.

The header `Refresh` reloads it, without a script. A visitor that sent a form is asked to send it again, since
a reload would not.
"""

from __future__ import annotations

import base64
import hashlib
from html import escape
from typing import Any

from flask import Response, request

from app.domain import durations
from app.web import problems

_STYLE = """
:root { color-scheme: light dark; }
body { font: 1.1rem/1.5 system-ui, sans-serif; margin: 0; min-height: 100vh; display: grid;
  place-items: center; background: #fff; color: #1a1a1a; }
main { max-width: 32rem; padding: 2rem; }
h1 { font-size: 1.6rem; margin: 0 0 0.5rem; overflow-wrap: anywhere; }
p { margin: 0.5rem 0; overflow-wrap: anywhere; }
progress { width: 100%; height: 0.6rem; accent-color: #0b57d0; }
a { color: #0b57d0; }
small { color: #595959; }
@media (prefers-color-scheme: dark) {
  body { background: #16181c; color: #e8e8e8; }
  a { color: #8ab4f8; }
  progress { accent-color: #8ab4f8; }
  small { color: #a8a8a8; }
}
"""
_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{_HASH}'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex",
    "Vary": "Accept",
}
_RELOADABLE = {"GET", "HEAD"}


def render_refusal(response: Response) -> Response:
    """A problem of a wake route as its client accepts it; every other response as it is."""
    if not request.path.startswith("/wake/") or response.mimetype != problems.PROBLEM_JSON:
        return response
    response.headers.update(_HEADERS)
    if "text/html" in request.headers.get("Accept", "").lower():
        _as_page(response)
    if request.args.get("as") == "nginx" and response.status_code != 403:
        _for_nginx(response)
    return response


def _as_page(response: Response) -> None:
    problem = response.get_json(force=True)
    sent = request.headers.get("X-Forwarded-Method", request.method).upper()
    again = response.headers.get("Retry-After") if sent in _RELOADABLE else None
    response.set_data(page(problem, again))
    response.content_type = "text/html; charset=utf-8"
    if again:
        # Equal to a `meta` element in the page, which accessibility checkers report.
        response.headers["Refresh"] = again


def _for_nginx(response: Response) -> None:
    """Answer 401: `auth_request` takes every status other than 2xx, 401 and 403 for an error."""
    response.status_code = 401
    response.headers.pop("WWW-Authenticate", None)


def page(problem: dict[str, Any], again: str | None) -> str:
    """The waiting page as HTML; it reloads after `again` seconds, or not where that is None."""
    title, detail = escape(problem["title"]), escape(problem["detail"])
    return (
        f"<!doctype html><html lang=en><head><meta charset=utf-8><title>{title}</title>"
        f"<meta name=viewport content='width=device-width'><style>{_STYLE}</style></head>"
        f"<body><main><h1>{title}</h1><p role=status>{detail}.</p>{_progress(problem)}"
        f"{_next(again)}{_reference(problem)}</main></body></html>"
    )


def _progress(problem: dict[str, Any]) -> str:
    if problem["type"] != problems.STARTING.uri:
        return ""
    ready, of = problem.get("ready"), problem.get("of")
    # The bar needs several services; for one it shows no value.
    attributes = f" value={int(ready)} max={int(of)}" if of and of > 1 and ready else ""
    return f"<progress aria-label='services that are ready'{attributes}></progress>"


def _next(again: str | None) -> str:
    if again is None:
        return "<p>What you sent was not passed on. Go back, and send it again in a moment.</p>"
    return f"<p>This page asks again in {durations.show_spaced(float(again))}. <a href=''>Ask now</a></p>"


def _reference(problem: dict[str, Any]) -> str:
    window = problem.get("window")
    return f"<p><small>Window {escape(str(window))}</small></p>" if window else ""
