"""Set the headers of every response: API, pages, waiting page and refusals.

Headers that a route sets itself stay, such as a page's own Content-Security-Policy.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from flask import Response, request

_ALWAYS = {"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY"}
_UNLESS_SET = {
    "Content-Security-Policy": "default-src 'none'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}


EVERY_ANSWER = {**_ALWAYS, **_UNLESS_SET}
"""The headers that the server's own error pages have too."""


def complete(response: Response) -> Response:
    """Add the headers of every response. A redirect names no host, since the client could choose it."""
    response.headers.update(_ALWAYS)
    for name, value in _UNLESS_SET.items():
        response.headers.setdefault(name, value)
    if location := response.headers.get("Location"):
        response.headers["Location"] = _public_path(location)
    return response


def _public_path(location: str) -> str:
    """The address without its host, with the prefix under which people reach the service.

    The routes of this program give paths without the prefix. An address with a host is made by the router,
    from the whole request, and has the prefix.
    """
    if location.startswith("/") and not location.startswith("//"):
        return request.script_root + location
    try:
        parts = urlsplit(location)
    except ValueError:
        return "/"
    return "/" + parts.path.lstrip("/") + (f"?{parts.query}" if parts.query else "")
