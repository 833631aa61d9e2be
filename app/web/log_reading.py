"""Request the logs of a window from the worker of its node, and return the worker's answer."""

from __future__ import annotations

import json
import time
from collections.abc import Generator, Iterable, Mapping
from typing import Any

from app.domain.enums import State
from app.domain.errors import Refusal
from app.store import log_reads, tokens, windows
from app.store.tables import LogRead
from app.usecases import logs
from app.web import problems, schemas, window_views
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
    namespace = caller.viewer.namespace
    with context.readers.hold(namespace) as acquired:
        if not acquired:
            limit = context.readers.limit_of(namespace)
            detail = f"{limit} clients are reading logs, which is the limit"
            raise ApiError(problems.TOO_MANY, detail, headers={"Retry-After": "2"}, limit=limit)
        return reading, reading.next(query.tail)


class _Reading:
    """One client's position in the logs of a window."""

    def __init__(self, context: WebContext, caller: Caller, window: str, query: schemas.LogsQuery) -> None:
        self._context, self._caller, self._window, self._query = context, caller, window, query
        self._after: dict[str, str] = {}
        self._notes: Mapping[str, str] = {}

    def next(self, tail: int) -> LogRead:
        """The lines written since the last call; raises a Refusal or ApiError."""
        context = self._context
        with context.database.write() as session:
            now, service = context.database.now(), self._query.service
            log_read = logs.ask(session, self._window, service, tail=tail, after=self._after, now=now)
        try:
            if not context.dispatch.reading(log_read.id, log_read.node):
                raise _unread("the broker does not take messages")
            read = self._answer(log_read.id)
        finally:
            with context.database.write() as session:
                log_reads.forget(session, log_read.id)
        self._after = logs.last_seen(read.lines, self._after)
        return read

    def _answer(self, identifier: str) -> LogRead:
        until = time.monotonic() + ANSWER_TIMEOUT
        while time.monotonic() < until:
            with self._context.database.read() as session:
                if read := log_reads.answered_request(session, identifier):
                    return read
            time.sleep(POLL_INTERVAL)
        raise _unread(f"the worker of its node did not answer within {ANSWER_TIMEOUT:g} s")

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
        """New lines and notes; where worker, broker or database is away, a note says so."""
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
                    or not tokens.good(session, self._caller.name)
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
