"""Notifications, health, and refusals, as they are answered."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from app.web.schemas.base import AnswerModel, Timestamp


class Delivery(AnswerModel):
    """One attempt to hand over a notice."""

    at: Timestamp
    elapsed_ms: int
    ok: bool
    said: str = Field(description="What the sink answered, or why it could not be told: 300 characters.")


class Notice(AnswerModel):
    """Something that a sink of `power.toml` is to be told, and how that went."""

    id: str = Field(description="The same in each attempt; a webhook has it as `webhook-id`.")
    node: str
    sink: str
    event: str
    stack: str
    window: str | None
    state: Literal["pending", "delivered", "given_up"]
    created_at: Timestamp
    next_at: Timestamp | None
    deliveries: list[Delivery]


class Notices(AnswerModel):
    """A page of notifications, newest first."""

    items: list[Notice]
    next: str | None


class Alive(AnswerModel):
    """The process answers."""

    status: str


class Part(AnswerModel):
    """How one part of the service is."""

    status: str = Field(description="`ok` or `degraded`; of the database also `away`.")
    detail: str = ""


class NodePart(AnswerModel):
    """How one node is, and when its worker was last seen."""

    name: str
    status: str
    seen_at: Timestamp
    away: list[str] = Field(description="Its stacks that nobody serves now.")


class Readiness(AnswerModel):
    """Whether the service is ready, and how its parts are."""

    ready: bool
    detail: str
    database: Part
    broker: Part
    nodes: list[NodePart]


class FieldFault(BaseModel):
    """What is wrong with one field of a request."""

    field: str
    detail: str


class Problem(BaseModel):
    """Why a request was turned down (RFC 9457). Further members name the limit or what goes with it."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(description="Stable; what a program goes by.")
    title: str
    status: int
    detail: str = Field(description="One sentence for a person.")
    field: str | None = Field(None, description="The member of the request at fault.")
    allowed: Any = Field(None, description="What would have been right.")
    errors: list[FieldFault] | None = Field(None, description="Each fault, where there are several.")
