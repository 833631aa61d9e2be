"""Server-sent events: audit entries as they are written.

An event's id is a position in every chain, so a client that sends its last id gets exactly the events
that it missed.
"""

from __future__ import annotations

from flask import Response

from app.web import schemas
from app.web.authentication import Caller
from app.web.context import WebContext
from app.web.event_stream import EVENT_STREAM, stream
from app.web.routes import LAST_EVENT, Answer, Routes

routes = Routes("events", "/api/v1")


@routes.add(
    "GET",
    "/events",
    {
        200: Answer(
            "Each event has an `id`, an audit word as `event`, and the entry as `data`.", media=EVENT_STREAM
        )
    },
    query=schemas.EventsQuery,
    headers=(LAST_EVENT,),
    refuses=(429,),
)
def listen(context: WebContext, caller: Caller, *, query: schemas.EventsQuery) -> Response:
    """Stream changes as they happen.

    `Last-Event-ID` resumes after that event, and no event is missed except those that have been archived
    since; the header `Power-Archived` names them. Without it the stream starts now.
    """
    return stream(context, caller, query)
