"""Request the logs of a window from the worker of its node, and return the worker's answer."""

from __future__ import annotations

import json
import time
from collections.abc import Generator, Iterable, Mapping
from typing import Any

from app.domain.enums import State
from app.domain.errors import Refusal
from app.store import log_reads as rows
from app.store import tokens
from app.store import windows as known
from app.store.tables import LogRead
from app.usecases import logs
from app.web import problems, schemas, window_views
from app.web.authentication import Caller
from app.web.context import WebContext
from app.web.problems import DATABASE_ERRORS, ApiError

ANSWER_TIMEOUT = 10.0
"""Seconds that a worker has to answer."""


POLL_INTERVAL = 0.03
"""Seconds between looks for the answer."""


FOLLOW_INTERVAL = 1.0
"""Seconds between readings while a client follows."""


KEEPALIVE_AFTER = 15.0
"""Seconds of silence after which an empty line says that we are still there."""


def read_newest(front: WebContext, caller: Caller, window: str, query: schemas.LogsQuery) -> LogRead:
    """The newest lines; raises a Refusal or Turned."""
    return begin_reading(front, caller, window, query)[1]


def begin_reading(
    front: WebContext, caller: Caller, window: str, query: schemas.LogsQuery
) -> tuple[_Reading, LogRead]:
    """Request a window's logs; raises the refusal where the window has no such service."""
    window_views.require_window_id(window)
    reading = _Reading(front, caller, window, query)
    with front.readers.seat() as seated:
        if not seated:
            number = front.readers.number
            said = f"{number} are reading logs, which is the most there may be"
            raise ApiError(problems.TOO_MANY, said, headers={"Retry-After": "2"}, limit=number)
        return reading, reading.next(query.tail)


class _Reading:
    """One reader's place in the logs of a window."""

    def __init__(self, front: WebContext, caller: Caller, window: str, query: schemas.LogsQuery) -> None:
        self._front, self._caller, self._window, self._query = front, caller, window, query
        self._after: dict[str, str] = {}
        self._notes: Mapping[str, str] = {}

    def next(self, tail: int) -> LogRead:
        """What was written since the last time; raises a Refusal or Turned."""
        front = self._front
        with front.database.write() as session:
            now, service = front.database.now(), self._query.service
            asked = logs.ask(session, self._window, service, tail=tail, after=self._after, now=now)
        try:
            if not front.dispatch.reading(asked.id, asked.node):
                raise _unread("the broker does not take messages")
            read = self._answer(asked.id)
        finally:
            with front.database.write() as session:
                rows.forget(session, asked.id)
        self._after = logs.last_seen(read.lines, self._after)
        return read

    def _answer(self, identifier: str) -> LogRead:
        until = time.monotonic() + ANSWER_TIMEOUT
        while time.monotonic() < until:
            with self._front.database.read() as session:
                if read := rows.answered(session, identifier):
                    return read
            time.sleep(POLL_INTERVAL)
        raise _unread(f"the worker of its node did not answer within {ANSWER_TIMEOUT:g} s")

    def follow(self, first: LogRead) -> Generator[str]:
        yield self._format_news(first.lines, first.notes)
        spoke, ended = time.monotonic(), False
        while not ended:
            time.sleep(FOLLOW_INTERVAL)
            # Asked before the last reading, so that what was written meanwhile is in it.
            ended = self._is_over()
            said = self._format_news(*self._round())
            if said or time.monotonic() - spoke > KEEPALIVE_AFTER:
                spoke = time.monotonic()
                yield said or "\n"

    def _round(self) -> tuple[list[dict[str, Any]], Mapping[str, str]]:
        """What is new; a worker, a broker or a database that is away is told of, and asked again."""
        try:
            read = self.next(logs.LINES)
        except (ApiError, Refusal, *DATABASE_ERRORS) as error:
            said = str(error).partition("\n")[0]
            return [], {"": f"{said}; trying again"}
        return read.lines, read.notes

    def _format_news(self, lines: list[dict[str, Any]], notes: Mapping[str, str]) -> str:
        """The lines, and of the notes those that were not told before."""
        fresh = {name: note for name, note in notes.items() if self._notes.get(name) != note}
        self._notes = notes
        return json_lines([*lines, *describe_notes(fresh)])

    def _is_over(self) -> bool:
        """Is there nothing more to come: the window has closed, or the token was revoked?"""
        try:
            with self._front.database.read() as session:
                window = known.get(session, self._window)
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


def json_lines(told: Iterable[Mapping[str, Any]]) -> str:
    """The values as JSON, one on each line."""
    return "".join(json.dumps(one, separators=(",", ":")) + "\n" for one in told)
