"""A window's logs over HTTP: once, or as they are written."""

from __future__ import annotations

from flask import Response, request

from app.web import responses, schemas
from app.web.authentication import Caller
from app.web.context import WebContext
from app.web.log_reading import begin_reading, describe_notes, json_lines
from app.web.responses import NDJSON
from app.web.routes import Answer, Routes
from app.web.streams import stream_response

routes = Routes("windows", "/api/v1")


@routes.add(
    "GET",
    "/windows/<window>/logs",
    {200: Answer("The newest lines, oldest first.", schemas.Logs, also={NDJSON: "A line each."})},
    query=schemas.LogsQuery,
    refuses=(404, 429),
)
def read_logs(context: WebContext, caller: Caller, *, window: str, query: schemas.LogsQuery) -> Response:
    """Read what the services of a window wrote while it held them.

    The server requests the lines from the worker of the window's node. With `follow` it sends new lines, as
    lines of JSON, until the window has ended; an empty line means that there is nothing new. A member `note`
    instead of `line` tells why a service has no lines.
    """
    reading, read = begin_reading(context, caller, window, query)
    if query.follow:
        return stream_response(context, reading.follow(read), NDJSON, capacity=context.readers)
    if request.accept_mimetypes.best_match(["application/json", NDJSON]) == NDJSON:
        return Response(json_lines([*read.lines, *describe_notes(read.notes)]), content_type=NDJSON)
    return responses.json({"items": read.lines, "notes": describe_notes(read.notes)})
