"""What people and the clock do with windows: open, extend, close, expire, refuse.

One transaction each, no HTTP and no engine. A window's state and its audit entry
change in one private function, so neither changes alone. What workers report is
taken in by `app.usecases.reconciliation.observations`.
"""

from __future__ import annotations

import math
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from app.domain import planning, windows
from app.domain.enums import CloseReason, Event, State, Status
from app.domain.errors import (
    BadTTL,
    KeyReused,
    NodeAway,
    Refusal,
    StackRejected,
    TimeIsUp,
    TTLTooLong,
    UnknownStack,
    UnknownWindow,
    WouldShorten,
)
from app.domain.locations import Location
from app.domain.planning import StackSpec
from app.store import audit, services, stacks, workers
from app.store import windows as rows
from app.store.tables import Lease, Service, Stack, Window, stamp

CLOCK_ACTOR = "clock"
"""The actor of what happens because a deadline has come."""
SYSTEM_ACTOR = "power-windows"
"""The actor of what the product does by itself."""
KEY_LIFETIME = timedelta(hours=24)
TIME_IS_UP = "its time was up"
WAITING_FOR_NODE = "node"
"""What a window waits for whose stack is away."""


@dataclass(frozen=True, slots=True)
class OpenRequest:
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
class OpeningPlan:
    """What opening would do: the services that would start, in waves, and those that run already."""

    stack: str
    services: list[str]
    ttl_sec: float
    waves: list[list[str]]
    already_on: list[str]


def plan(session: Session, ask: OpenRequest) -> OpeningPlan:
    """What an `open_window` with the same words would do; changes nothing, refuses the same."""
    stack, asked, ttl = check_request(session, ask)
    spec = stack.spec
    seen = services.of(session, spec.name)
    needed = planning.closure(spec, asked)
    running = {name for name in needed if name in seen and seen[name].alive}
    waves = [[name for name in wave if name not in running] for wave in planning.waves(spec, needed)]
    return OpeningPlan(spec.name, asked, ttl, [wave for wave in waves if wave], sorted(running))


def open_window(
    session: Session,
    ask: OpenRequest,
    *,
    actor: str,
    now: datetime,
    repeat: Repeat | None = None,
    wait_for_node: bool = True,
) -> tuple[Window, bool]:
    """Open a window, or find the one this key stands for; the second value says that it is new.

    Where the stack's node is away, the window waits for it, or `wait_for_node` says no.
    Raises UnknownStack, StackNeeded, StackRejected, NothingAsked, UnknownServices,
    NotAllowed, BadTTL, TTLTooLong, KeyReused or NodeAway.
    """
    if repeat and (first := _first(session, repeat, now)):
        return first, False
    stack, asked, ttl = check_request(session, ask, keep=True)
    away = workers.is_away(session, stack, now)
    if away and not wait_for_node:
        raise NodeAway(stack.name, stack.node, away)
    window = _new(stack, asked, ttl, reason=ask.reason, actor=actor, now=now)
    if repeat and (first := _quicker(session, repeat, window, now)):
        return first, False
    session.add(window)
    said = {"services": asked, "ttl_sec": ttl, "reason": ask.reason}
    if away:
        window.state, window.opening_at, window.waiting_for = State.WAITING, None, WAITING_FOR_NODE
        for lease in window.leases:
            lease.detail = f"waits for node {stack.node}, not heard of since {stamp(away)}"
        said |= {"waiting_for": WAITING_FOR_NODE, "node": stack.node, "away_since": stamp(away)}
        record_entry(session, window, Event.WINDOW_WAITING, actor, now, **said)
    else:
        hold_services(session, stack, window)
        record_entry(session, window, Event.WINDOW_OPENING, actor, now, **said)
    return window, True


def check_request(session: Session, ask: OpenRequest, *, keep: bool = False) -> tuple[Stack, list[str], float]:
    stack = stacks.chosen(session, ask.stack, keep=keep)
    if stack.faults:
        raise StackRejected(stack.name, stack.faults)
    spec = stack.spec
    asked = planning.check_asked(spec, ask.services)
    return stack, asked, _ttl(ask.ttl_sec, spec)


def _ttl(given: float | None, spec: StackSpec) -> float:
    ttl = spec.default_ttl if given is None else given
    if not is_positive(ttl):
        raise BadTTL(given)
    if ttl > spec.max_ttl:
        raise TTLTooLong(ttl, spec.max_ttl, spec.max_ttl)
    return float(ttl)


def is_positive(ttl: Any) -> bool:
    """Is this a number of seconds that a clock can count?"""
    return isinstance(ttl, int | float) and not isinstance(ttl, bool) and 0 < ttl < math.inf


def _first(session: Session, repeat: Repeat, now: datetime) -> Window | None:
    rows.forget_keys(session, now - KEY_LIFETIME)
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
    stack: Stack, asked: list[str], ttl: float, *, reason: str | None, actor: str, now: datetime
) -> Window:
    return Window(
        id=secrets.token_hex(8),
        stack=stack.name,
        node=stack.node,
        state=State.OPENING,
        actor=actor,
        reason=reason,
        services=asked,
        ttl_sec=ttl,
        created_at=now,
        opening_at=now,
        deadline=now + timedelta(seconds=ttl),
        leases=new_leases(stack, asked),
    )


def new_leases(stack: Stack, asked: list[str]) -> list[Lease]:
    spec, at = stack.spec, stack.location
    waves = planning.waves(spec, planning.closure(spec, asked))
    return [
        Lease(
            service=name,
            stack=stack.name,
            wave=number,
            asked=name in asked,
            project=at.project,
            engine_id=at.engine_id,
        )
        for number, wave in enumerate(waves)
        for name in wave
    ]


def hold_services(session: Session, stack: Stack, window: Window) -> None:
    """From here on these services owe an off, even those that somebody had started by hand.

    The rows are taken in name order, as everywhere, so that two openings cannot wait for each other.
    """
    spec, held = stack.spec, sorted(lease.service for lease in window.leases)
    known = services.locked(session, spec.name)
    services.ensure(
        session, spec.name, {name: spec.services[name].role for name in held if name not in known}
    )
    services.owe(session, spec.name, held, stack.location)


def extend(
    session: Session, window_id: str, ttl: float, *, actor: str, now: datetime, reason: str | None = None
) -> Window:
    """Move a live window's deadline to `ttl` seconds from now.

    Only its owner may move it to an earlier moment. Raises UnknownWindow, BadTTL,
    TTLTooLong, TimeIsUp or WouldShorten.
    """
    if not is_positive(ttl):
        raise BadTTL(ttl)
    window = lock_window(session, window_id)
    # A row lock may have been waited for: a deadline that passed meanwhile has passed.
    if not windows.extendable(State(window.state), window.deadline, now):
        raise TimeIsUp(window.id, window.state, window.deadline)
    # One that waits has not begun: what it is given counts from when it will.
    began = now if window.state == State.WAITING else window.opening_at or window.created_at
    before = window.deadline
    limit = stacks.chosen(session, window.stack).spec.max_ttl
    # Compared as numbers: what is far too long is more than a date can hold.
    if ttl > (longest := (began - now).total_seconds() + limit):
        raise TTLTooLong(ttl, limit, max(0.0, round(longest, 3)))
    deadline = now + timedelta(seconds=ttl)
    if deadline < before and actor != window.actor:
        raise WouldShorten(window.id, window.actor, (before - now).total_seconds())
    window.deadline, window.ttl_sec = deadline, (deadline - began).total_seconds()
    record_entry(
        session,
        window,
        Event.WINDOW_EXTENDED,
        actor,
        now,
        ttl_sec=ttl,
        before=stamp(before),
        deadline=stamp(deadline),
        reason=reason,
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
    window = lock_window(session, window_id)
    if force and window.state in _FORCEABLE and not window.forced:
        _force(session, window, actor, now, _forced(actor, reason))
    elif window.state in windows.LIVE | {State.WAITING}:
        to = State.CLOSED if window.state == State.WAITING else State.CLOSING
        detail = reason or f"closed by {actor}"
        advance(session, window, to, actor=actor, now=now, reason=CloseReason.MANUAL, detail=detail)
    if window.state == State.CLOSING and window.forced:
        close_without_node(session, window, actor, now)
    return window


_FORCEABLE = windows.LIVE | {State.CLOSING}


def _forced(actor: str, reason: str | None) -> str:
    return f"forced by {actor}: {reason}" if reason else f"forced by {actor}"


def _force(session: Session, window: Window, actor: str, now: datetime, detail: str) -> None:
    """From here on it is killed; on record as one entry, which names the person."""
    window.forced = True
    _hurry(session, window)
    if window.state in windows.LIVE:
        advance(
            session, window, State.CLOSING, actor=actor, now=now, reason=CloseReason.FORCED, detail=detail
        )
    else:
        # That it is closing is on record already; this says who would not wait, and why.
        set_ending(window, CloseReason.FORCED, actor, detail)
        record_entry(session, window, Event.WINDOW_CLOSING, actor, now, **ending_facts(window))


def close_without_node(session: Session, window: Window, actor: str, now: datetime) -> None:
    """A forced close waits for no node or engine that is away; what was held is stopped when it is back."""
    stack = stacks.named(session, window.stack)
    if stack is None:
        return
    known = services.of(session, window.stack)
    owing = [known[one.service] for one in window.leases if one.service in known and known[one.service].owed]
    away = _away(session, stack, owing, now)
    if not away:
        return
    left = ", ".join(sorted(row.name for row in owing)) or "nothing"
    why = f"{window.close_detail}, with {away} away; still owing an off: {left}"
    advance(session, window, State.CLOSED, actor=actor, now=now, detail=why)


def _away(session: Session, stack: Stack, owing: Sequence[Service], now: datetime) -> str:
    """The node, or the engine it had, that would have to stop these and is not there; empty where it is."""
    if workers.is_away(session, stack, now):
        return f"node {stack.node}"
    node = stacks.node(session, stack.node)
    here = Location(engine_id=node.engine_id if node else "")
    return next((f"engine {row.engine_id}" for row in owing if row.owed_outside(here)), "")


def _hurry(session: Session, window: Window) -> None:
    """Let the kill be tried at once, however often stopping has failed before."""
    for lease in window.leases:
        lease.killed = False
    services.hurry(session, window.stack, [lease.service for lease in window.leases])


def lock_window(session: Session, window_id: str) -> Window:
    window = rows.locked(session, window_id)
    if window is None:
        raise UnknownWindow(window_id)
    return window


def expire_due(
    session: Session, now: datetime, node: str | None = None, only: str | None = None
) -> list[Window]:
    """Start closing every window whose time is up, on one node or on all, or `only` this one; return them."""
    found = rows.due(session, now, node, only)
    for window in found:
        expire(session, window, now)
    if only is None:
        give_up_waiting(session, now)
    return found


def expire(session: Session, window: Window, now: datetime) -> None:
    """Start closing a live window whose deadline has passed, whoever noticed."""
    advance(
        session,
        window,
        State.CLOSING,
        actor=CLOCK_ACTOR,
        now=now,
        reason=CloseReason.EXPIRED,
        detail=TIME_IS_UP,
    )


def give_up_waiting(session: Session, now: datetime) -> None:
    """Close what waited in vain for its node all its time, and what is forced on a node that is away."""
    for window in rows.waited_in_vain(session, now):
        why = f"waited in vain for node {window.node}, which is away"
        end_unopened(session, window, CloseReason.LOST, why, now)
    for window in rows.forced(session):
        close_without_node(session, window, SYSTEM_ACTOR, now)


def admit(session: Session, window_id: str, now: datetime) -> Window | None:
    """Begin a window whose node is back, by what its stack is now; None where it waits no longer.

    Its time counts from here. What may not be opened any more closes with the reason.
    """
    seen = rows.get(session, window_id)
    if seen is None:
        return None
    # Stacks are locked before services, and those before windows, here as everywhere.
    stacks.keep(session, seen.stack)
    services.locked(session, seen.stack)
    window = rows.locked(session, window_id)
    if window is None or window.state != State.WAITING or window.deadline <= now:
        return None
    try:
        stack, asked, ttl = check_request(session, OpenRequest(window.services, window.stack, window.ttl_sec))
    except Refusal as refusal:
        gone = isinstance(refusal, UnknownStack | StackRejected)
        end_unopened(session, window, CloseReason.LOST if gone else CloseReason.FAILED, str(refusal), now)
        return None
    rows.hold_instead(session, window, new_leases(stack, asked))
    window.node = stack.node
    window.opening_at, window.deadline, window.waiting_for = now, now + timedelta(seconds=ttl), None
    hold_services(session, stack, window)
    advance(session, window, State.OPENING, actor=SYSTEM_ACTOR, now=now)
    return window


def end_unopened(session: Session, window: Window, reason: CloseReason, why: str, now: datetime) -> None:
    """End a window that never began: one that waits holds nothing, an opening one has to close."""
    to = State.CLOSED if window.state == State.WAITING else State.CLOSING
    window.status, window.waiting_for = Status.FAIL, None
    advance(session, window, to, actor=SYSTEM_ACTOR, now=now, reason=reason, detail=why)


def lose_stack(session: Session, stack: str, now: datetime) -> None:
    """End what never began on a stack that its node has no more; what is on keeps its time."""
    services.locked(session, stack)
    for window in rows.not_begun(session, stack):
        end_unopened(session, window, CloseReason.LOST, f"stack {stack} is no longer served by its node", now)


def record_refusal(
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


def record_repeated_refusals(
    session: Session,
    actor: str,
    now: datetime,
    *,
    stack: str | None,
    what: str,
    why: str,
    times: int,
    since: datetime,
    until: datetime,
) -> None:
    """Record how many more requests were refused for a reason whose first refusal is on record in full."""
    known = stack if stack in stacks.names(session) else None
    audit.record(
        session,
        Event.REFUSED,
        actor=actor or SYSTEM_ACTOR,
        now=now,
        stack=known,
        what=what,
        why=why,
        times=times,
        since=stamp(since),
        until=stamp(until),
    )


_EVENTS = {
    State.OPENING: Event.WINDOW_OPENING,
    State.OPEN: Event.WINDOW_OPEN,
    State.CLOSING: Event.WINDOW_CLOSING,
    State.CLOSED: Event.WINDOW_CLOSED,
}


def advance(
    session: Session,
    window: Window,
    to: State,
    *,
    actor: str,
    now: datetime,
    reason: CloseReason | None = None,
    detail: str | None = None,
) -> None:
    """Move a window on and put that on record: the only place where a state changes.

    `reason` and `detail` say why it ends; what is left out stays as it was said before.
    """
    window.state = windows.move(State(window.state), to)
    # A window that has just moved is for somebody to look at.
    window.attended_at = None
    if to is State.OPEN:
        window.opened_at = now
    if to is State.CLOSING:
        window.closing_at = now
    if to is State.CLOSED:
        window.closed_at, window.stuck, window.waiting_for = now, False, None
    if to in windows.ENDED:
        set_ending(window, reason, actor, detail)
    late = {"late_ms": round((now - window.deadline).total_seconds() * 1000, 1)} if actor == CLOCK_ACTOR else {}
    ending = ending_facts(window) if to in windows.ENDED else {}
    record_entry(session, window, _EVENTS[to], actor, now, status=window.status, **ending, **late)


def set_ending(window: Window, reason: CloseReason | None, actor: str, detail: str | None) -> None:
    """Note why a window ends. The one word and its actor are those of who began it, or forced it later."""
    if reason is not None:
        window.close_reason, window.closed_by = reason, actor
    window.close_detail = detail or window.close_detail


def ending_facts(window: Window) -> dict[str, Any]:
    """Why a window ends, as its entries tell it; `reason` is what they called the sentence at first."""
    return {
        "reason": window.close_detail,
        "close_reason": window.close_reason,
        "closed_by": window.closed_by,
        "close_detail": window.close_detail,
        "forced": True if window.forced else None,
    }


def record_entry(session: Session, window: Window, event: Event, actor: str, now: datetime, **facts: Any) -> None:
    said = {name: value for name, value in facts.items() if value is not None}
    audit.record(session, event, actor=actor, now=now, stack=window.stack, window=window.id, **said)
