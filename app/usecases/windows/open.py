"""Open a window: check the request, create window and leases, begin a window that waited for its node."""

from __future__ import annotations

import math
import secrets
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from app.domain import call_output, planning
from app.domain.enums import CloseReason, Event, State
from app.domain.errors import (
    BadTTL,
    KeyReused,
    NodeAway,
    Refusal,
    StackRejected,
    TTLTooLong,
    UnknownStack,
)
from app.domain.planning import StackSpec
from app.domain.run_errors import ImageInUse
from app.domain.stack_id import StackId
from app.store import runs, services, stacks, workers
from app.store import windows as rows
from app.store.tables import Lease, Stack, Window, stamp
from app.usecases.windows.expire import end_unopened
from app.usecases.windows.transitions import SYSTEM_ACTOR, advance, record_entry

KEY_LIFETIME = timedelta(hours=24)


WAITING_FOR_NODE = "node"
"""What a window waits for whose stack is away."""


@dataclass(frozen=True, slots=True)
class OpenRequest:
    """A request to open a window. `ttl_sec` in seconds; None is the stack's default."""

    services: Sequence[str]
    stack: StackId | None = None
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

    stack: StackId
    services: list[str]
    ttl_sec: float
    waves: list[list[str]]
    already_on: list[str]
    missing_images: list[str]
    """A line for each image that the engine lacks, with the command that mends it."""


def plan(session: Session, ask: OpenRequest, built: Collection[str] = ()) -> OpeningPlan:
    """What an `open_window` with the same words would do; changes nothing, refuses the same.

    Images of services in `built` are not missed: they are built before the opening.
    """
    stack, asked, ttl = check_request(session, ask)
    spec = stack.spec
    seen = services.of(session, spec.name)
    needed = planning.closure(spec, asked)
    check_images(session, spec.name, needed)
    running = {name for name in needed if name in seen and seen[name].alive}
    waves = [[name for name in wave if name not in running] for wave in planning.waves(spec, needed)]
    missing = [
        call_output.missing_image(spec.services[name].image, spec.project, name)
        for name in sorted(needed)
        if name in seen and seen[name].image_missing and name not in built
    ]
    return OpeningPlan(spec.name, asked, ttl, [wave for wave in waves if wave], sorted(running), missing)


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
    Raises UnknownStack, StackNeeded, NoStackHasAll, ServicesOfNoStack, StackRejected, NothingAsked,
    UnknownServices, NotAllowed, BadTTL, TTLTooLong, KeyReused, NodeAway or ImageInUse.
    """
    if repeat and (first := _first(session, repeat, now)):
        return first, False
    stack, asked, ttl = check_request(session, ask, keep=True)
    away = workers.is_away(session, stack, now)
    if away and not wait_for_node:
        raise NodeAway(stack.name, stack.node, away)
    window = _new(stack, asked, ttl, reason=ask.reason, actor=actor, now=now)
    check_images(session, stack.name, {lease.service for lease in window.leases})
    if repeat and (first := _quicker(session, repeat, window, now)):
        return first, False
    session.add(window)
    details = {"services": asked, "ttl_sec": ttl, "reason": ask.reason}
    if away:
        window.state, window.opening_at, window.waiting_for = State.WAITING, None, WAITING_FOR_NODE
        for lease in window.leases:
            lease.detail = f"waits for node {stack.node}, not heard of since {stamp(away)}"
        details |= {"waiting_for": WAITING_FOR_NODE, "node": stack.node, "away_since": stamp(away)}
        record_entry(session, window, Event.WINDOW_WAITING, actor, now, **details)
    else:
        hold_services(session, stack, window)
        record_entry(session, window, Event.WINDOW_OPENING, actor, now, **details)
    return window, True


def check_request(
    session: Session, ask: OpenRequest, *, keep: bool = False
) -> tuple[Stack, list[str], float]:
    """The stack, the services asked for and the length in seconds; raises the refusal where there is one.

    A request without a stack is for the only stack that has its services.
    `keep` locks the stack's row until the transaction ends.
    """
    stack = stacks.chosen(session, ask.stack, ask.services, keep=keep)
    if stack.faults:
        raise StackRejected(stack.name, stack.faults)
    spec = stack.spec
    asked = planning.check_asked(spec, ask.services)
    return stack, asked, _ttl(ask.ttl_sec, spec)


def check_images(session: Session, stack: StackId, services: Collection[str]) -> None:
    """Raise ImageInUse where a run has one of these services run another image than its own."""
    in_use = runs.images_in_use(session, stack)
    for service in sorted(in_use.keys() & set(services)):
        raise ImageInUse(service, *in_use[service])


def _ttl(given: float | None, spec: StackSpec) -> float:
    ttl = spec.default_ttl if given is None else given
    if not is_positive(ttl):
        raise BadTTL(given)
    if ttl > spec.max_ttl:
        raise TTLTooLong(spec.name, ttl, spec.max_ttl, spec.max_ttl)
    return float(ttl)


def is_positive(ttl: Any) -> bool:
    """Is this a number of seconds that a clock can count?"""
    return isinstance(ttl, int | float) and not isinstance(ttl, bool) and 0 < ttl < math.inf


def _first(session: Session, repeat: Repeat, now: datetime) -> Window | None:
    rows.forget_keys(session, now - KEY_LIFETIME)
    key_row = rows.key(session, repeat.token, repeat.key)
    if key_row is None:
        return None
    if key_row.body != repeat.body:
        raise KeyReused(repeat.key, key_row.window_id)
    return rows.get(session, key_row.window_id)


def _quicker(session: Session, repeat: Repeat, window: Window, now: datetime) -> Window | None:
    """Take the key for this window, or find the window of the request that took it at the same moment."""
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
    """Leases on the services asked for and on what they depend on, in waves."""
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
    """Mark a stop of these services as pending, also of services that a person started.

    The rows are locked in name order, as everywhere, so that two openings cannot deadlock.
    """
    spec, held = stack.spec, sorted(lease.service for lease in window.leases)
    rows = services.lock_services(session, spec.name)
    services.ensure(session, spec.name, {name: spec.services[name].role for name in held if name not in rows})
    services.mark_stops_pending(session, spec.name, held, stack.location)


def admit(session: Session, window_id: str, now: datetime) -> Window | None:
    """Open a waiting window whose node is back, by the present definition of its stack; None if it no
    longer waits.

    Its time counts from now. A window that may no longer be opened closes with the reason.
    """
    seen = rows.get(session, window_id)
    if seen is None:
        return None
    # Stacks are locked before services, and those before windows, here as everywhere.
    stacks.keep(session, seen.stack)
    services.lock_services(session, seen.stack)
    window = rows.lock_window(session, window_id)
    if window is None or window.state != State.WAITING or window.deadline <= now:
        return None
    try:
        stack, asked, ttl = check_request(session, OpenRequest(window.services, window.stack, window.ttl_sec))
        check_images(session, stack.name, planning.closure(stack.spec, asked))
    except ImageInUse:
        # It waits on: the run's window closes.
        return None
    except Refusal as refusal:
        gone = isinstance(refusal, UnknownStack | StackRejected)
        end_unopened(session, window, CloseReason.LOST if gone else CloseReason.FAILED, str(refusal), now)
        return None
    rows.replace_leases(session, window, new_leases(stack, asked))
    window.node = stack.node
    window.opening_at, window.deadline, window.waiting_for = now, now + timedelta(seconds=ttl), None
    hold_services(session, stack, window)
    advance(session, window, State.OPENING, actor=SYSTEM_ACTOR, now=now)
    return window
