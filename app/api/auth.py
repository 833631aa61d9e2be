"""Who is calling: a bearer token, remembered for a moment so that reading stays cheap.

A revoked token is good for as long as it is remembered, and not a moment longer.
Strangers are counted, never recorded, so that they cannot fill the trail.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass

from flask import Request

from app.api import problems
from app.api.problems import Turned
from app.store import tokens
from app.store.database import Database

REMEMBERED = 2.0
"""Seconds for which a token that was good is not looked up again."""
_MOST = 1000
_CHALLENGE = {"WWW-Authenticate": 'Bearer realm="power-windows"'}

_ELSEWHERE = {
    tokens.WAKE: "this token is bound to one service's waiting page and is good for nothing else",
    tokens.ADMIN: "no window is opened by a link with an ordinary token; make one with power token create",
}


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody whose token is known, by the token's name."""

    name: str
    scope: str


class Door:
    def __init__(
        self, database: Database, stranger: Callable[[], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._database, self._stranger, self._clock = database, stranger, clock
        self._known: dict[str, tuple[float, Caller]] = {}

    def caller(self, request: Request, scope: str = tokens.ADMIN) -> Caller:
        """Who this is; raises Turned for a stranger, and for a token that is not for this."""
        text = _token(request, own_first=scope == tokens.WAKE)
        caller = self._any(text)
        if caller is None:
            said = "this token is not known here" if text else "send a token: Authorization: Bearer TOKEN"
            raise Turned(problems.BAD_TOKEN, said, headers=_CHALLENGE)
        if caller.scope != scope:
            raise Turned(problems.OUT_OF_SCOPE, _ELSEWHERE.get(caller.scope, "this token is not for this"))
        return caller

    def knows(self, text: str) -> Caller | None:
        """Whose token this is, if it is good for everything; a stranger is counted."""
        caller = self._any(text)
        return caller if caller and caller.scope == tokens.ADMIN else None

    def _any(self, text: str) -> Caller | None:
        caller = self._remembered(text) if text else None
        if caller is None:
            self._stranger()
        return caller

    def _remembered(self, text: str) -> Caller | None:
        digest, now = hashlib.sha256(text.encode(errors="replace")).hexdigest(), self._clock()
        until, caller = self._known.get(digest, (0.0, None))
        if caller and until > now:
            return caller
        found = self._looked_up(text)
        if found:
            if len(self._known) >= _MOST:
                self._known.clear()
            self._known[digest] = (now + REMEMBERED, found)
        return found

    def _looked_up(self, text: str) -> Caller | None:
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
