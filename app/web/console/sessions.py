"""Sign-in sessions of the console: the cookie carries a random id, the database its hash.

The CSRF token of forms is derived from the id, so it needs neither a key nor a column.
Over https the cookies are `Secure`. Their names begin with `__Host-`. Where the console is reached under a
path, the cookies are sent to that path only, and over https their names begin with `__Secure-`.
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
SIGN_IN_COOKIE = "power_sign_in"
"""The cookie that a sign-in form must match, so that no other site can sign a browser in."""
SESSION_SECONDS = int(rows.SESSION_LIFETIME.total_seconds())
"""Seconds that a session lasts."""
_HOST, _SECURE = "__Host-", "__Secure-"
_ID = re.compile(r"[A-Za-z0-9_-]{20,100}", re.ASCII)
_LOCAL_PATH = re.compile(r"/(?![/\\])[^\\]*")


class Forged(Exception):
    """A form that was not made for this session."""


@dataclass(frozen=True, slots=True)
class Session:
    """A signed-in caller, and the CSRF token of the session's forms."""

    caller: Caller
    csrf: str
    identifier: str

    def check(self, form: Mapping[str, str]) -> None:
        """Raise Forged unless the form was made in this session."""
        if not _same(form.get("csrf", ""), self.csrf):
            raise Forged


@dataclass(frozen=True, slots=True)
class CachedSession:
    """A session id's caller, as the database has it."""

    caller: Caller
    expires_at: datetime


def begin(context: WebContext, token: Token) -> str:
    """Begin a session; return its id for the cookie."""
    with context.database.write() as session:
        return rows.begin(session, token, context.database.now())


def of(context: WebContext, request: Request) -> Session | None:
    """The session of a request; None without one, or where it has ended."""
    identifier = cookie(request, COOKIE)
    caller = caller_of(context, identifier)
    if caller is None:
        return None
    csrf = hmac.new(identifier.encode(), b"form", hashlib.sha256).hexdigest()
    return Session(caller, csrf, identifier)


def caller_of(context: WebContext, identifier: str) -> Caller | None:
    """The caller that signed in with this id; None where the session is unknown or has ended."""
    if not _ID.fullmatch(identifier):
        return None

    def read() -> CachedSession | None:
        with context.database.read() as session:
            row = rows.find(session, identifier)
            return CachedSession(Caller(row[0].name, row[0].scope), row[1]) if row else None

    # The prefix keeps it apart from the cached bearer tokens.
    cached = context.authenticator.cache.of(f"session {rows.digest(identifier)}", read)
    return (
        cached.caller
        if isinstance(cached, CachedSession) and cached.expires_at > context.database.now()
        else None
    )


def end(context: WebContext, identifier: str) -> None:
    """End a session for every browser and stream that uses its id."""
    with context.database.write() as session:
        rows.end(session, identifier)


def cookie(request: Request, name: str) -> str:
    """The value of a console cookie; over https only of the one that no other host of the domain can set."""
    host_cookie = request.cookies.get(_secure_name(request, name), "")
    return host_cookie if host_cookie or is_https(request) else request.cookies.get(name, "")


def set_cookie(response: Response, request: Request, name: str, value: str) -> None:
    """Set a cookie that no script can read and that no other site's form sends."""
    secure = is_https(request)
    response.set_cookie(
        _secure_name(request, name) if secure else name,
        value,
        max_age=SESSION_SECONDS,
        httponly=True,
        samesite="Lax",
        secure=secure,
        path=request.script_root or "/",
    )


def delete_cookie(response: Response, request: Request, name: str) -> None:
    """Delete a cookie under both of its names."""
    path, secure_name = request.script_root or "/", _secure_name(request, name)
    response.delete_cookie(name, path=path, httponly=True, samesite="Lax")
    response.delete_cookie(secure_name, path=path, httponly=True, samesite="Lax", secure=True)


def _secure_name(request: Request, name: str) -> str:
    """The name of a cookie over https. Browsers take `__Host-` only for cookies of a whole host."""
    return (_SECURE if request.script_root else _HOST) + name


def is_https(request: Request) -> bool:
    """True where the connection or the header X-Forwarded-Proto says https.

    The header is accepted from every client, since it only makes the cookies stricter.
    """
    return request.is_secure or request.headers.get("X-Forwarded-Proto", "").strip().lower() == "https"


def check_sign_in_form(request: Request) -> None:
    """Raise Forged unless the sign-in form was made by this server for this browser."""
    if not _same(request.form.get("nonce", ""), cookie(request, SIGN_IN_COOKIE)):
        raise Forged


def _same(given: str, wanted: str) -> bool:
    return bool(wanted) and hmac.compare_digest(
        given.encode(errors="replace"), wanted.encode(errors="replace")
    )


def local_address(address: str, default: str = "/") -> str:
    """The address if it is a path of this server, else `default`."""
    return address if address.isprintable() and _LOCAL_PATH.fullmatch(address) else default
