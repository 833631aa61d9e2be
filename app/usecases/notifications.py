"""Which sink gets which notice: from the audit trail and the clock into the outbox, and the one-tap
links.

Only committed audit entries are read, and each sink keeps a cursor per chain: every event is noted
exactly once, also if the process is killed at any statement.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from app.domain import notifications as rules
from app.domain.enums import WINDOW_ENDING, Event
from app.domain.errors import TimeIsUp
from app.domain.notice_errors import NoticeDelivered, UnknownNotice
from app.domain.stack_id import StackId
from app.settings import NoticeToml
from app.store import audit, stacks, wakes, windows
from app.store import notifications as rows
from app.store.tables import Entry, Link, Notice, Window, stamp
from app.usecases.windows import extend as extending

_LEAST = 1.0
"""Seconds that a link has to add, or it is not worth a tap."""


HELD = timedelta(seconds=30)
"""For so long a notice is its worker's; then it is sent again, since that worker may have been killed."""


@dataclass(frozen=True, slots=True)
class Sink:
    """One `[notices.NAME]` on one node, for those of its stacks that are served there."""

    node: str
    name: str
    toml: NoticeToml
    stacks: tuple[StackId, ...]
    public_url: str | None = None
    link_key: bytes = b""
    """What the texts of one-tap links are made with. It is in a file of the node, never in the database."""


def has_new(session: Session, sink: Sink, now: datetime) -> bool:
    """Return whether entries wait to become notifications. Changes nothing."""
    return bool(rows.behind(session, sink.node, sink.name, sink.stacks) or _ending(session, sink, now))


def collect_notices(session: Session, sink: Sink, now: datetime) -> None:
    """Write a notice for every audit entry and ending window of this sink since the last call."""
    for chain in rows.behind(session, sink.node, sink.name, sink.stacks):
        for entry in rows.next_entries(session, sink.node, sink.name, chain):
            if entry.event in sink.toml.events:
                key = f"entry:{entry.chain}:{entry.seq}"
                rows.note(session, sink.node, sink.name, key, body=_body(entry), now=now)
    for key, window in _ending(session, sink, now).items():
        body = _ending_body(session, sink, key, window, now)
        rows.note(session, sink.node, sink.name, key, body=body, now=now)


def outgoing(notice: Notice, public_url: str | None, link_key: bytes) -> dict[str, Any]:
    """What is sent of a notice: its body and, where it offers one, the one-tap link, which is not stored."""
    if not public_url or "extend_sec" not in notice.body:
        return notice.body
    text = _link_text(link_key, notice.node, notice.sink, notice.key)
    return {**notice.body, "extend_url": f"{public_url}/extend/{text}"}


def _body(entry: Entry) -> dict[str, Any]:
    values = entry.as_json()
    return {
        name: values[name] for name in ("seq", "at", "event", "actor", "stack", "window", "service", "facts")
    }


def _ending(session: Session, sink: Sink, now: datetime) -> Mapping[str, Window]:
    """Return the windows that end soon and were not announced yet, by the key of their notice."""
    if WINDOW_ENDING not in sink.toml.events:
        return {}
    longest = timedelta(seconds=sink.toml.before)
    soon = [
        window
        for window in rows.ending(session, sink.stacks, now, longest)
        if window.deadline - now <= rules.announcement_lead(sink.toml.before, window.ttl_sec)
    ]
    visited = wakes.windows_with_visitors(session, [window.id for window in soon]) if soon else set()
    # Visitors extend a deadline often, so the end of their window is announced once.
    ending = {
        f"ending:{window.id}" + ("" if window.id in visited else f":{stamp(window.deadline)}"): window
        for window in soon
    }
    announced = rows.known_keys(session, sink.node, sink.name, list(ending)) if ending else set()
    return {key: window for key, window in ending.items() if key not in announced}


def _ending_body(session: Session, sink: Sink, key: str, window: Window, now: datetime) -> dict[str, Any]:
    body: dict[str, Any] = {
        "at": stamp(now),
        "event": WINDOW_ENDING,
        "actor": window.actor,
        "stack": window.stack,
        "window": window.id,
        "services": list(window.services),
        "reason": window.reason,
        "deadline": stamp(window.deadline),
    }
    more = _room(session, window)
    if sink.public_url and more > _LEAST:
        text = _link_text(sink.link_key, sink.node, sink.name, key)
        rows.add_link(session, text, window.id, sink=sink.name, more=more, expires_at=window.deadline)
        body["extend_sec"] = round(more, 3)
    return body


def _room(session: Session, window: Window) -> float:
    """Seconds that one tap adds to a deadline: the stack's usual time, within its longest."""
    spec = stacks.chosen(session, window.stack).spec
    last = (window.opening_at or window.created_at) + timedelta(seconds=spec.max_ttl)
    return min(spec.default_ttl, (last - window.deadline).total_seconds())


# Links.


def _link_text(key: bytes, node: str, sink: str, notice: str) -> str:
    """The text of the link in one notice: the same at each attempt to send it, and unguessable."""
    if not key:
        raise ValueError("links need a key")
    made = hmac.new(key, "\0".join(("link", node, sink, notice)).encode(), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(made).decode().rstrip("=")


class BadLink(Exception):
    """The link was not made by this service, or it has expired."""


class UsedLink(Exception):
    """The link was used already."""


@dataclass(frozen=True, slots=True)
class Offer:
    """What a link offers: this window, extended to `until` if the link is used now."""

    link: Link
    window: Window
    until: datetime


def read_offer(session: Session, text: str, now: datetime, *, locked: bool = False) -> Offer:
    """The window and the deadline that a link offers. Raises BadLink, UsedLink or TimeIsUp."""
    link = rows.link(session, text, locked=locked)
    window = windows.get(session, link.window_id) if link else None
    if link is None or window is None:
        raise BadLink
    if link.used_at is not None:
        raise UsedLink
    if link.expires_at <= now:
        raise TimeIsUp(window.id, window.state, window.deadline)
    until = window.deadline + timedelta(seconds=min(link.ttl_sec, max(0.0, _room(session, window))))
    return Offer(link, window, until)


def use_link(session: Session, text: str, now: datetime) -> Offer:
    """Mark a link as used and extend its window. Raises what `read_offer` and `extend.extend` raise."""
    offer = read_offer(session, text, now, locked=True)
    offer.link.used_at = now
    ttl = (offer.until - now).total_seconds()
    extending.extend(session, offer.window.id, ttl, actor=f"link:{offer.link.sink}", now=now)
    return offer


def claim_due(
    session: Session,
    node: str,
    now: datetime,
    limit: int,
    *,
    under_way: Mapping[str, int] | None = None,
    per_sink: int | None = None,
) -> list[Notice]:
    """Notices to be handed over now, which no other worker will try until `HELD` is over.

    With those that are `under_way`, by sink, no sink gets more than `per_sink`.
    """
    taken, claimed = Counter(under_way or {}), list[Notice]()
    while len(claimed) < limit:
        full = [sink for sink, number in taken.items() if per_sink and number >= per_sink]
        due = rows.due(session, node, now, 1, but=full)
        if not due:
            break
        (one,) = due
        one.attempts += 1
        one.next_at = now + HELD
        taken[one.sink] += 1
        claimed.append(one)
        session.flush()
    return claimed


def record_attempt(
    session: Session, notice: str, now: datetime, elapsed_ms: int, *, ok: bool, answer: str
) -> None:
    """Record how an attempt to deliver a notice went, and when the next one is due, if any."""
    rows.record_delivery(session, notice, now, elapsed_ms, ok=ok, answer=answer)
    one = session.get(Notice, notice)
    if one is None or one.state != rows.PENDING:
        return
    if ok or now - one.created_at > rules.GIVEN_UP:
        one.state, one.ended_at = rows.DELIVERED if ok else rows.GIVEN_UP_STATE, now
    else:
        one.next_at = now + rules.again(one.attempts)


def retry(session: Session, notice_id: str, *, actor: str, now: datetime) -> Notice:
    """Have a notification sent again at once; raises UnknownNotice or NoticeDelivered.

    One that was given up gets one more attempt, and is given up again where that fails.
    """
    notice = rows.lock_notice(session, notice_id)
    if notice is None:
        raise UnknownNotice(notice_id)
    if notice.state == rows.DELIVERED:
        raise NoticeDelivered(notice_id)
    notice.state, notice.next_at, notice.ended_at = rows.PENDING, now, None
    audit.record(
        session,
        Event.NOTICE_RETRIED,
        actor=actor,
        now=now,
        stack=StackId(notice.stack),
        window=notice.window_id,
        notice=notice.id,
        sink=notice.sink,
        about=notice.event,
    )
    return notice
