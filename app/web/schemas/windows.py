"""Responses with windows, their health and calls, plans and logs."""

from __future__ import annotations

from pydantic import Field

from app.domain.enums import Action, CallStatus, CloseReason, Power, State, Status
from app.web.schemas.base import AnswerModel, Timestamp
from app.web.schemas.diagnoses import Diagnosis


class Health(AnswerModel):
    """The state of a service of the window."""

    power: Power
    ready: bool
    detail: str
    diagnosis: Diagnosis | None = Field(
        default=None, description="Why it failed while the window held it, where it did and is not ready."
    )


class Call(AnswerModel):
    """One executed compose command, or `none` where the service ran already."""

    service: str
    action: Action
    status: CallStatus
    returncode: int | None
    elapsed_ms: int | None
    stdout: str = Field(description="The first 500 characters.")
    stderr: str = Field(
        description="At most 500 characters. While the call runs, what both streams have printed, "
        "a second or two ago."
    )
    argv: list[str]
    timestamp: Timestamp
    blind: bool = Field(default=False, description="Made while the worker could not reach the database.")


class Window(AnswerModel):
    """A time-boxed promise that some services are powered until a deadline."""

    id: str
    stack: str
    services: list[str] = Field(description="The requested services.")
    state: State
    status: Status | None = Field(description="The result of its opening; null until it is known.")
    actor: str
    reason: str | None
    created_at: Timestamp
    opened_at: Timestamp | None
    deadline: Timestamp
    ttl_sec: float
    ttl_remaining_sec: float
    closed_at: Timestamp | None
    close_reason: CloseReason | None = Field(
        description="Why it ends, in one word; `lost`: its node or stack no longer exists."
    )
    closed_by: str | None = Field(
        description="The actor's name, `clock` where it expired, else `power-windows`."
    )
    close_detail: str | None = Field(description="The same as a sentence for people.")
    waiting_for: str | None = Field(
        default=None,
        description="What a waiting window waits for: `node` where the node of its stack is away.",
    )
    stuck: bool = Field(description="It is closing, and its services refuse to stop.")
    health: dict[str, Health] = Field(description="By service, dependencies that were opened along included.")
    results: list[Call]


class Windows(AnswerModel):
    """A page of windows, newest first."""

    items: list[Window]
    next: str | None


class Plan(AnswerModel):
    """The plan of an opening."""

    stack: str
    services: list[str]
    ttl_sec: float
    waves: list[list[str]] = Field(
        description="The services that would start; those of one wave start together."
    )
    already_on: list[str]
    missing_images: list[str] = Field(
        description="A line for each image that the engine lacked when it was last looked up, with the "
        "command that mends it; an opening would fail there."
    )


class LogLine(AnswerModel):
    """One line that a container wrote, on either stream."""

    service: str
    container: str = Field(description="The first characters of its id.")
    at: str = Field(description="When the engine received it, with nanoseconds.")
    line: str = Field(description="Truncated where it is very long.")


class LogNote(AnswerModel):
    """Why a service has no lines."""

    service: str
    note: str


class Logs(AnswerModel):
    """The newest lines of a window's services, oldest first."""

    items: list[LogLine]
    notes: list[LogNote]
