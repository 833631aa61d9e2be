"""Server-sent events: audit entries as they are written.

An event's id is a place in every chain, so a listener that comes back with its last
one is told exactly what it missed.
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
def listen(front: WebContext, caller: Caller, *, query: schemas.EventsQuery) -> Response:
    """Hear of changes as they happen.

    `Last-Event-ID` resumes and misses nothing but what has been archived since, which the header
    `Power-Archived` tells; without it the stream starts now.
    """
    return stream(front, caller, query)
