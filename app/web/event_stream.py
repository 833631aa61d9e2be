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
from app.domain.viewer import Viewer
from app.web import problems, schemas
from app.web.archived_header import archived_header
from app.web.authentication import Caller
from app.web.context import WebContext
from app.web.event_feed import ENTRIES_PER_READ, Behind, FeedEntry
from app.web.problems import ApiError
from app.web.streams import stream_response

EVENT_STREAM = "text/event-stream"


HEARTBEAT = 15.0
"""Seconds without an event after which the stream sends a comment."""


VALIDITY_CHECK_INTERVAL = 1.0
"""Seconds between two checks that the session of a stream is still valid."""


_RETRY = 2000


_STEP = re.compile(r"((?:[a-z][a-z0-9_-]{0,39}/)?[A-Za-z0-9][A-Za-z0-9_.-]{0,119}):(\d{1,18})", re.ASCII)


ChainPositions = dict[str, int]


def stream(
    context: WebContext,
    caller: Caller,
    query: schemas.EventsQuery,
    is_valid: Callable[[], bool] | None = None,
) -> Response:
    """The events as a response.

    With `is_valid` the stream ends within VALIDITY_CHECK_INTERVAL seconds after it becomes false.
    """
    heads = {chain: seq for chain, seq in context.event_feed.heads().items() if caller.viewer.sees(chain)}
    given = request.headers.get("Last-Event-ID") or query.last_event_id
    positions = _resume_positions(given, heads, caller.viewer) if given else heads
    # Archived entries cannot be sent again; the header names them.
    return stream_response(
        context,
        _events(context, caller, positions, is_valid),
        EVENT_STREAM,
        archived_header(context) if given else None,
    )


def _resume_positions(given: str, heads: ChainPositions, viewer: Viewer) -> ChainPositions:
    steps = [_STEP.fullmatch(step) for step in given.split(",")]
    if not all(steps):
        detail = "Last-Event-ID: is not the id of an event from here"
        raise ApiError(problems.INVALID, detail, field="Last-Event-ID")
    # A position beyond the end is from before a restore of the database; such events never come.
    # Whether a chain of another namespace exists, and how long it is, does not show.
    positions = {step[1]: int(step[2]) for step in steps if step and viewer.sees(step[1])}
    return {chain: min(seq, heads.get(chain, 0)) for chain, seq in positions.items()}


def _events(
    context: WebContext, caller: Caller, positions: ChainPositions, is_valid: Callable[[], bool] | None
) -> Generator[str]:
    with context.event_feed.listen() as listener:
        # An id without data, so that a client that leaves before the first event can resume.
        yield f"retry: {_RETRY}\nid: {format_positions(positions)}\n\n"
        yield from _missed_events(context, positions, caller.viewer)
        heartbeat_at = time.monotonic() + HEARTBEAT
        while is_valid is None or is_valid():
            remaining = max(0.0, heartbeat_at - time.monotonic())
            try:
                entries = listener.next(
                    remaining if is_valid is None else min(remaining, VALIDITY_CHECK_INTERVAL)
                )
            except Behind:
                listener.catch_up()
                yield from _missed_events(context, positions, caller.viewer)
                continue
            text = "".join(_format_events(entries, positions, caller.viewer))
            if not text and time.monotonic() >= heartbeat_at:
                text = ": still here\n\n"
            if text:
                yield text
                heartbeat_at = time.monotonic() + HEARTBEAT
            if any(_revokes(entry, caller) for entry in entries):
                return


def _missed_events(context: WebContext, positions: ChainPositions, viewer: Viewer) -> Iterator[str]:
    while entries := context.event_feed.read_after(positions, viewer):
        yield "".join(_format_events(entries, positions, viewer))
        if len(entries) < ENTRIES_PER_READ:
            return


def _format_events(entries: list[FeedEntry], positions: ChainPositions, viewer: Viewer) -> Iterator[str]:
    """The entries beyond these positions that the viewer sees, as events; `positions` is updated."""
    for entry in entries:
        if viewer.sees(entry.chain) and entry.seq > positions.get(entry.chain, 0):
            positions[entry.chain] = entry.seq
            yield f"id: {format_positions(positions)}\nevent: {entry.event}\ndata: {_data(entry, viewer)}\n\n"


def _data(entry: FeedEntry, viewer: Viewer) -> str:
    if viewer.is_operator:
        return entry.data
    return json.dumps(viewer.shorten_answer(json.loads(entry.data)), separators=(",", ":"))


def format_positions(positions: ChainPositions) -> str:
    """Positions as text: `house:3,vx11:44`."""
    return ",".join(f"{chain}:{seq}" for chain, seq in sorted(positions.items()))


def _revokes(entry: FeedEntry, caller: Caller) -> bool:
    """True where the entry revokes the caller's token, or replaces it by another of that name."""
    if entry.event not in {Event.TOKEN_REVOKED, Event.TOKEN_CREATED}:
        return False
    return bool(json.loads(entry.data)["facts"].get("name") == caller.name)
