"""Answers without an end: each blocks a thread, so their number is bounded and no client may stall one."""

from __future__ import annotations

from collections.abc import Generator, Mapping

from flask import Response, request

from app.web import problems
from app.web.context import WebContext
from app.web.problems import ApiError
from app.web.stream_capacity import StreamCapacity

STALLED = 30.0
"""Seconds after which a reader that takes nothing is hung up on."""
_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no", "Connection": "close"}


class _Seated:
    """A stream that leaves its seat when it ends, whether or not it ever began."""

    def __init__(self, lines: Generator[str], capacity: StreamCapacity) -> None:
        self._lines, self._seats, self._left = lines, capacity, False

    def __iter__(self) -> _Seated:
        return self

    def __next__(self) -> str:
        return next(self._lines)

    def close(self) -> None:
        if not self._left:
            self._left = True
            self._lines.close()
            self._seats.leave()


def stream_response(
    front: WebContext,
    lines: Generator[str],
    media: str,
    headers: Mapping[str, str] | None = None,
    capacity: StreamCapacity | None = None,
) -> Response:
    """Raises Turned where no seat is left."""
    capacity = capacity or front.streams
    if request.method == "HEAD":
        return Response(content_type=media)
    connection = request.environ.get("gunicorn.socket")
    if connection is not None:
        connection.settimeout(STALLED)
    if not capacity.take():
        said = f"{capacity.number} streams are open, which is the most there may be"
        raise ApiError(problems.TOO_MANY, said, headers={"Retry-After": "10"}, limit=capacity.number)
    return Response(_Seated(lines, capacity), 200, {**_HEADERS, **(headers or {})}, content_type=media)
