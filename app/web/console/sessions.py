"""Sign-in sessions of the console: the cookie carries a random id, the database its hash.

The word that forms carry (CSRF) is derived from the id, so it needs neither a key nor a column.
Over https the cookies are `Secure` and have the prefix `__Host-`.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from flask import Request, Response

from app.store import sessions as rows
from app.store.tables import Token
from app.web.authentication import Caller
from app.web.context import WebContext

COOKIE = "power_session"
DOOR = "power_door"
"""The cookie that a sign-in form has to match, so that no site can sign a browser in with its own token."""
SESSION_SECONDS = int(rows.SESSION_LIFETIME.total_seconds())
"""Seconds that a session lasts."""
_HOST = "__Host-"
_ID = re.compile(r"[A-Za-z0-9_-]{20,100}", re.ASCII)
_INSIDE = re.compile(r"/(?![/\\])[^\\]*")


class Forged(Exception):
    """A form that was not made for this session."""


@dataclass(frozen=True, slots=True)
class Session:
    """A signed-in caller, and the word that the forms of this session carry."""

    caller: Caller
    csrf: str
    identifier: str

    def check(self, form: Mapping[str, str]) -> None:
        """Raises Forged unless this form was made in this session."""
        if not _same(form.get("csrf", ""), self.csrf):
            raise Forged


@dataclass(frozen=True, slots=True)
class Remembered:
    """What the database says of a session id."""

    caller: Caller
    expires_at: datetime


def begin(front: WebContext, token: Token) -> str:
    """Begin a session; return its id for the cookie."""
    with front.database.write() as session:
        return rows.begin(session, token, front.database.now())


def of(front: WebContext, request: Request) -> Session | None:
    """The session that a request belongs to; None for a stranger, or where it has ended."""
    identifier = cookie(request, COOKIE)
    caller = caller_of(front, identifier)
    if caller is None:
        return None
    csrf = hmac.new(identifier.encode(), b"form", hashlib.sha256).hexdigest()
    return Session(caller, csrf, identifier)


def caller_of(front: WebContext, identifier: str) -> Caller | None:
    """Who has signed in with this id, as the database says now; None where that session has ended."""
    if not _ID.fullmatch(identifier):
        return None

    def read() -> Remembered | None:
        with front.database.read() as session:
            row = rows.find(session, identifier)
            return Remembered(Caller(row[0].name, row[0].scope), row[1]) if row else None

    # The same id is a different text where bearer tokens are remembered.
    found = front.door.memory.of(f"session {rows.digest(identifier)}", read)
    return found.caller if isinstance(found, Remembered) and found.expires_at > front.database.now() else None


def end(front: WebContext, identifier: str) -> None:
    """End a session for every browser and stream that uses its id."""
    with front.database.write() as session:
        rows.end(session, identifier)


def cookie(request: Request, name: str) -> str:
    """A cookie of ours; over https only the one that no other host of the domain can set."""
    own = request.cookies.get(_HOST + name, "")
    return own if own or is_https(request) else request.cookies.get(name, "")


def keep(response: Response, request: Request, name: str, value: str) -> None:
    """A cookie that no script reads and no other site's form brings along."""
    secure = is_https(request)
    response.set_cookie(
        (_HOST if secure else "") + name,
        value,
        max_age=SESSION_SECONDS,
        httponly=True,
        samesite="Lax",
        secure=secure,
        path="/",
    )


def drop(response: Response, name: str) -> None:
    """Delete a cookie under both of its names."""
    response.delete_cookie(name, path="/", httponly=True, samesite="Lax")
    response.delete_cookie(_HOST + name, path="/", httponly=True, samesite="Lax", secure=True)


def is_https(request: Request) -> bool:
    """Was this request sent over https, as far as anybody says?

    Whoever claims https gets stricter cookies and nothing else, so the claim is believed from everybody.
    """
    return request.is_secure or request.headers.get("X-Forwarded-Proto", "").strip().lower() == "https"


def let_in(request: Request) -> None:
    """Raises Forged unless a sign-in form was made here, for this very browser."""
    if not _same(request.form.get("door", ""), cookie(request, DOOR)):
        raise Forged


def _same(given: str, wanted: str) -> bool:
    return bool(wanted) and hmac.compare_digest(
        given.encode(errors="replace"), wanted.encode(errors="replace")
    )


def inside(address: str) -> str:
    """An address of this server to go on to; home for any other."""
    return address if address.isprintable() and _INSIDE.fullmatch(address) else "/"
