"""Savings: how long services that may be powered were off, compared with leaving them always on.

    saved(service) = time of the period - time in it that any window held the service

A window holds from when it began to open until it was closed, which is when its stops
were confirmed; what several windows hold at the same time counts once. A stack counts
from its first window, or from when it was loaded first if that was earlier: hours before
that are not known. Core is always on and saves nothing. What a person has started beside the
windows is not seen here.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
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


@dataclass(frozen=True, slots=True)
class Saving:
    """Seconds that a service was off in a period, and seconds of the period in which its stack was known."""

    off: float
    whole: float


HeldSeconds = Mapping[ServiceOfStack, Sequence[float]]
"""How long each service was held in each of some periods; one that was not held is left out."""


def held_seconds(session: Session, bounds: Sequence[datetime]) -> dict[ServiceOfStack, list[float]]:
    """How long each service was held by period; `bounds` are their begins, and the end of the last.

    For periods that have ended the answer no longer changes, unless an offline worker reports late.
    """
    if len(bounds) <= 1:
        return {}
    holds = held_spans(session, bounds[0], bounds[-1])
    return {key: _seconds_by_period(spans, bounds) for key, spans in holds.items()}


def _seconds_by_period(spans: Iterable[Span], bounds: Sequence[datetime]) -> list[float]:
    seconds = [0.0] * (len(bounds) - 1)
    for began, ended in spans:
        number = bisect_right(bounds, began) - 1
        while number < len(seconds) and bounds[number] < ended:
            within = min(ended, bounds[number + 1]) - max(began, bounds[number])
            seconds[number] += within.total_seconds()
            number += 1
    return seconds


def savings_by_period(
    session: Session, bounds: Sequence[datetime], held: HeldSeconds
) -> dict[ServiceOfStack, list[Saving]]:
    """The savings of each allowed service by period; `held` is for the same periods."""
    savings: dict[ServiceOfStack, list[Saving]] = {}
    for stack in stacks.every(session):
        begun = known_since(session, stack)
        lengths = [(until - max(since, begun)).total_seconds() for since, until in pairwise(bounds)]
        for name in stack.spec.allowed:
            seconds = held.get((stack.name, name), [0.0] * len(lengths))
            savings[stack.name, name] = [
                Saving(max(0.0, whole - on), max(0.0, whole))
                for whole, on in zip(lengths, seconds, strict=True)
            ]
    return savings


def known_since(session: Session, stack: Stack) -> datetime:
    """From when on it is known what a stack did: since it was loaded first, or its first window."""
    first_window = session.scalar(select(func.min(Window.created_at)).where(Window.stack == stack.name))
    loaded = select(Entry.at).where(Entry.chain == stack.name, Entry.event == Event.STACK_LOADED)
    first_loaded = session.scalar(loaded.order_by(Entry.seq).limit(1))
    return min(at for at in (stack.loaded_at, first_window, first_loaded) if at)


def _off(spans: Sequence[Span], since: datetime, until: datetime) -> float:
    overlaps = (min(ended, until) - max(began, since) for began, ended in spans)
    on = sum((max(timedelta(), overlap) for overlap in overlaps), timedelta())
    return max(0.0, (until - since - on).total_seconds())
