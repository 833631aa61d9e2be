"""Logs over HTTP: of a window, once or as they are written, and of one service of a stack."""

from __future__ import annotations

from flask import Response, request

from app.store.tables import LogRead
from app.web import responses, schemas
from app.web.authentication import Caller
from app.web.context import WebContext
from app.web.log_reading import begin_reading, describe_notes, json_lines, read_service
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
    return _answer(read)


def _answer(read: LogRead) -> Response:
    if request.accept_mimetypes.best_match(["application/json", NDJSON]) == NDJSON:
        return Response(json_lines([*read.lines, *describe_notes(read.notes)]), content_type=NDJSON)
    return responses.json({"items": read.lines, "notes": describe_notes(read.notes)})


@routes.add(
    "GET",
    "/stacks/<name>/services/<service>/logs",
    {200: Answer("The newest lines, oldest first.", schemas.Logs, also={NDJSON: "A line each."})},
    query=schemas.ServiceLogsQuery,
    refuses=(403, 404, 429),
)
def read_service_logs(
    context: WebContext, caller: Caller, *, name: str, service: str, query: schemas.ServiceLogsQuery
) -> Response:
    """Read the last lines of an allowed service's container, whether or not a window holds it.

    A container that is stopped has its lines too. Without a container a member of `notes` says so.
    """
    return _answer(read_service(context, caller, name, service, query.tail))
