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
        response.headers["Location"] = _below_prefix(_path_of(location))
    return response


def _below_prefix(path: str) -> str:
    """The path with the prefix under which a trusted proxy serves it."""
    prefix = request.script_root
    return path if not prefix or path == prefix or path.startswith(f"{prefix}/") else prefix + path


def _path_of(location: str) -> str:
    """The path of an address that begins with a host; any other as it is."""
    if location.startswith("/") and not location.startswith("//"):
        return location
    try:
        parts = urlsplit(location)
    except ValueError:
        return "/"
    return "/" + parts.path.lstrip("/") + (f"?{parts.query}" if parts.query else "")
