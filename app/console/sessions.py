"""Who looks at the pages: a cookie that is signed with what is kept of a token, and never the token.

The key is made from the token's digest, so a session ends when its token is revoked or
replaced, no list of sessions has to be kept, and a restart signs nobody out.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from flask import Request, Response
from itsdangerous import BadData, URLSafeTimedSerializer

from app.api.auth import Caller
from app.api.front import Front
from app.store import tokens
from app.store.tables import Token

COOKIE = "power_session"
DOOR = "power_door"
"""The cookie that a sign-in form has to match, so that nobody is signed in as somebody else."""
LASTS = 12 * 3600
"""Seconds that a session lasts."""
_LONGEST = 1000
_ID = 120


class Forged(Exception):
    """A form that was not made for whoever sends it."""


@dataclass(frozen=True, slots=True)
class Session:
    """Somebody who has signed in, and the word that his forms carry."""

    caller: Caller
    csrf: str

    def check(self, form: Mapping[str, str]) -> None:
        """Raises Forged unless this form was made in this session."""
        if not _same(form.get("csrf", ""), self.csrf):
            raise Forged


def begun(token: Token) -> str:
    """The cookie of a new session."""
    return _signer(token).dumps({"name": token.name, "nonce": secrets.token_hex(16)})


def of(front: Front, request: Request) -> Session | None:
    """The session that a request belongs to; None for a stranger, or where it has ended."""
    text = request.cookies.get(COOKIE, "")
    name = _claimed(text)
    if name is None:
        return None
    with front.database.read() as session:
        token = tokens.named(session, name)
    if token is None:
        return None
    try:
        said = _signer(token).loads(text, max_age=LASTS)
    except BadData:
        return None
    csrf = hmac.new(_key(token), f"form {said['nonce']}".encode(), hashlib.sha256).hexdigest()
    return Session(Caller(token.name, token.scope), csrf)


def _claimed(text: str) -> str | None:
    """Whose session this says it is, before anything of it is believed."""
    if not text or len(text) > _LONGEST:
        return None
    _, said = URLSafeTimedSerializer("").loads_unsafe(text)
    name = said.get("name") if isinstance(said, dict) else None
    if not isinstance(name, str) or not isinstance(said.get("nonce"), str):
        return None
    return name if 0 < len(name) <= _ID and name.isprintable() else None


def _signer(token: Token) -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(
        _key(token), salt="console", signer_kwargs={"digest_method": hashlib.sha256}
    )


def _key(token: Token) -> bytes:
    return hashlib.sha256(f"console session {token.digest}".encode()).digest()


def keep(response: Response, request: Request, name: str, value: str) -> None:
    """A cookie that no script reads and no other site's form brings along."""
    secure = request.is_secure or request.headers.get("X-Forwarded-Proto", "").lower() == "https"
    response.set_cookie(name, value, max_age=LASTS, httponly=True, samesite="Lax", secure=secure, path="/")


def let_in(request: Request) -> None:
    """Raises Forged unless a sign-in form was made here, for this very browser."""
    if not _same(request.form.get("door", ""), request.cookies.get(DOOR, "")):
        raise Forged


def _same(given: str, wanted: str) -> bool:
    return bool(wanted) and hmac.compare_digest(
        given.encode(errors="replace"), wanted.encode(errors="replace")
    )


def inside(address: str) -> str:
    """An address of this house to go on to; home for any other."""
    parts = urlsplit(address) if address.isprintable() and "\\" not in address else None
    well = parts and not parts.scheme and not parts.netloc and address.startswith("/") and address[1:2] != "/"
    return address if well else "/"
