"""Find the caller of a request by its bearer token.

A caller is cached until any transaction commits, so a token is refused from the commit that revokes or
replaces it. Unknown tokens are counted and not audited, so that they cannot fill the audit trail.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from flask import Request

from app.domain.stack_id import StackId, namespace_of
from app.domain.viewer import Viewer
from app.store import tokens
from app.store.changes import ChangeCounter
from app.store.database import Database
from app.web import problems
from app.web.problems import ApiError
from app.web.response_cache import ResponseCache
from app.web.unknown_tokens import ALLOWED, UnknownTokens

_CHALLENGE = {"WWW-Authenticate": 'Bearer realm="power-windows"'}

_ELSEWHERE = {
    tokens.APPROVE: "this token approves requests for intents and is valid for nothing else",
    tokens.WAKE: "this token is bound to one service's waiting page and is valid for nothing else",
    tokens.ADMIN: "no window is opened by a link with an ordinary token; make one with power token create",
}


@dataclass(frozen=True, slots=True)
class Caller:
    """The holder of a valid token, by the token's name."""

    name: str
    scope: str

    @property
    def viewer(self) -> Viewer:
        """The caller as a viewer: it sees what its token's namespace sees."""
        return Viewer(namespace_of(self.name))

    def stack_id(self, name: str) -> StackId:
        """The id of the stack that the caller means by this name."""
        return self.viewer.stack_id(name)

    def stack_id_or_none(self, name: str | None) -> StackId | None:
        """The same for a name that may be absent."""
        return None if name is None else self.stack_id(name)


class Authenticator:
    """Finds the caller of a request by its bearer token."""

    def __init__(
        self, database: Database, count_unknown_token: Callable[[], None], changes: ChangeCounter
    ) -> None:
        self._database, self._count_unknown_token = database, count_unknown_token
        self._bad_tokens = UnknownTokens()
        self.cache: ResponseCache[Any] = ResponseCache(changes)
        """Callers by `token` or `session` and a hash, as the database has them."""

    def caller(self, request: Request, scope: str = tokens.ADMIN, *, approver: bool = False) -> Caller:
        """The caller; raises ApiError for an unknown token and for one of another scope.

        With `approver` a token of an approver is as good as one of this scope.
        """
        text = _token(request, own_first=scope == tokens.WAKE)
        caller = self._any(text)
        if caller is None:
            self.slow(request, text)
            detail = "this token is not known here" if text else "send a token: Authorization: Bearer TOKEN"
            raise ApiError(problems.BAD_TOKEN, detail, headers=_CHALLENGE)
        if caller.scope != scope and not (approver and caller.scope == tokens.APPROVE):
            raise ApiError(problems.OUT_OF_SCOPE, _ELSEWHERE.get(caller.scope, "this token is not for this"))
        return caller

    def slow(self, request: Request, text: str) -> None:
        """Raise ApiError where the address of this unknown token has sent too many of them."""
        wait = self._bad_tokens.wait(request.remote_addr or "") if text else 0
        if wait:
            detail = "too many unknown tokens came from this address; a known token is accepted at any time"
            raise ApiError(problems.BAD_TOKENS, detail, headers={"Retry-After": str(wait)}, limit=ALLOWED)

    def full_access_caller(self, text: str) -> Caller | None:
        """The caller of a token with full access; None for another one. An unknown token is counted."""
        caller = self._any(text)
        return caller if caller and caller.scope == tokens.ADMIN else None

    def _any(self, text: str) -> Caller | None:
        caller = self._cached_caller(text) if text else None
        if caller is None:
            self._count_unknown_token()
        return caller

    def _cached_caller(self, text: str) -> Caller | None:
        digest = hashlib.sha256(text.encode(errors="replace")).hexdigest()
        caller = self.cache.of(f"token {digest}", lambda: self._look_up(text))
        return caller if isinstance(caller, Caller) else None

    def _look_up(self, text: str) -> Caller | None:
        if not text.isascii():
            return None
        with self._database.read() as session:
            token = tokens.bearer(session, text)
            return Caller(token.name, token.scope) if token else None


def _token(request: Request, *, own_first: bool = False) -> str:
    """The token of the request. With `own_first` the header X-VX11-Token comes first.

    A proxy may forward a visitor's Authorization, which is for another server.
    """
    header = request.headers.get("X-VX11-Token", "").strip()
    if header and own_first:
        return header
    scheme, _, text = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer" and text.strip():
        return text.strip()
    return header
