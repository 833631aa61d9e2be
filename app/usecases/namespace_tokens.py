"""Tokens with every right in one namespace, and none outside of it."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from app.domain.errors import TokenExists
from app.domain.namespace_errors import UnknownNamespace
from app.domain.stack_id import qualify
from app.store import namespaces, tokens


def create(session: Session, namespace: str, name: str, *, actor: str, now: datetime) -> str:
    """Make a token of a namespace; return its text, which nothing keeps.

    A namespace exists while a worker publishes a stack of it. Raises UnknownNamespace or TokenExists.
    """
    known = namespaces.of_stacks(session)
    if namespace not in known:
        raise UnknownNamespace(namespace, known)
    qualified = qualify(namespace, name)
    token = tokens.lock_token(session, qualified)
    if token and token.revoked_at is None:
        raise TokenExists(qualified)
    return tokens.create(session, qualified, now, actor=actor)
