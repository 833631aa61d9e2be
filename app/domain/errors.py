"""Why a request was refused, each reason once, as data rather than prose.

Every refusal carries the field it is about, what was given, and what would have
been right. `app.web.problems` turns them into answers, in one table.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from app.domain import durations


class Refusal(Exception):
    """Base of all refusals.

    `field` is the member of the request at fault, `facts` what goes with it (JSON
    values only), and `str(refusal)` one sentence for a person.
    """

    field: str | None = None

    def __init__(self, sentence: str, **facts: Any) -> None:
        super().__init__(sentence)
        self.facts: Mapping[str, Any] = facts


class Unknown(Refusal):
    """There is no such thing."""


class UnknownWindow(Unknown):
    """No window has this id."""

    def __init__(self, window: str) -> None:
        super().__init__(f"there is no window {window!r}", window=window)


class UnknownStack(Unknown):
    """No stack has this name; `allowed` has those that exist."""

    field = "stack"

    def __init__(self, stack: str, names: Iterable[str]) -> None:
        names = sorted(names)
        super().__init__(
            f"there is no stack {stack!r}; there is {_either(names)}", stack=stack, allowed=names
        )


class UnknownToken(Unknown):
    """No valid token has this name."""

    def __init__(self, token: str) -> None:
        super().__init__(f"there is no token {token!r} that is in force", token=token)


class Wrong(Refusal):
    """Well-formed, but it cannot be meant."""


class StackNeeded(Wrong):
    """The request names no stack, and its services do not decide between those in `allowed`."""

    field = "stack"

    def __init__(self, names: Iterable[str], services: Iterable[str] = ()) -> None:
        names, services = sorted(names), sorted(services)
        verb = "is" if len(services) == 1 else "are"
        why = f"{_either(services)} {verb} on several stacks; " if services else ""
        super().__init__(f"{why}say which stack: {_either(names)}", allowed=names)


class NoStackHasAll(Wrong):
    """The request names no stack, and its services are on different stacks: `stacks` has each one's."""

    field = "stack"

    def __init__(self, stacks: Mapping[str, Iterable[str]]) -> None:
        places = {service: sorted(names) for service, names in sorted(stacks.items())}
        where = ", ".join(f"{service} is on {' and '.join(names)}" for service, names in places.items())
        super().__init__(
            f"no stack has all of these services: {where}; open one window for each stack", stacks=places
        )


class NothingAsked(Wrong):
    """The request names no service."""

    field = "services"

    def __init__(self, allowed: Iterable[str]) -> None:
        allowed = sorted(allowed)
        super().__init__(f"name at least one service; allowed are {_either(allowed)}", allowed=allowed)


class UnknownServices(Wrong):
    """The stack has no services of these names."""

    field = "services"

    def __init__(self, stack: str, services: Iterable[str], allowed: Iterable[str]) -> None:
        services, allowed = sorted(services), sorted(allowed)
        super().__init__(
            f"stack {stack!r} has no service {_either(services)}; allowed are {_either(allowed)}",
            services=services,
            allowed=allowed,
        )


class ServicesOfNoStack(Wrong):
    """No stack has services of these names; `allowed` has those that may be powered, of all stacks."""

    field = "services"

    def __init__(self, services: Iterable[str], allowed: Iterable[str]) -> None:
        services, allowed = sorted(services), sorted(allowed)
        super().__init__(
            f"no stack has a service {_either(services)}; allowed are {_either(allowed)}",
            services=services,
            allowed=allowed,
        )


class BadTTL(Wrong):
    """The length is not a positive number of seconds."""

    field = "ttl_sec"

    def __init__(self, given: Any) -> None:
        super().__init__(f"ttl_sec must be a positive number of seconds, not {given!r}", given=str(given))


class TTLTooLong(Wrong):
    """The length is over the stack's `max_ttl`; `longest` is what is possible now, in seconds."""

    field = "ttl_sec"

    def __init__(self, stack: str, given: float, limit: float, longest: float) -> None:
        given = _at_most(given)
        super().__init__(_too_long(stack, given, limit, longest), given=given, limit=limit, allowed=longest)


def _too_long(stack: str, given: float, limit: float, longest: float) -> str:
    ttl, most = _durations_apart(given, longest)
    if longest == limit:
        return f"{ttl} is longer than {stack} allows ({most})"
    return (
        f"{ttl} from now is longer than {stack} allows: at most {most} from now, "
        f"since a window lasts {durations.show(limit)} at most"
    )


def _durations_apart(given: float, longest: float) -> tuple[str, str]:
    """Both as text; in seconds where their largest units are the same."""
    texts = durations.show(given), durations.show(longest)
    return texts if texts[0] != texts[1] else (f"{given:.15g} s", f"{longest:.15g} s")


class NotInWindow(Wrong):
    """The window does not hold this service."""

    field = "service"

    def __init__(self, window: str, service: str, held: Iterable[str]) -> None:
        held = sorted(held)
        super().__init__(
            f"window {window} does not hold {service!r}; it holds {_either(held)}",
            window=window,
            service=service,
            allowed=held,
        )


class KeyReused(Wrong):
    """The idempotency key was used with another body."""

    field = "Idempotency-Key"

    def __init__(self, key: str, window: str) -> None:
        super().__init__(
            f"Idempotency-Key {key!r} was used for window {window} with another body; use a new key",
            key=key,
            window=window,
        )


class NotAllowed(Refusal):
    """The services exist but are not in the stack's allowlist."""

    field = "services"

    def __init__(self, stack: str, services: Iterable[str], allowed: Iterable[str]) -> None:
        services, allowed = sorted(services), sorted(allowed)
        super().__init__(
            f"{_either(services)} of stack {stack!r} may not be powered; allowed are {_either(allowed)}",
            services=services,
            allowed=allowed,
        )


class Conflict(Refusal):
    """Right in itself, but not in the state the window is in."""


class TimeIsUp(Conflict):
    """The window is past its deadline or ending, so it cannot be extended."""

    def __init__(self, window: str, state: str, deadline: datetime) -> None:
        super().__init__(
            f"window {window} is past its deadline or already ending; open a new one",
            window=window,
            state=state,
            deadline=deadline.isoformat(),
        )


class WouldShorten(Conflict):
    """The new deadline is earlier, and the caller does not own the window."""

    field = "ttl_sec"

    def __init__(self, window: str, owner: str, remaining: float) -> None:
        super().__init__(
            f"window {window} has {remaining:.0f} s left, and only its owner, {owner!r}, may shorten it",
            window=window,
            owner=owner,
            allowed=remaining,
        )


class StackRejected(Conflict):
    """The worker rejected the stack's files; `faults` says why."""

    field = "stack"

    def __init__(self, stack: str, faults: Iterable[str]) -> None:
        faults = list(faults)
        super().__init__(f"stack {stack!r} was rejected by its worker: {'; '.join(faults)}", faults=faults)


class NotDisplaced(Conflict):
    """The stack has nothing at another location, so there is nothing to relocate."""

    field = "stack"

    def __init__(self, stack: str) -> None:
        super().__init__(
            f"stack {stack!r} is served where its windows and offs are, so there is nothing to relocate",
            stack=stack,
        )


class TokenExists(Conflict):
    """A valid token has this name already."""

    field = "name"

    def __init__(self, token: str) -> None:
        super().__init__(
            f"there is a token {token!r} already; revoke it first, or take another name", token=token
        )


class LastToken(Conflict):
    """Revoking this token would leave no token with every right."""

    field = "name"

    def __init__(self, token: str) -> None:
        super().__init__(
            f"{token!r} is the last token with every right; without it no one could administer this service",
            token=token,
        )


class NodeAway(Refusal):
    """The stack's node sends no heartbeat, and POWER_AWAY=refuse forbids to wait for it."""

    field = "stack"

    def __init__(self, stack: str, node: str, since: datetime) -> None:
        super().__init__(
            f"stack {stack!r} is away: node {node!r} has not been heard of since {_stamp(since)}",
            stack=stack,
            node=node,
            away_since=_stamp(since),
        )


class WhichWindow(Conflict):
    """The caller has no live window or several, and the request names none."""

    field = "window_id"

    def __init__(self, live: Iterable[str]) -> None:
        live = sorted(live)
        super().__init__(
            f"say which window to close: you have {len(live)} live ones"
            if live
            else "you have no live window",
            allowed=live,
        )


def _at_most(seconds: float) -> float:
    """A whole number may be larger than any other kind of number can show."""
    return min(seconds, 1e15)


def _stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _either(names: Iterable[str]) -> str:
    return ", ".join(names) or "none"
