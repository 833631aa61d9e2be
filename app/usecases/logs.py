"""The logs of a window: what its services wrote while it held them; and the last lines of one service.

Only a worker may ask the engine, and the front reads only the database. So who wants to
read leaves a row, the node is nudged with the row's id, its worker writes the lines into
the row, and the row goes when they have been read. A worker answers by the window and by
its own power.toml and ignores those of the row or the message: a forged message makes it write
the lines of a leased service into a row that a client with a token is waiting for, or
nothing at all.
"""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from app.domain import untrusted_text
from app.domain.enums import Role
from app.domain.errors import NodeAway, NotAllowed, NotInWindow, UnknownWindow
from app.domain.stack_id import StackId
from app.store import log_reads, services, stacks, workers
from app.store import windows as rows
from app.store.tables import LogRead, Stack

LINES = 1000
"""Lines of each service that one reading may hold, the newest ones."""
LINE = 4096
"""Characters kept of a line."""
TEXT = 256 * 1024
"""Characters that one reading may hold."""
ANSWER_LIFETIME = timedelta(minutes=1)
"""How long an answer is kept that its caller does not fetch."""


@dataclass(frozen=True, slots=True)
class LogRequest:
    """What a worker is to read: of which services, and of which time."""

    id: str
    stack: StackId
    services: list[str]
    since: datetime | None
    """None: all that the containers have, whichever window held them."""
    until: datetime | None
    after: Mapping[str, str]
    """By container, the time of the last line that was read already."""
    tail: int
    details: Mapping[str, str] = field(default_factory=dict)
    """The stored last output of each service whose container is gone."""


def ask(
    session: Session,
    window_id: str,
    service: str | None,
    *,
    tail: int,
    after: Mapping[str, str],
    now: datetime,
) -> LogRead:
    """Leave a row for the window's node to answer. Raises UnknownWindow, NotInWindow or NodeAway."""
    window = rows.get(session, window_id)
    if window is None:
        raise UnknownWindow(window_id)
    held = sorted(lease.service for lease in window.leases)
    if service is not None and service not in held:
        raise NotInWindow(window_id, service, held)
    stack = stacks.stack_by_name(session, window.stack)
    if stack and (since := workers.is_away(session, stack, now)):
        raise NodeAway(window.stack, window.node, since)
    names = held if service is None else [service]
    read = _log_read(window.node, names, tail=tail, after=after, now=now)
    read.window_id = window.id
    return _add(session, read, now)


def ask_service(session: Session, stack: Stack, service: str, *, tail: int, now: datetime) -> LogRead:
    """Leave a row for the node to answer with the last lines of a service, held or not.

    Raises NotAllowed where the service is not allowed, or NodeAway.
    """
    allowed = stack.spec.names_of(Role.ALLOWED)
    if service not in allowed:
        raise NotAllowed(stack.name, [service], allowed)
    if since := workers.is_away(session, stack, now):
        raise NodeAway(stack.name, stack.node, since)
    read = _log_read(stack.node, [service], tail=tail, after={}, now=now)
    read.stack = stack.name
    return _add(session, read, now)


def _log_read(
    node: str, services: list[str], *, tail: int, after: Mapping[str, str], now: datetime
) -> LogRead:
    return LogRead(
        id=secrets.token_hex(16),
        window_id="",
        node=node,
        services=services,
        tail=min(tail, LINES),
        after=dict(after),
        asked_at=now,
    )


def _add(session: Session, read: LogRead, now: datetime) -> LogRead:
    log_reads.forget_before(session, now - ANSWER_LIFETIME)
    session.add(read)
    return read


def log_request(
    session: Session, identifier: str, core: Mapping[StackId, Collection[str]]
) -> LogRequest | None:
    """What a row asks for, cut down to what its window holds; None where no client waits.

    `core` is what the worker itself calls core, by stack: those are never read. Of a request without a
    window the worker reads allowed services only.
    """
    read = log_reads.open_request(session, identifier)
    if read is not None and read.stack is not None:
        return _service_request(session, read, read.stack, core.get(read.stack, ()))
    window = rows.get(session, read.window_id) if read else None
    if read is None or window is None:
        return None
    never = core.get(window.stack, ())
    held = {lease.service: lease.detail for lease in window.leases if lease.service not in never}
    return LogRequest(
        id=read.id,
        stack=window.stack,
        services=[name for name in read.services if name in held],
        since=window.opening_at or window.created_at,
        until=window.closed_at,
        after=read.after,
        tail=max(0, min(read.tail, LINES)),
        details=held,
    )


def _service_request(session: Session, read: LogRead, stack: StackId, never: Collection[str]) -> LogRequest:
    rows_by_name = services.of(session, stack)
    names = [name for name in read.services if name not in never]
    details = {name: rows_by_name[name].detail for name in names if name in rows_by_name}
    tail = max(0, min(read.tail, LINES))
    return LogRequest(read.id, stack, names, None, None, read.after, tail, details)


def fitting(
    lines: Iterable[Mapping[str, Any]], tail: int, clean: Callable[[str], str] = str
) -> list[dict[str, Any]]:
    """Of each service the newest lines, as many as are wanted, in order of time, as far as there is room.

    `clean` is applied to each of them before it is cut, and to no more than twice what is kept.
    """
    room, lines_kept, counts = TEXT, [], Counter[str]()
    for line in sorted(lines, key=_time, reverse=True):
        counts[line["service"]] += 1
        if counts[line["service"]] > tail:
            continue
        text = untrusted_text.storable(clean(str(line["line"])[: 2 * LINE]))
        cut = {**line, "line": text if len(text) <= LINE else f"{text[:LINE]}…"}
        room -= len(cut["line"])
        if room < 0:
            break
        lines_kept.append(cut)
    return lines_kept[::-1]


def _time(line: Mapping[str, Any]) -> str:
    return str(line["at"])


def last_seen(lines: Sequence[Mapping[str, Any]], before: Mapping[str, str]) -> dict[str, str]:
    """By container, the time of the last line that has been read."""
    return {**before, **{line["container"]: line["at"] for line in lines}}
