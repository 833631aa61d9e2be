"""Tokens, and what a token is bound to."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from app.web.schemas.base import AnswerModel, Timestamp
from app.web.schemas.requests import Route


class Token(AnswerModel):
    """A token without its text, which is shown once, to the caller that makes it."""

    name: str
    scope: str
    wake: Route | None = Field(
        description="The one route that it is valid for; null where it is valid for all."
    )
    ttl_sec: float | None
    only_looks_agents: list[str] | None = Field(
        description="Agents whose visits open nothing; null if not bound."
    )
    only_looks_paths: list[str] | None = Field(
        description="Paths whose visits open nothing; null if not bound."
    )
    created_at: Timestamp
    revoked_at: Timestamp | None


class Wakefulness(AnswerModel):
    """The state of the service of a bound token, as visitors may see it."""

    stack: str
    service: str
    state: Literal["asleep", "starting", "on", "failing"]
    window: str | None = Field(description="The window that holds it, or the one that failed.")
    detail: str


class Tokens(AnswerModel):
    """All tokens, without their text."""

    items: list[Token]
    next: None


class MadeToken(Token):
    """A new token with its text."""

    token: str = Field(description="Its text, which no other response has.")
