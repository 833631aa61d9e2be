"""Stacks and their services, as they are answered."""

from __future__ import annotations

from pydantic import Field

from app.domain.enums import Mode, Power, Role
from app.web.schemas.base import AnswerModel, Timestamp
from app.web.schemas.windows import Call


class Drift(AnswerModel):
    """Its power differs from what is wanted, and no window is waiting for it."""

    since: Timestamp | None = Field(description="When it was found; null until it is on record.")
    why: str = Field(description="For people, as in `runs, though no window holds it`.")


class Service(AnswerModel):
    """A service of a stack, as it is now."""

    name: str
    role: Role
    power: Power
    ready: bool
    detail: str
    holders: list[str] = Field(description="The live windows that hold it.")
    time_left_sec: float | None = Field(description="Until the last of its holders ends.")
    last_call: Call | None
    drift: Drift | None
    failed_stops: int = Field(
        description="Stops that have failed in a row; from the second on they are kills."
    )
    retry_at: Timestamp | None = Field(
        description="When the next stop is tried, where the last one has failed."
    )


class Stack(AnswerModel):
    """One Compose project under control."""

    name: str
    mode: Mode
    node: str
    away: bool = Field(description="No worker that serves it is heard of.")
    away_since: Timestamp | None
    services: list[Service]
    faults: list[str] = Field(
        default=[],
        description="Why its worker turned it down, where it has; nothing can be opened on it then.",
    )
    refused: list[str] = Field(
        default=[],
        description="Why a later change of its files is not in force, while what was good before still is.",
    )


class Stacks(AnswerModel):
    """A page of stacks, by name."""

    items: list[Stack]
    next: str | None
