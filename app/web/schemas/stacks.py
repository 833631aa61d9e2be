"""Responses with stacks and their services."""

from __future__ import annotations

from pydantic import Field

from app.domain.enums import Mode, Power, Role
from app.web.schemas.base import AnswerModel, Timestamp
from app.web.schemas.diagnoses import Diagnosis
from app.web.schemas.windows import Call


class Drift(AnswerModel):
    """The power differs from the desired one, and no window is waiting for it."""

    since: Timestamp | None = Field(description="When a worker found it; null until it is recorded.")
    why: str = Field(description="For people, as in `runs, though no window holds it`.")


class Service(AnswerModel):
    """A service of a stack, as it is now."""

    name: str
    role: Role
    power: Power
    ready: bool
    detail: str
    holders: list[str] = Field(description="The live windows that hold it.")
    time_left_sec: float | None = Field(description="Seconds until the last of its holders ends.")
    last_call: Call | None
    outdated: bool = Field(
        description="It runs with an older definition than the compose files have; a new start uses theirs."
    )
    missing_image: str | None = Field(
        description="That the engine lacked its image when it was last looked up, with the command that "
        "pulls it; null where nothing is known to be missing."
    )
    drift: Drift | None
    failed_stops: int = Field(
        description="Stops that have failed in a row; from the second on they are kills."
    )
    retry_at: Timestamp | None = Field(
        description="When the next stop is tried, where the last one has failed."
    )
    diagnosis: Diagnosis | None = Field(default=None, description="Why it fails, where it does.")


class Stack(AnswerModel):
    """One Compose project under control."""

    name: str
    mode: Mode
    node: str
    away: bool = Field(description="No worker that serves it sends heartbeats.")
    away_since: Timestamp | None
    services: list[Service]
    namespace: str | None = Field(
        default=None,
        description="The namespace of the caller and of its stacks. For the default one it is absent, and "
        "`name` has it.",
    )
    faults: list[str] = Field(
        default=[],
        description="Why its worker rejected its files; then no window can be opened on it.",
    )
    refused: list[str] = Field(
        default=[],
        description="Why a later change of its files is not in force; the files before it are.",
    )
    diagnosis: Diagnosis | None = Field(
        default=None, description="Why its files were refused, where they were."
    )


class Stacks(AnswerModel):
    """A page of stacks, by name."""

    items: list[Stack]
    next: str | None
