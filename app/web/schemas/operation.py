"""Responses with notifications, health and refusals."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from app.web.schemas.base import AnswerModel, Timestamp


class Delivery(AnswerModel):
    """One attempt to deliver a notification."""

    at: Timestamp
    elapsed_ms: int
    ok: bool
    said: str = Field(description="What the sink answered, or why the attempt failed: 300 characters.")


class Notice(AnswerModel):
    """A notification for a sink of `power.toml`, with its attempts."""

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
    """The state of one part of the service."""

    status: str = Field(description="`ok` or `degraded`; of the database also `away`.")
    detail: str = ""


class NodePart(AnswerModel):
    """The state of one node, and the time of its worker's last heartbeat."""

    name: str
    status: str
    seen_at: Timestamp
    away: list[str] = Field(description="Its stacks that no worker serves now.")


class Readiness(AnswerModel):
    """Whether the service is ready, and the state of its parts."""

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
    """Why a request was refused (RFC 9457). Further members have the limit and related values."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(description="Stable; programs test it.")
    title: str
    status: int
    detail: str = Field(description="One sentence for a person.")
    field: str | None = Field(None, description="The member of the request at fault.")
    allowed: Any = Field(None, description="The valid values.")
    errors: list[FieldFault] | None = Field(None, description="Each fault, where there are several.")
