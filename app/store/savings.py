"""What is saved: how long services that may be powered were off, against leaving them always on.

    saved(service) = time of the period - time in it that any window held the service

A window holds from when it began to open until it was closed, which is when its stops
were confirmed; what several windows hold at the same time counts once. A stack counts
from its first window, or from when it was loaded if that was earlier: before that,
no one knows. Core is always on and saves nothing. What a person has started beside the
windows is not seen here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.orm import Session

from app.domain.enums import Event, Role, State
from app.store import stacks
from app.store.tables import Entry, Lease, Stack, Window

Span = tuple[datetime, datetime]
"""From a moment up to another."""
ServiceOfStack = tuple[str, str]
"""A stack and a service of it."""
_MOVING = (State.OPENING, State.OPEN, State.CLOSING)


def held_spans(session: Session, since: datetime, until: datetime) -> dict[ServiceOfStack, list[Span]]:
    """When each service was held within a period: spans in order that do not touch."""
    spans_by_service: dict[ServiceOfStack, list[Span]] = {}
    for those in (Window.state.in_(_MOVING), Window.id.in_(_ended_windows(since))):
        for stack, service, began, ended in session.execute(_holds(those, until)):
            span = (max(began or until, since), min(ended or until, until))
            if span[0] < span[1]:
                spans_by_service.setdefault((stack, service), []).append(span)
    return {key: merge_spans(spans) for key, spans in spans_by_service.items()}


def _holds(those: ColumnElement[bool], until: datetime) -> Select[str, str, datetime | None, datetime | None]:
    columns = (Lease.stack, Lease.service, Window.opening_at, Window.closed_at)
    query = select(*columns).join(Window, Lease.window_id == Window.id)
    # One that only ever waited held nothing.
    return query.where(those, Window.opening_at.is_not(None), Window.opening_at < until)


def _ended_windows(since: datetime) -> Select[Any]:
    """Windows that closed since then, by the trail, whose index is by time."""
    a_little_before = since - timedelta(seconds=1)
    return select(Entry.window_id).where(Entry.at >= a_little_before, Entry.event == Event.WINDOW_CLOSED)


def merge_spans(spans: Iterable[Span]) -> list[Span]:
    """The same time, with nothing counted twice."""
    merged: list[Span] = []
    for began, ended in sorted(spans):
        if merged and began <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], ended))
        else:
            merged.append((began, ended))
    return merged


def saved_seconds(session: Session, since: datetime, until: datetime) -> dict[ServiceOfStack, float]:
    """Seconds that each allowed service of each stack was off within a period."""
    holds = held_spans(session, since, until)
    return {
        (stack.name, name): _off(holds.get((stack.name, name), ()), max(since, begun), until)
        for stack in stacks.every(session)
        for begun in [known_since(session, stack)]
        for name, service in stack.spec.services.items()
        if service.role is Role.ALLOWED
    }


def known_since(session: Session, stack: Stack) -> datetime:
    """From when on it is known what a stack did."""
    first = session.scalar(select(func.min(Window.created_at)).where(Window.stack == stack.name))
    return min(stack.loaded_at, first) if first else stack.loaded_at


def _off(spans: Sequence[Span], since: datetime, until: datetime) -> float:
    on = sum((max(timedelta(), ended - max(began, since)) for began, ended in spans), timedelta())
    return max(0.0, (until - since - on).total_seconds())
