"""Responses without an end.

Each blocks a thread, so their number is limited, and the connection of a client that reads nothing is closed.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping

from flask import Response, request

from app.web import problems
from app.web.context import WebContext
from app.web.problems import ApiError
from app.web.stream_capacity import StreamCapacity
from app.web.viewing import current_viewer, keep_viewer

STALLED = 30.0
"""Seconds after which the connection of a client that reads nothing is closed."""
_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no", "Connection": "close"}


class _CountedStream:
    """A stream that releases its capacity once when it ends, also if it never began."""

    def __init__(self, lines: Generator[str], capacity: StreamCapacity, namespace: str) -> None:
        self._lines, self._capacity, self._is_closed = lines, capacity, False
        self._namespace = namespace

    def __iter__(self) -> _CountedStream:
        return self

    def __next__(self) -> str:
        return next(self._lines)

    def close(self) -> None:
        if not self._is_closed:
            self._is_closed = True
            self._lines.close()
            self._capacity.release(self._namespace)


def stream_response(
    context: WebContext,
    lines: Generator[str],
    media: str,
    headers: Mapping[str, str] | None = None,
    capacity: StreamCapacity | None = None,
) -> Response:
    """A response of these lines, counted in `capacity`, else in that of event streams.

    Raises ApiError at the limit.
    """
    capacity = capacity or context.streams
    if request.method == "HEAD":
        return Response(content_type=media)
    connection = request.environ.get("gunicorn.socket")
    if connection is not None:
        connection.settimeout(STALLED)
    namespace = current_viewer().namespace
    if not capacity.acquire(namespace):
        limit = capacity.limit_of(namespace)
        detail = f"{limit} streams are open, which is the limit"
        raise ApiError(problems.TOO_MANY, detail, headers={"Retry-After": "10"}, limit=limit)
    counted = _CountedStream(keep_viewer(lines), capacity, namespace)
    return Response(counted, 200, {**_HEADERS, **(headers or {})}, content_type=media)
