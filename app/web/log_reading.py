"""Request the logs of a window or a service from the worker of its node, and return the worker's answer."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from app.domain.enums import State
from app.domain.errors import NotAllowed, Refusal
from app.store import log_reads, tokens, windows
from app.store.tables import LogRead
from app.usecases import logs
from app.web import problems, schemas, stack_views, window_views
from app.web.authentication import Caller
from app.web.context import WebContext
from app.web.problems import DATABASE_ERRORS, ApiError

ANSWER_TIMEOUT = 10.0
"""Seconds that a worker has to answer."""


POLL_INTERVAL = 0.03
"""Seconds between two reads of the database for the answer."""


FOLLOW_INTERVAL = 1.0
"""Seconds between two requests to the worker while a client follows."""


KEEPALIVE_AFTER = 15.0
"""Seconds without a line after which an empty line is sent."""


def read_newest(context: WebContext, caller: Caller, window: str, query: schemas.LogsQuery) -> LogRead:
    """The newest lines; raises a Refusal or ApiError."""
    return begin_reading(context, caller, window, query)[1]


def begin_reading(
    context: WebContext, caller: Caller, window: str, query: schemas.LogsQuery
) -> tuple[_Reading, LogRead]:
    """Request a window's logs; raises a Refusal where the window has no such service."""
    window_views.require_window_id(window)
    reading = _Reading(context, caller, window, query)
    with _turn(context):
        return reading, reading.next(query.tail)


def read_service(context: WebContext, caller: Caller, stack: str, service: str, tail: int) -> LogRead:
    """The last lines of a service, whether or not a window holds it; raises a Refusal or ApiError."""

    def ask(session: Session, now: datetime) -> LogRead:
        row = stack_views.require_stack(session, caller, stack)
        if service not in row.spec.services:
            raise ApiError(problems.NO_SUCH_SERVICE, f"stack {stack} has no service {service!r}")
        try:
            return logs.ask_service(session, row, service, tail=tail, now=now)
        except NotAllowed as refusal:
            detail = f"the logs of {service!r} are not shown: stack {stack!r} does not allow it"
            raise ApiError(problems.NOT_ALLOWED, detail, **refusal.facts) from refusal

    with _turn(context):
        return _exchange(context, ask)


@contextmanager
def _turn(context: WebContext) -> Iterator[None]:
    """Count one more reading during the block; raise ApiError where there are too many at a time."""
    with context.readers.hold() as acquired:
        if not acquired:
            limit = context.readers.limit
            detail = f"{limit} clients are reading logs, which is the limit"
            raise ApiError(problems.TOO_MANY, detail, headers={"Retry-After": "2"}, limit=limit)
        yield


def _exchange(context: WebContext, ask: Callable[[Session, datetime], LogRead]) -> LogRead:
    """Leave the row that `ask` makes, and return it with the worker's answer; raises ApiError."""
    with context.database.write() as session:
        log_read = ask(session, context.database.now())
    try:
        if not context.dispatch.reading(log_read.id, log_read.node):
            raise _unread("the broker does not take messages")
        return _answer(context, log_read.id)
    finally:
        with context.database.write() as session:
            log_reads.forget(session, log_read.id)


def _answer(context: WebContext, identifier: str) -> LogRead:
    until = time.monotonic() + ANSWER_TIMEOUT
    while time.monotonic() < until:
        with context.database.read() as session:
            if read := log_reads.answered_request(session, identifier):
                return read
        time.sleep(POLL_INTERVAL)
    raise _unread(f"the worker of its node did not answer within {ANSWER_TIMEOUT:g} s")


class _Reading:
    """One client's position in the logs of a window."""

    def __init__(self, context: WebContext, caller: Caller, window: str, query: schemas.LogsQuery) -> None:
        self._context, self._caller, self._window, self._query = context, caller, window, query
        self._after: dict[str, str] = {}
        self._notes: Mapping[str, str] = {}

    def next(self, tail: int) -> LogRead:
        """The lines written since the last call; raises a Refusal or ApiError."""

        def ask(session: Session, now: datetime) -> LogRead:
            service = self._query.service
            return logs.ask(session, self._window, service, tail=tail, after=self._after, now=now)

        read = _exchange(self._context, ask)
        self._after = logs.last_seen(read.lines, self._after)
        return read

    def follow(self, first: LogRead) -> Generator[str]:
        yield self._format_news(first.lines, first.notes)
        sent_at, is_over = time.monotonic(), False
        while not is_over:
            time.sleep(FOLLOW_INTERVAL)
            # Checked before the last read, so that lines written in between are in it.
            is_over = self._is_over()
            text = self._format_news(*self._round())
            if text or time.monotonic() - sent_at > KEEPALIVE_AFTER:
                sent_at = time.monotonic()
                yield text or "\n"

    def _round(self) -> tuple[list[dict[str, Any]], Mapping[str, str]]:
        """New lines and notes; a note names the worker, broker or database that does not answer."""
        try:
            read = self.next(logs.LINES)
        except (ApiError, Refusal, *DATABASE_ERRORS) as error:
            text = str(error).partition("\n")[0]
            return [], {"": f"{text}; trying again"}
        return read.lines, read.notes

    def _format_news(self, lines: list[dict[str, Any]], notes: Mapping[str, str]) -> str:
        """The lines, and the notes that have changed since the last call, as JSON lines."""
        fresh = {name: note for name, note in notes.items() if self._notes.get(name) != note}
        self._notes = notes
        return json_lines([*lines, *describe_notes(fresh)])

    def _is_over(self) -> bool:
        """True where the window has closed or the token was revoked, so that no more lines come."""
        try:
            with self._context.database.read() as session:
                window = windows.get(session, self._window)
                return (
                    window is None
                    or window.state == State.CLOSED
                    or not tokens.is_valid(session, self._caller.name)
                )
        except DATABASE_ERRORS:
            return False


def _unread(why: str) -> ApiError:
    return ApiError(problems.LOGS_UNREAD, f"the logs were not read: {why}", headers={"Retry-After": "2"})


def describe_notes(notes: Mapping[str, str]) -> list[dict[str, str]]:
    """Notes by service, as the API answers them."""
    return [{"service": name, "note": note} for name, note in notes.items()]


def json_lines(values: Iterable[Mapping[str, Any]]) -> str:
    """The values as JSON, one on each line."""
    return "".join(json.dumps(value, separators=(",", ":")) + "\n" for value in values)
