"""Windows, their services' health, their calls, plans and logs, as they are answered."""

from __future__ import annotations

from pydantic import Field

from app.domain.enums import Action, CallStatus, CloseReason, Power, State, Status
from app.web.schemas.base import AnswerModel, Timestamp


class Health(AnswerModel):
    """What a service of the window is doing."""

    power: Power
    ready: bool
    detail: str


class Call(AnswerModel):
    """One executed compose command, or `none` where the service ran already."""

    service: str
    action: Action
    status: CallStatus
    returncode: int | None
    elapsed_ms: int | None
    stdout: str = Field(description="The first 500 characters.")
    stderr: str = Field(description="The first 500 characters.")
    argv: list[str]
    timestamp: Timestamp
    blind: bool = Field(default=False, description="Made while the worker could not reach the database.")


class Window(AnswerModel):
    """A time-boxed promise that some services are powered until a deadline."""

    id: str
    stack: str
    services: list[str] = Field(description="What was asked for.")
    state: State
    status: Status | None = Field(description="How it went; null until it is known.")
    actor: str
    reason: str | None
    created_at: Timestamp
    opened_at: Timestamp | None
    deadline: Timestamp
    ttl_sec: float
    ttl_remaining_sec: float
    closed_at: Timestamp | None
    close_reason: CloseReason | None = Field(
        description="Why it ends, in one word; `lost` is one whose node or stack is gone."
    )
    closed_by: str | None = Field(
        description="A person's name, `clock` where it expired, else `power-windows`."
    )
    close_detail: str | None = Field(description="The same as a sentence for people.")
    waiting_for: str | None = Field(
        default=None,
        description="What a window that waits is waiting for: `node` where its stack is away.",
    )
    stuck: bool = Field(description="It is closing, and its services refuse to stop.")
    health: dict[str, Health] = Field(description="By service, dependencies that were opened along included.")
    results: list[Call]


class Windows(AnswerModel):
    """A page of windows, newest first."""

    items: list[Window]
    next: str | None


class Plan(AnswerModel):
    """What opening would do."""

    stack: str
    services: list[str]
    ttl_sec: float
    waves: list[list[str]] = Field(description="What would start, those of one wave at the same time.")
    already_on: list[str]


class LogLine(AnswerModel):
    """One line that a container wrote, on either stream."""

    service: str
    container: str = Field(description="The beginning of its id.")
    at: str = Field(description="When the engine took it in, with nanoseconds.")
    line: str = Field(description="Cut where it is very long.")


class LogNote(AnswerModel):
    """Why there is nothing of a service."""

    service: str
    note: str


class Logs(AnswerModel):
    """The newest lines of a window's services, oldest first."""

    items: list[LogLine]
    notes: list[LogNote]
