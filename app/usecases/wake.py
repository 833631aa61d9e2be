"""A window for a visitor: opened or joined by a bound token, and extended while requests come.

A token that is bound to one route has one window at a time. Its row is locked before
anything is decided, so that however many come first, one of them opens.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from app.domain import wake
from app.domain.enums import Power, State, Status
from app.domain.errors import LastToken, TokenExists, UnknownToken
from app.domain.passive_requests import PassiveRequestRules
from app.domain.stack_id import DEFAULT_NAMESPACE, StackId, namespace_of
from app.domain.wake import Hold, Step, WakeVerdict
from app.store import stacks, tokens, wakes, windows
from app.store.tables import Token, Wake, Window
from app.usecases.windows import extend as extending
from app.usecases.windows import open as opening
from app.usecases.windows import transitions
from app.usecases.windows.open import OpenRequest

REASON = "a visitor came"
UNDER_WAY = "a request was under way"


@dataclass(frozen=True, slots=True)
class WakeBinding:
    """A bound token: its route, its window if it has one, and the length of the windows that it opens."""

    stack: StackId
    service: str
    hold: Hold | None
    ttl: float
    max_ttl: float
    lookers: PassiveRequestRules
    """Who only looks there."""

    def verdict(self, now: datetime) -> WakeVerdict:
        """What a request of a visitor means now."""
        return wake.judge(self.hold, self.ttl, self.max_ttl, now)


def read_binding(session: Session, token: str) -> WakeBinding | None:
    """Return the state of the service of this token; None if the token is not bound. Raises UnknownStack."""
    bound = wakes.get(session, token)
    return _binding(session, bound) if bound else None


def _binding(session: Session, bound: Wake) -> WakeBinding:
    spec = stacks.chosen(session, bound.stack).spec
    window = windows.get(session, bound.window_id) if bound.window_id else None
    hold = _hold(window, bound) if window else None
    # A stack may have become stricter since the token was made.
    ttl = min(bound.ttl_sec or spec.default_ttl, spec.max_ttl)
    return WakeBinding(
        bound.stack, bound.service, hold, ttl, spec.max_ttl, wakes.passive_request_rules(bound)
    )


def _hold(window: Window, bound: Wake) -> Hold:
    lease = next((one for one in window.leases if one.service == bound.service), None)
    return Hold(
        window.id,
        State(window.state),
        Status(window.status) if window.status else None,
        window.opening_at or window.created_at,
        window.deadline,
        window.closing_at or window.closed_at,
        Power(lease.power) if lease else Power.UNKNOWN,
        lease is not None and lease.ready,
        (sum(one.ready for one in window.leases), len(window.leases)),
        was_ready=lease is not None and lease.ready_at is not None,
        failures=bound.failures,
    )


def open_or_extend(
    session: Session, token: str, clock: Callable[[], datetime], *, wait_for_node: bool = True
) -> tuple[WakeBinding | None, Window | None]:
    """Open a window for this token, or join and lengthen the one it has; the second value is a new one.

    `clock` is asked after each wait for a row. Raises UnknownStack, StackRejected,
    UnknownServices, NotAllowed or NodeAway.
    """
    bound = wakes.lock_binding(session, token)
    if bound is None:
        return None, None
    binding = _binding(session, bound)
    verdict = binding.verdict(clock())
    new = None
    if verdict.step is Step.OPEN:
        ask = OpenRequest([bound.service], bound.stack, binding.ttl, REASON)
        new, _ = opening.open_window(session, ask, actor=token, now=clock(), wait_for_node=wait_for_node)
        bound.window_id = new.id
        bound.failures = wake.failures_before(binding.hold)
        session.flush()
    elif verdict.renew is not None and bound.window_id:
        _lengthen(session, bound, clock)
    return _binding(session, bound), new


def _lengthen(session: Session, bound: Wake, clock: Callable[[], datetime]) -> None:
    """Its row may have been waited for, so all is judged anew: never is a window made shorter."""
    window = windows.lock_window(session, bound.window_id or "")
    now = clock()
    renew = _binding(session, bound).verdict(now).renew
    if window is None or renew is None:
        return
    extending.extend(session, window.id, renew, actor=bound.token, now=now)


def keep_for_traffic(session: Session, token: str, window_id: str, clock: Callable[[], datetime]) -> bool:
    """Lengthen the window that a token has, since bytes still move there; False where it ends anyway."""
    bound = wakes.lock_binding(session, token)
    if bound is None or bound.window_id != window_id:
        return False
    window = windows.lock_window(session, window_id)
    now = clock()
    binding = _binding(session, bound)
    more = wake.lasting(binding.hold, binding.ttl, binding.max_ttl, now) if binding.hold else None
    if window is None or more is None:
        return False
    extending.extend(session, window_id, more, actor=transitions.SYSTEM_ACTOR, now=now, reason=UNDER_WAY)
    return True


def create(
    session: Session,
    name: str,
    *,
    stack: StackId,
    service: str,
    ttl_sec: float | None,
    actor: str,
    now: datetime,
    agents: list[str] | None = None,
    paths: list[str] | None = None,
) -> str:
    """Make a token that is good for one service's waiting page; return its text, which nothing keeps.

    `agents` and `paths` only look, in place of those that are built in.
    Raises what opening that service would, and TokenExists.
    """
    opening.plan(session, OpenRequest([service], stack, ttl_sec))
    existing = tokens.lock_token(session, name)
    if existing and existing.revoked_at is None:
        raise TokenExists(name)
    given = {"ttl_sec": ttl_sec, "only_looks_agents": agents, "only_looks_paths": paths}
    limits = {key: value for key, value in given.items() if value is not None}
    text = tokens.create(session, name, now, tokens.WAKE, actor=actor, wake=f"{stack}/{service}", **limits)
    wakes.bind(session, name, stack, service, ttl_sec, agents=agents, paths=paths)
    return text


def revoke(session: Session, name: str, *, actor: str, now: datetime) -> Token:
    """Revoke a token; its window keeps its deadline. Raises UnknownToken or LastToken."""
    token = tokens.lock_token(session, name)
    if token is None or token.revoked_at is not None:
        raise UnknownToken(name)
    is_operator = token.scope == tokens.ADMIN and namespace_of(name) == DEFAULT_NAMESPACE
    if is_operator and tokens.count_full_access(session) == 1:
        raise LastToken(name)
    tokens.revoke(session, token, actor=actor, now=now)
    wakes.unbind(session, name)
    return token
