"""Reads logs on request: once, a bounded number of lines, of a window's own services or of one service."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from http import HTTPStatus
from typing import Any

from app.domain import untrusted_text
from app.domain.enums import Role
from app.store import log_reads as rows
from app.usecases import logs
from app.usecases.logs import LogRequest
from workers.engine import containers, negotiation, stack_secrets
from workers.engine.negotiation import EngineRefused
from workers.state.context import WorkerContext

log = logging.getLogger(__name__)
_APART = timedelta(seconds=1)
"""Clocks that differ by less are taken for the same."""
_ALL = datetime.fromtimestamp(1, UTC)  # The client refuses 0.
NOTE = 200
"""Characters of why a service's lines cannot be had."""
LogLineValue = dict[str, Any]


def answer(context: WorkerContext, read: str) -> None:
    """Store the requested lines in a row, unless the request is over or the stack is not served here."""
    with context.database.read() as session:
        wanted = logs.log_request(session, read, context.core)
    if wanted is None or wanted.stack not in context.stacks:
        return
    if wanted.since is None:
        allowed = context.stacks[wanted.stack].spec.names_of(Role.ALLOWED)
        wanted = replace(wanted, services=[name for name in wanted.services if name in allowed])
    lines, notes = read_lines(context, wanted)
    clean = partial(stack_secrets.redact, context.stacks[wanted.stack].spec.project)
    with context.database.write() as session:
        now = context.database.now()
        rows.answer(session, wanted.id, logs.fitting(lines, wanted.tail, clean), notes, now)
        rows.forget_before(session, now - logs.ANSWER_LIFETIME)


def read_lines(context: WorkerContext, wanted: LogRequest) -> tuple[list[LogLineValue], dict[str, str]]:
    """Return the log lines of the wanted services, and for each service that has none the reason."""
    lines: list[LogLineValue] = []
    notes: dict[str, str] = {}
    project = context.stacks[wanted.stack].spec.project
    try:
        there = context.engine.service_by_id(project, wanted.services)
        for container, service in there.items():
            try:
                lines += _of(context, wanted, container, service)
            except EngineRefused as refused:
                # The other services have their lines.
                notes[service] = _unreadable(context, container, refused)
    except negotiation.Unable as error:
        log.warning("stack %s: logs cannot be read: %s", wanted.stack, negotiation.why(error))
        return lines, dict.fromkeys(wanted.services, untrusted_text.shorten(negotiation.why(error), NOTE))
    for name in sorted(set(wanted.services) - set(there.values())):
        notes[name] = _last_output_note(wanted.details.get(name, ""))
    return lines, notes


def _unreadable(context: WorkerContext, container: str, refused: EngineRefused) -> str:
    """Why there are no lines of a container: its logging driver keeps none, or what the engine says."""
    if refused.status != HTTPStatus.NOT_IMPLEMENTED:
        return untrusted_text.shorten(f"the engine says: {refused}", NOTE)
    driver = context.engine.logging_driver(container) or "its own"
    return (
        f"its lines cannot be read here: the logging driver {driver} keeps none on this engine; "
        f"json-file, local and journald do"
    )


def _of(context: WorkerContext, wanted: LogRequest, container: str, service: str) -> list[LogLineValue]:
    """The lines of one container that have not been read yet."""
    short = container[:12]
    last = wanted.after.get(short, "")
    began = engine_time(context, wanted.since) if wanted.since else _ALL
    until = wanted.until and engine_time(context, wanted.until)
    since = max(began, containers.moment(last) or began)
    lines = context.engine.lines(container, since, until, wanted.tail)
    return [
        {"service": service, "container": short, "at": at, "line": text} for at, text in lines if at > last
    ]


def engine_time(context: WorkerContext, moment: datetime) -> datetime:
    """Convert a time of the database's clock to the engine's clock at that moment."""
    apart = context.engine.now() - context.database.now()
    return context.engine.own_time(moment + apart if abs(apart) > _APART else moment)


def _last_output_note(detail: str) -> str:
    """Return the note for a service without a container: its detail when it failed."""
    return (
        f"its container is gone; the last that was kept of it: {detail}" if detail else "it has no container"
    )
