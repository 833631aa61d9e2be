"""What people and the clock do with windows: open, extend, close, expire, refuse.

One transaction each, no HTTP and no engine. A window's state and its audit entry
change in one private function, so neither changes alone. What workers report is
taken in by `app.observe`.
"""

from __future__ import annotations

import math
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from app.domain import plans, windows
from app.domain.plans import StackSpec
from app.domain.refusals import (
    BadTTL,
    KeyReused,
    Refusal,
    StackRejected,
    TimeIsUp,
    TTLTooLong,
    UnknownWindow,
    WouldShorten,
)
from app.domain.words import Event, State
from app.store import audit, services, stacks
from app.store import windows as rows
from app.store.tables import Lease, Window, stamp

CLOCK = "clock"
"""The actor of what happens because a deadline has come."""
HOUSE = "power-windows"
"""The actor of what the product does by itself."""
KEYS_LAST = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Ask:
    """What somebody asks to have opened. `ttl_sec` in seconds; None is the stack's default."""

    services: Sequence[str]
    stack: str | None = None
    ttl_sec: float | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Repeat:
    """An Idempotency-Key: whose it is, its text, and the digest of the body it came with."""

    token: str
    key: str
    body: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What opening would do: the services that would start, in waves, and those that run already."""

    stack: str
    services: list[str]
    ttl_sec: float
    waves: list[list[str]]
    already_on: list[str]


def plan(session: Session, ask: Ask) -> Plan:
    """What an `open_window` with the same words would do; changes nothing, refuses the same."""
    spec, asked, ttl = _checked(session, ask)
    seen = services.of(session, spec.name)
    needed = plans.closure(spec, asked)
    running = {name for name in needed if name in seen and seen[name].alive}
    waves = [[name for name in wave if name not in running] for wave in plans.waves(spec, needed)]
    return Plan(spec.name, asked, ttl, [wave for wave in waves if wave], sorted(running))


def open_window(
    session: Session, ask: Ask, *, actor: str, now: datetime, repeat: Repeat | None = None
) -> tuple[Window, bool]:
    """Open a window, or find the one this key stands for; the second value says that it is new.

    Raises UnknownStack, StackNeeded, StackRejected, NothingAsked, UnknownServices,
    NotAllowed, BadTTL, TTLTooLong or KeyReused.
    """
    if repeat and (first := _first(session, repeat, now)):
        return first, False
    spec, asked, ttl = _checked(session, ask)
    window = _new(spec, asked, ttl, reason=ask.reason, actor=actor, now=now)
    if repeat and (first := _quicker(session, repeat, window, now)):
        return first, False
    session.add(window)
    _hold(session, spec, window)
    _say(session, window, Event.WINDOW_OPENING, actor, now, services=asked, ttl_sec=ttl, reason=ask.reason)
    return window, True


def _checked(session: Session, ask: Ask) -> tuple[StackSpec, list[str], float]:
    stack = stacks.chosen(session, ask.stack)
    if stack.faults:
        raise StackRejected(stack.name, stack.faults)
    spec = stack.spec
    asked = plans.check_asked(spec, ask.services)
    return spec, asked, _ttl(ask.ttl_sec, spec)


def _ttl(given: float | None, spec: StackSpec) -> float:
    ttl = spec.default_ttl if given is None else given
    if not positive(ttl):
        raise BadTTL(given)
    if ttl > spec.max_ttl:
        raise TTLTooLong(ttl, spec.max_ttl, spec.max_ttl)
    return float(ttl)


def positive(ttl: Any) -> bool:
    """Is this a number of seconds that a clock can count?"""
    return isinstance(ttl, int | float) and not isinstance(ttl, bool) and 0 < ttl < math.inf


def _first(session: Session, repeat: Repeat, now: datetime) -> Window | None:
    rows.forget_keys(session, now - KEYS_LAST)
    known = rows.key(session, repeat.token, repeat.key)
    if known is None:
        return None
    if known.body != repeat.body:
        raise KeyReused(repeat.key, known.window_id)
    return rows.get(session, known.window_id)


def _quicker(session: Session, repeat: Repeat, window: Window, now: datetime) -> Window | None:
    """Take the key for this window, or find the window of whoever took it at the same moment."""
    taken = rows.claim(session, repeat.token, repeat.key, body=repeat.body, window=window.id, now=now)
    return None if taken else _first(session, repeat, now)


def _new(
    spec: StackSpec, asked: list[str], ttl: float, *, reason: str | None, actor: str, now: datetime
) -> Window:
    waves = plans.waves(spec, plans.closure(spec, asked))
    leases = [
        Lease(service=name, stack=spec.name, wave=number, asked=name in asked)
        for number, wave in enumerate(waves)
        for name in wave
    ]
    return Window(
        id=secrets.token_hex(8),
        stack=spec.name,
        node=spec.node,
        state=State.OPENING,
        actor=actor,
        reason=reason,
        services=asked,
        ttl_sec=ttl,
        created_at=now,
        opening_at=now,
        deadline=now + timedelta(seconds=ttl),
        leases=leases,
    )


def _hold(session: Session, spec: StackSpec, window: Window) -> None:
    """From here on these services owe an off, even those that somebody had started by hand.

    The rows are taken in name order, as everywhere, so that two openings cannot wait for each other.
    """
    held = sorted(lease.service for lease in window.leases)
    known = services.locked(session, spec.name)
    services.ensure(
        session, spec.name, {name: spec.services[name].role for name in held if name not in known}
    )
    services.owe(session, spec.name, held)


def extend(session: Session, window_id: str, ttl: float, *, actor: str, now: datetime) -> Window:
    """Move a live window's deadline to `ttl` seconds from now.

    Only its owner may move it to an earlier moment. Raises UnknownWindow, BadTTL,
    TTLTooLong, TimeIsUp or WouldShorten.
    """
    if not positive(ttl):
        raise BadTTL(ttl)
    window = _known(session, window_id)
    # A row lock may have been waited for: a deadline that passed meanwhile has passed.
    if not windows.extendable(State(window.state), window.deadline, now):
        raise TimeIsUp(window.id, window.state, window.deadline)
    began, before = window.opening_at or window.created_at, window.deadline
    limit = stacks.chosen(session, window.stack).spec.max_ttl
    # Compared as numbers: what is far too long is more than a date can hold.
    if ttl > (longest := (began - now).total_seconds() + limit):
        raise TTLTooLong(ttl, limit, max(0.0, round(longest, 3)))
    deadline = now + timedelta(seconds=ttl)
    if deadline < before and actor != window.actor:
        raise WouldShorten(window.id, window.actor, (before - now).total_seconds())
    window.deadline, window.ttl_sec = deadline, (deadline - began).total_seconds()
    _say(
        session,
        window,
        Event.WINDOW_EXTENDED,
        actor,
        now,
        ttl_sec=ttl,
        before=stamp(before),
        deadline=stamp(deadline),
    )
    return window


def close(
    session: Session,
    window_id: str,
    *,
    actor: str,
    now: datetime,
    reason: str | None = None,
    force: bool = False,
) -> Window:
    """Start closing a window; one that is closed or closing already stays as it is.

    `force` kills what does not stop and lets the window go even if that fails, with
    its services still owing their off. Raises UnknownWindow.
    """
    if force and (seen := rows.get(session, window_id)):
        # Services are locked before windows, here as everywhere.
        services.locked(session, seen.stack)
    window = _known(session, window_id)
    if window.state in windows.LIVE:
        advance(session, window, State.CLOSING, actor=actor, now=now, reason=reason or f"closed by {actor}")
    elif window.state == State.WAITING:
        advance(session, window, State.CLOSED, actor=actor, now=now, reason=reason or f"closed by {actor}")
    if force and window.state == State.CLOSING and not window.forced:
        window.forced, window.close_reason = True, reason or f"forced by {actor}"
        _hurry(session, window)
        _say(session, window, Event.WINDOW_CLOSING, actor, now, forced=True, reason=window.close_reason)
    return window


def _hurry(session: Session, window: Window) -> None:
    """Let the kill be tried at once, however often stopping has failed before."""
    for lease in window.leases:
        lease.killed = False
    services.hurry(session, window.stack, [lease.service for lease in window.leases])


def _known(session: Session, window_id: str) -> Window:
    window = rows.locked(session, window_id)
    if window is None:
        raise UnknownWindow(window_id)
    return window


def expire_due(session: Session, now: datetime, node: str | None = None) -> list[Window]:
    """Start closing every window whose time is up, on one node or on all; return them."""
    found = rows.due(session, now, node)
    for window in found:
        advance(session, window, State.CLOSING, actor=CLOCK, now=now, reason="its time was up")
    return found


def refuse(
    session: Session, refusal: Refusal, *, actor: str, now: datetime, stack: str | None = None, what: str
) -> None:
    """Put on record that somebody was turned down; the refused transaction itself left nothing behind."""
    known = stack if stack in stacks.names(session) else None
    facts = {name: value for name, value in refusal.facts.items() if name != "stack"}
    audit.record(
        session,
        Event.REFUSED,
        actor=actor,
        now=now,
        stack=known,
        what=what,
        why=str(refusal),
        **facts,
    )


_EVENTS = {
    State.OPEN: Event.WINDOW_OPEN,
    State.CLOSING: Event.WINDOW_CLOSING,
    State.CLOSED: Event.WINDOW_CLOSED,
}


def advance(
    session: Session, window: Window, to: State, *, actor: str, now: datetime, reason: str | None = None
) -> None:
    """Move a window on and put that on record: the only place where a state changes."""
    window.state = windows.move(State(window.state), to)
    # A window that has just moved is for somebody to look at.
    window.attended_at = None
    if to is State.OPEN:
        window.opened_at = now
    if to is State.CLOSING:
        window.closing_at, window.close_reason = now, reason
    if to is State.CLOSED:
        window.closed_at, window.close_reason = now, reason or window.close_reason
        window.stuck = False
    late = {"late_ms": round((now - window.deadline).total_seconds() * 1000, 1)} if actor == CLOCK else {}
    _say(session, window, _EVENTS[to], actor, now, status=window.status, reason=window.close_reason, **late)


def _say(session: Session, window: Window, event: Event, actor: str, now: datetime, **facts: Any) -> None:
    said = {name: value for name, value in facts.items() if value is not None}
    audit.record(session, event, actor=actor, now=now, stack=window.stack, window=window.id, **said)
