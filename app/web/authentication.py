"""Who is calling: a bearer token, remembered until anything is committed so that reading stays cheap.

A token that was revoked or replaced is refused from that commit on.
Strangers are counted, never recorded, so that they cannot fill the trail.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from flask import Request

from app.store import tokens
from app.store.changes import ChangeCounter
from app.store.database import Database
from app.web import problems
from app.web.problems import ApiError
from app.web.response_cache import ResponseCache
from app.web.unknown_tokens import ALLOWED, UnknownTokens

_CHALLENGE = {"WWW-Authenticate": 'Bearer realm="power-windows"'}

_ELSEWHERE = {
    tokens.WAKE: "this token is bound to one service's waiting page and is good for nothing else",
    tokens.ADMIN: "no window is opened by a link with an ordinary token; make one with power token create",
}


@dataclass(frozen=True, slots=True)
class Caller:
    """The holder of a valid token, by the token's name."""

    name: str
    scope: str


class Authenticator:
    """Finds the caller of a request by its bearer token."""

    def __init__(self, database: Database, stranger: Callable[[], None], changes: ChangeCounter) -> None:
        self._database, self._stranger = database, stranger
        self._bad_tokens = UnknownTokens()
        self.memory: ResponseCache[Any] = ResponseCache(changes)
        """By `token` or `session` and a hash: what the database says of whom that is."""

    def caller(self, request: Request, scope: str = tokens.ADMIN) -> Caller:
        """Who this is; raises Turned for a stranger, and for a token that is not for this."""
        text = _token(request, own_first=scope == tokens.WAKE)
        caller = self._any(text)
        if caller is None:
            self.slow(request, text)
            said = "this token is not known here" if text else "send a token: Authorization: Bearer TOKEN"
            raise ApiError(problems.BAD_TOKEN, said, headers=_CHALLENGE)
        if caller.scope != scope:
            raise ApiError(problems.OUT_OF_SCOPE, _ELSEWHERE.get(caller.scope, "this token is not for this"))
        return caller

    def slow(self, request: Request, text: str) -> None:
        """Raises Turned where the address of this unknown token has sent too many of them."""
        wait = self._bad_tokens.wait(request.remote_addr or "") if text else 0
        if wait:
            said = (
                "too many unknown tokens came from this address; a token that is known is let in at any time"
            )
            raise ApiError(problems.BAD_TOKENS, said, headers={"Retry-After": str(wait)}, limit=ALLOWED)

    def knows(self, text: str) -> Caller | None:
        """The holder of a token that is good for everything; an unknown token is counted."""
        caller = self._any(text)
        return caller if caller and caller.scope == tokens.ADMIN else None

    def _any(self, text: str) -> Caller | None:
        caller = self._cached_caller(text) if text else None
        if caller is None:
            self._stranger()
        return caller

    def _cached_caller(self, text: str) -> Caller | None:
        digest = hashlib.sha256(text.encode(errors="replace")).hexdigest()
        found = self.memory.of(f"token {digest}", lambda: self._look_up(text))
        return found if isinstance(found, Caller) else None

    def _look_up(self, text: str) -> Caller | None:
        if not text.isascii():
            return None
        with self._database.read() as session:
            token = tokens.bearer(session, text)
            return Caller(token.name, token.scope) if token else None


def _token(request: Request, *, own_first: bool = False) -> str:
    """The token that was sent. `own_first`: Authorization may be a visitor's, for somebody else."""
    own = request.headers.get("X-VX11-Token", "").strip()
    if own and own_first:
        return own
    scheme, _, text = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer" and text.strip():
        return text.strip()
    return own
