"""What a notice says: plain values, and one line for people."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from app.domain import backoff
from app.domain.enums import WINDOW_ENDING, Event

FIRST_RETRY, DELIVERY_RETRY_CAP, GIVEN_UP = timedelta(seconds=10), timedelta(minutes=5), timedelta(hours=24)
"""A delivery that failed is tried again after this long, doubled each time up to the cap, for so long."""

_SAYS: Mapping[str, str] = {
    WINDOW_ENDING: "the window ends soon",
    Event.WINDOW_STUCK: "a service refuses to stop; it is tried further",
    Event.SERVICE_FAILING: "is failing",
    Event.DRIFT_FOUND: "runs or is down though it should not be",
}


def again(attempts: int) -> timedelta:
    """How long after so many failed attempts the next one is due."""
    return backoff.delay(attempts, FIRST_RETRY, DELIVERY_RETRY_CAP)


def announcement_lead(before: float, ttl: float) -> timedelta:
    """How long before its deadline the end of a window is announced: a quarter of its length at most."""
    return timedelta(seconds=min(before, ttl / 4))


def title(body: Mapping[str, Any]) -> str:
    """One line, such as `vx11: switch is failing: exit code 1`."""
    about = body.get("service") or ", ".join(body.get("services") or [])
    statement = _SAYS.get(body["event"], body["event"])
    facts = body.get("facts") or {}
    detail = next((facts[name] for name in ("detail", "why", "close_detail") if facts.get(name)), "")
    return f"{body['stack']}: {f'{about} ' if body.get('service') else ''}{statement}" + (
        f": {detail}" if detail else f" ({about})" if about and not body.get("service") else ""
    )


def text(body: Mapping[str, Any]) -> str:
    """What a person reads in a chat or a mail."""
    lines = [title(body)]
    if body.get("deadline"):
        lines.append(f"until {body['deadline']}, held by {body['actor']}")
    if body.get("extend_url"):
        lines.append(f"extend it by one tap: {body['extend_url']}")
    return "\n".join(lines)
