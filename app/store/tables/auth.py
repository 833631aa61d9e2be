"""Tokens, their wake bindings, one-tap links and console sessions."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import (
    JSON,
    String,
)
from sqlalchemy.orm import Mapped, mapped_column

from app.domain.stack_id import StackId
from app.store.tables.base import Table


class Token(Table):
    """A bearer token; only its SHA-256 is kept."""

    __tablename__ = "tokens"

    name: Mapped[str] = mapped_column(String(120), primary_key=True)
    digest: Mapped[str] = mapped_column(String(64), unique=True)
    scope: Mapped[str] = mapped_column(String(120))
    created_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]


class Wake(Table):
    """A token that is bound to one service's waiting page, and the window it has or had last."""

    __tablename__ = "wakes"

    token: Mapped[str] = mapped_column(String(120), primary_key=True)
    stack: Mapped[StackId] = mapped_column(String(120))
    service: Mapped[str] = mapped_column(String(120))
    ttl_sec: Mapped[float | None]
    """Seconds that a window lasts after the last request; empty for the stack's default."""
    window_id: Mapped[str | None] = mapped_column(String(32))
    failures: Mapped[int] = mapped_column(default=0, server_default="0")
    """Windows before this one that failed in a row."""
    agents: Mapped[list[str] | None] = mapped_column(JSON(none_as_null=True))
    """Parts of the names of agents that only look; null for those that are built in …"""
    paths: Mapped[list[str] | None] = mapped_column(JSON(none_as_null=True))
    """… and so the beginnings of paths."""


class Link(Table):
    """A one-tap link: it extends one window once."""

    __tablename__ = "links"

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    """SHA-256 of the random text in the link."""
    window_id: Mapped[str] = mapped_column(String(32))
    sink: Mapped[str] = mapped_column(String(120))
    ttl_sec: Mapped[float]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class ConsoleSession(Table):
    """One sign-in to the console. It is valid while a token with `token_digest` is."""

    __tablename__ = "sessions"

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    """SHA-256 of the session id, which only the browser's cookie has."""
    token_digest: Mapped[str] = mapped_column(String(64), index=True)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)
