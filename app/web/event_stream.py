"""Send audit entries as server-sent events.

An event's id is a position in every audit chain, so a client can resume.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Generator, Iterator

from flask import Response, request

from app.domain.enums import Event
from app.web import problems, schemas
from app.web.archived_header import archived_header
from app.web.authentication import Caller
from app.web.context import WebContext
from app.web.event_feed import ENTRIES_PER_READ, Behind, FeedPage
from app.web.problems import ApiError
from app.web.streams import stream_response

EVENT_STREAM = "text/event-stream"


HEARTBEAT = 15.0
"""Seconds of silence after which a comment says that we are still there."""


VALIDITY_CHECK_INTERVAL = 1.0
"""Seconds between looks at whether the session of a stream is still valid."""


_RETRY = 2000


_STEP = re.compile(r"([A-Za-z0-9][A-Za-z0-9_.-]{0,119}):(\d{1,18})", re.ASCII)


ChainPositions = dict[str, int]


def stream(
    front: WebContext, caller: Caller, query: schemas.EventsQuery, is_valid: Callable[[], bool] | None = None
) -> Response:
    """The events as a response. With `is_valid` the stream ends within CHECK seconds of it being false."""
    heads = front.tail.heads()
    given = request.headers.get("Last-Event-ID") or query.last_event_id
    place = _resume_positions(given, heads) if given else heads
    # Who was away for so long is told from what is there, and that there was more.
    return stream_response(
        front,
        _events(front, caller, place, is_valid),
        EVENT_STREAM,
        archived_header(front) if given else None,
    )


def _resume_positions(given: str, heads: ChainPositions) -> ChainPositions:
    steps = [_STEP.fullmatch(step) for step in given.split(",")]
    if not all(steps):
        detail = "Last-Event-ID: is not the id of an event from here"
        raise ApiError(problems.INVALID, detail, field="Last-Event-ID")
    # A place beyond the end is from another life of this database; nobody is to wait for that.
    found = {step[1]: int(step[2]) for step in steps if step}
    return {chain: min(seq, heads.get(chain, 0)) for chain, seq in found.items()}


def _events(
    front: WebContext, caller: Caller, place: ChainPositions, is_valid: Callable[[], bool] | None
) -> Generator[str]:
    with front.tail.listen() as listener:
        # An id without data: who leaves before anything happens can still resume.
        yield f"retry: {_RETRY}\nid: {format_positions(place)}\n\n"
        yield from _missed_events(front, place)
        heartbeat_at = time.monotonic() + HEARTBEAT
        while is_valid is None or is_valid():
            left = max(0.0, heartbeat_at - time.monotonic())
            try:
                news = listener.next(left if is_valid is None else min(left, VALIDITY_CHECK_INTERVAL))
            except Behind:
                listener.catch_up()
                yield from _missed_events(front, place)
                continue
            if news:
                yield "".join(_format_events(news, place))
            elif time.monotonic() >= heartbeat_at:
                yield ": still here\n\n"
            else:
                continue
            heartbeat_at = time.monotonic() + HEARTBEAT
            if any(_revokes(one, caller) for one in news):
                return


def _missed_events(front: WebContext, place: ChainPositions) -> Iterator[str]:
    while news := front.tail.read_after(place):
        yield "".join(_format_events(news, place))
        if len(news) < ENTRIES_PER_READ:
            return


def _format_events(news: list[FeedPage], place: ChainPositions) -> Iterator[str]:
    """What lies beyond a listener's place, which moves along."""
    for one in news:
        if one.seq > place.get(one.chain, 0):
            place[one.chain] = one.seq
            yield f"id: {format_positions(place)}\nevent: {one.event}\ndata: {one.data}\n\n"


def format_positions(place: ChainPositions) -> str:
    """A place as text: `house:3,vx11:44`."""
    return ",".join(f"{chain}:{seq}" for chain, seq in sorted(place.items()))


def _revokes(one: FeedPage, caller: Caller) -> bool:
    """Is this caller's token revoked, or replaced by another of that name?"""
    if one.event not in {Event.TOKEN_REVOKED, Event.TOKEN_CREATED}:
        return False
    return bool(json.loads(one.data)["facts"].get("name") == caller.name)
