"""Entries of the audit trail, and the verification of its chains."""

from __future__ import annotations

from typing import Any

from app.domain.enums import Event
from app.web.schemas.base import AnswerModel, Timestamp


class Entry(AnswerModel):
    """One entry of the audit trail; its hash covers the entry before."""

    seq: int
    at: Timestamp
    event: Event
    actor: str
    stack: str | None
    window: str | None
    service: str | None
    facts: dict[str, Any]
    prev: str
    hash: str


class Entries(AnswerModel):
    """A page of the audit trail, oldest first."""

    items: list[Entry]
    next: str | None


class FirstBad(AnswerModel):
    """The first entry of a chain that was altered, removed or reordered."""

    seq: int
    reason: str


class Chain(AnswerModel):
    """One chain of the audit trail, and the result of its verification."""

    chain: str
    entries: int
    ok: bool
    first_bad: FirstBad | None
    archived: int
    archived_hash: str


class Verdict(AnswerModel):
    """Whether every entry of the trail is as it was written."""

    ok: bool
    chains: list[Chain]
