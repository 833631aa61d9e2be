"""Bodies and queries of requests."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, StrictBool, model_validator

from app.domain.enums import State
from app.usecases.logs import LINES
from app.web.schemas.base import (
    BoundedName,
    Cursor,
    LengthSeconds,
    Limit,
    NamespaceName,
    Query,
    Reason,
    RequestModel,
    Text,
    TokenName,
)


class Open(RequestModel):
    """The services to power, and for how long."""

    services: list[BoundedName] = Field(
        description="Allowed services of the stack; their dependencies are opened along.",
        json_schema_extra={"minItems": 1},
        examples=[["switch", "hermes"]],
    )
    stack: BoundedName | None = Field(None, description="May be left out where there is one stack.")
    ttl_sec: LengthSeconds | None = Field(None, description="Seconds; the stack's `default_ttl` if left out.")
    reason: Reason | None = None


class RunRequest(RequestModel):
    """A scenario to run, as in its TOML file."""

    scenario: dict[str, Any] = Field(
        description="The document of a scenario file: `name`, `services`, `ttl`, `fresh` and `steps`.",
        examples=[
            {"name": "cycle", "services": ["switch"], "steps": {"listens": {"tcp": {"port": 8001}}}},
        ],
    )


class Extend(RequestModel):
    """The new deadline, counted from now."""

    ttl_sec: LengthSeconds


class Close(RequestModel):
    """Close a window."""

    reason: Reason | None = None
    force: StrictBool = Field(
        False, description="Kill services that do not stop, and close even if that fails."
    )


class Route(RequestModel):
    """One service of one stack."""

    stack: BoundedName
    service: BoundedName


AgentPart = Annotated[Text, Field(min_length=1, max_length=120)]


PathStart = Annotated[Text, Field(max_length=500, pattern="^/.")]


class NewToken(RequestModel):
    """A token for one service's waiting page, for all of a namespace, or for approving intents."""

    name: TokenName
    wake: Route | None = None
    namespace: NamespaceName | None = Field(
        None,
        description="In place of `wake`, by a token of the default namespace: valid for all of this one.",
    )
    approver: StrictBool = Field(
        False,
        description="In place of `wake`: valid to read, approve and cancel requests for intents, no more.",
    )
    ttl_sec: LengthSeconds | None = Field(
        None, description="Seconds that a window lasts after the last request; the stack's `default_ttl`."
    )
    only_looks_agents: list[AgentPart] | None = Field(
        None,
        max_length=100,
        description="Parts of `User-Agent` that open nothing, in place of crawlers and monitors; `[]`: none.",
    )
    only_looks_paths: list[PathStart] | None = Field(
        None,
        max_length=100,
        description="Paths that begin so open nothing, in place of `/favicon.ico` and the like; `[]`: none.",
    )

    @model_validator(mode="after")
    def _for_one_thing(self) -> NewToken:
        if [self.wake is not None, self.namespace is not None, self.approver].count(True) != 1:
            raise ValueError("give one of wake (the route of a waiting page), namespace and approver")
        if not self.wake and self.model_fields_set - {"name", "namespace", "wake", "approver"}:
            raise ValueError("ttl_sec and only_looks_… are for a token of a waiting page")
        return self


class LegacyOpen(RequestModel):
    """Open a window by the original API."""

    services: list[BoundedName] = Field(json_schema_extra={"minItems": 1})
    ttl_sec: LengthSeconds | None = None


class LegacyClose(RequestModel):
    """Close a window by the original API."""

    window_id: BoundedName | None = Field(None, description="The caller's only live window if left out.")


class OpenQuery(Query):
    """How to open a window."""

    plan: bool = Field(
        False, description="Change nothing; answer with the services that would start, in waves."
    )


class WindowsQuery(Query):
    """Which windows to list."""

    state: State | None = None
    stack: BoundedName | None = None
    limit: Limit = 50
    cursor: Cursor | None = None


class RunsQuery(Query):
    """Which runs to list."""

    stack: BoundedName | None = None
    limit: Limit = 50
    cursor: Cursor | None = None


class ReportQuery(Query):
    """The form of a report."""

    format: Literal["json", "md", "html", "junit"] = "json"


class NoticesQuery(Query):
    """Which notifications to list."""

    state: Literal["pending", "delivered", "given_up"] | None = None
    limit: Limit = 50
    cursor: Cursor | None = None


class StacksQuery(Query):
    """Which stacks to list."""

    limit: Limit = 100
    cursor: Cursor | None = None


class AuditQuery(Query):
    """Which entries of the audit trail to list."""

    window: BoundedName | None = None
    actor: BoundedName | None = None
    after: Cursor | None = None
    cursor: Cursor | None = Field(None, description="The same as `after`, as other lists call it.")
    limit: Limit | None = Field(None, description="Items on a page (100), or lines of a stream (all).")


class LogsQuery(Query):
    """Which lines of a window's logs to read."""

    service: BoundedName | None = Field(
        None, description="Only of this service of the window; of all if left out."
    )
    tail: int = Field(100, ge=0, le=LINES, description="The number of newest lines of each service.")
    follow: bool = Field(False, description="Send new lines until the window has ended.")


class ServiceLogsQuery(Query):
    """How many lines of a service's logs to read."""

    tail: int = Field(100, ge=0, le=LINES, description="The number of newest lines.")


class EventsQuery(Query):
    """Where to resume the stream of events."""

    last_event_id: Text | None = Field(
        None,
        max_length=8000,
        description="The same as the header `Last-Event-ID`, for clients that cannot send one.",
    )
