"""What goes in and what comes out, as the specification shows it.

What comes in is checked by these models. What goes out is built by `app.web.row_views` as
plain values, for speed; that both say the same is proved by the tests, for every answer.
"""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StrictBool, WithJsonSchema

from app.domain import names
from app.domain.enums import Action, CallStatus, CloseReason, Event, Mode, Power, Role, State, Status
from app.domain.errors import BadTTL
from app.usecases.logs import LINES
from app.usecases.windows.open import is_positive

REASON = 500
"""Characters of a reason."""
LIMIT = 500
"""Items on a page, at most."""
_SHOWN = 40


def _storable(text: str) -> str:
    """No database keeps a NUL, and half a surrogate pair is no text."""
    if "\0" in text:
        raise ValueError("must not contain a NUL character")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError("must be well-formed Unicode, without lone surrogates") from error
    return text


def _seconds(given: Any) -> float:
    if not is_positive(given):
        raise BadTTL(given if isinstance(given, int | float | None) else str(given)[:_SHOWN])
    try:
        return float(given)
    except OverflowError:
        raise BadTTL(math.inf) from None


Text = Annotated[str, AfterValidator(_storable)]
Name = Annotated[Text, Field(min_length=1, max_length=120)]
TokenName = Annotated[
    str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,79}$"), AfterValidator(names.require_free)
]
Reason = Annotated[Text, Field(max_length=REASON)]
Seconds = Annotated[
    float,
    BeforeValidator(_seconds),
    WithJsonSchema({"type": "number", "exclusiveMinimum": 0, "description": "Seconds."}),
]
Moment = Annotated[
    str,
    Field(
        pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$",
        description="ISO 8601 in UTC with milliseconds.",
        json_schema_extra={"format": "date-time"},
    ),
]
Limit = Annotated[int, Field(ge=1, le=LIMIT, description="Items on a page.")]
Cursor = Annotated[
    Text,
    Field(
        max_length=1000, description="The `next` of the page before; made here, to be given back as it is."
    ),
]


class _Asked(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Query(_Asked):
    """The parameters of an address."""


class Open(_Asked):
    """What to power, and for how long."""

    services: list[Name] = Field(
        description="Allowed services of the stack; their dependencies are opened along.",
        json_schema_extra={"minItems": 1},
        examples=[["switch", "hermes"]],
    )
    stack: Name | None = Field(None, description="May be left out where there is one stack.")
    ttl_sec: Seconds | None = Field(None, description="Seconds; the stack's `default_ttl` if left out.")
    reason: Reason | None = None


class Extend(_Asked):
    """The new deadline, counted from now."""

    ttl_sec: Seconds


class Close(_Asked):
    reason: Reason | None = None
    force: StrictBool = Field(False, description="Kill what does not stop, and close even if that fails.")


class Route(_Asked):
    """One service of one stack."""

    stack: Name
    service: Name


AgentPart = Annotated[Text, Field(min_length=1, max_length=120)]
PathStart = Annotated[Text, Field(max_length=500, pattern="^/.")]


class NewToken(_Asked):
    """A token that is bound to one service's waiting page."""

    name: TokenName
    wake: Route
    ttl_sec: Seconds | None = Field(
        None, description="Seconds that a window lasts after the last request; the stack's `default_ttl`."
    )
    only_looks_agents: list[AgentPart] | None = Field(
        None,
        max_length=100,
        description="Parts of `User-Agent` that wake nothing, in place of crawlers and monitors; `[]`: none.",
    )
    only_looks_paths: list[PathStart] | None = Field(
        None,
        max_length=100,
        description="Paths that begin so wake nothing, in place of `/favicon.ico` and the like; `[]`: none.",
    )


class LegacyOpen(_Asked):
    services: list[Name] = Field(json_schema_extra={"minItems": 1})
    ttl_sec: Seconds | None = None


class LegacyClose(_Asked):
    window_id: Name | None = Field(None, description="The caller's only live window if left out.")


class OpenQuery(Query):
    plan: bool = Field(False, description="Change nothing; answer with what would start, in waves.")


class WindowsQuery(Query):
    state: State | None = None
    stack: Name | None = None
    limit: Limit = 50
    cursor: Cursor | None = None


class NoticesQuery(Query):
    state: Literal["pending", "delivered", "given_up"] | None = None
    limit: Limit = 50
    cursor: Cursor | None = None


class StacksQuery(Query):
    limit: Limit = 100
    cursor: Cursor | None = None


class AuditQuery(Query):
    window: Name | None = None
    actor: Name | None = None
    after: Cursor | None = None
    cursor: Cursor | None = Field(None, description="The same as `after`, as other lists call it.")
    limit: Limit | None = Field(None, description="Items on a page (100), or lines of a stream (all).")


class LogsQuery(Query):
    service: Name | None = Field(None, description="Only of this service of the window; of all if left out.")
    tail: int = Field(100, ge=0, le=LINES, description="The newest so many lines of each service.")
    follow: bool = Field(False, description="Go on with what is written, until the window has ended.")


class EventsQuery(Query):
    last_event_id: Text | None = Field(
        None, max_length=8000, description="The same as the header `Last-Event-ID`, for who cannot send one."
    )


class _Said(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Health(_Said):
    """What a service of the window is doing."""

    power: Power
    ready: bool
    detail: str


class Call(_Said):
    """One executed compose command, or `none` where the service ran already."""

    service: str
    action: Action
    status: CallStatus
    returncode: int | None
    elapsed_ms: int | None
    stdout: str = Field(description="The first 500 characters.")
    stderr: str = Field(description="The first 500 characters.")
    argv: list[str]
    timestamp: Moment
    blind: bool = Field(default=False, description="Made while the worker could not reach the database.")


class Window(_Said):
    """A time-boxed promise that some services are powered until a deadline."""

    id: str
    stack: str
    services: list[str] = Field(description="What was asked for.")
    state: State
    status: Status | None = Field(description="How it went; null until it is known.")
    actor: str
    reason: str | None
    created_at: Moment
    opened_at: Moment | None
    deadline: Moment
    ttl_sec: float
    ttl_remaining_sec: float
    closed_at: Moment | None
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


class Windows(_Said):
    items: list[Window]
    next: str | None


class Delivery(_Said):
    """One attempt to hand over a notice."""

    at: Moment
    elapsed_ms: int
    ok: bool
    said: str = Field(description="What the sink answered, or why it could not be told: 300 characters.")


class Notice(_Said):
    """Something that a sink of `power.toml` is to be told, and how that went."""

    id: str = Field(description="The same in each attempt; a webhook has it as `webhook-id`.")
    node: str
    sink: str
    event: str
    stack: str
    window: str | None
    state: Literal["pending", "delivered", "given_up"]
    created_at: Moment
    next_at: Moment | None
    deliveries: list[Delivery]


class Notices(_Said):
    items: list[Notice]
    next: str | None


class Plan(_Said):
    """What opening would do."""

    stack: str
    services: list[str]
    ttl_sec: float
    waves: list[list[str]] = Field(description="What would start, those of one wave at the same time.")
    already_on: list[str]


class Drift(_Said):
    """Its power differs from what is wanted, and nobody is waiting for it."""

    since: Moment | None = Field(description="When it was found; null until it is on record.")
    why: str = Field(description="For people, as in `runs, though no window holds it`.")


class Service(_Said):
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
    retry_at: Moment | None = Field(description="When the next stop is tried, where the last one has failed.")


class Stack(_Said):
    """One Compose project under control."""

    name: str
    mode: Mode
    node: str
    away: bool = Field(description="No worker that serves it is heard of.")
    away_since: Moment | None
    services: list[Service]
    faults: list[str] = Field(
        default=[],
        description="Why its worker turned it down, where it has; nothing can be opened on it then.",
    )
    refused: list[str] = Field(
        default=[],
        description="Why a later change of its files is not in force, while what was good before still is.",
    )


class Stacks(_Said):
    items: list[Stack]
    next: str | None


class Token(_Said):
    """A token without its text, which nobody has but who was given it."""

    name: str
    scope: str
    wake: Route | None = Field(description="The one route it is good for; null where it is good for all.")
    ttl_sec: float | None
    only_looks_agents: list[str] | None = Field(description="Whose visits wake nothing; null if not bound.")
    only_looks_paths: list[str] | None = Field(description="What wakes nothing; null if not bound.")
    created_at: Moment
    revoked_at: Moment | None


class Wakefulness(_Said):
    """How the service of a bound token stands, as it may be told to visitors."""

    stack: str
    service: str
    state: Literal["asleep", "starting", "on", "failing"]
    window: str | None = Field(description="The window that holds it, or the one that failed.")
    detail: str


class Tokens(_Said):
    items: list[Token]
    next: None


class MadeToken(Token):
    token: str = Field(description="Its text, said this once.")


class LogLine(_Said):
    """One line that a container wrote, on either stream."""

    service: str
    container: str = Field(description="The beginning of its id.")
    at: str = Field(description="When the engine took it in, with nanoseconds.")
    line: str = Field(description="Cut where it is very long.")


class LogNote(_Said):
    """Why there is nothing of a service."""

    service: str
    note: str


class Logs(_Said):
    items: list[LogLine]
    notes: list[LogNote]


class Entry(_Said):
    """One line of the audit trail; its hash covers the one before."""

    seq: int
    at: Moment
    event: Event
    actor: str
    stack: str | None
    window: str | None
    service: str | None
    facts: dict[str, Any]
    prev: str
    hash: str


class Entries(_Said):
    items: list[Entry]
    next: str | None


class FirstBad(_Said):
    seq: int
    reason: str


class Chain(_Said):
    chain: str
    entries: int
    ok: bool
    first_bad: FirstBad | None
    archived: int
    archived_hash: str


class Verdict(_Said):
    """Whether the trail is as it was written."""

    ok: bool
    chains: list[Chain]


class Alive(_Said):
    status: str


class Part(_Said):
    status: str = Field(description="`ok` or `degraded`; of the database also `away`.")
    detail: str = ""


class NodePart(_Said):
    name: str
    status: str
    seen_at: Moment
    away: list[str] = Field(description="Its stacks that nobody serves now.")


class Readiness(_Said):
    ready: bool
    detail: str
    database: Part
    broker: Part
    nodes: list[NodePart]


class LegacyWindow(_Said):
    """The answer of the original surface."""

    window_id: str
    state: State
    created_at: Moment
    deadline: Moment
    ttl_remaining_sec: float
    status: Status | None
    results: list[Call]
    timestamp: Moment


class LegacyClosed(LegacyWindow):
    services_stopped: list[str]


class LegacyStatus(_Said):
    mode: Mode | None = Field(description="The first that is true of any stack; null where there is none.")
    stacks: list[Stack]
    windows: list[Window] = Field(description="Those that are not closed.")
    timestamp: Moment


class FieldFault(BaseModel):
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
