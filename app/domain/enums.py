"""The closed vocabularies of the product, each defined once.

Code, REST API, audit trail and docs use exactly these words.
"""

from __future__ import annotations

from enum import StrEnum


class State(StrEnum):
    """Where a window is on its way; see `app.domain.windows` for how it may move."""

    WAITING = "waiting"
    OPENING = "opening"
    OPEN = "open"
    CLOSING = "closing"
    CLOSED = "closed"


class Status(StrEnum):
    """How a window's opening went, once it is known."""

    OK = "ok"
    PARTIAL = "partial"
    FAIL = "fail"


class CloseReason(StrEnum):
    """Why a window ends: by whom or what its closing was begun, or was forced later."""

    MANUAL = "manual"
    """A caller closed it."""
    EXPIRED = "expired"
    """Its deadline has passed."""
    FAILED = "failed"
    """None of its services came up, or they may not be opened any more."""
    FORCED = "forced"
    """A caller forced it: its services were killed, and it closed even where that failed."""
    LOST = "lost"
    """Its node or its stack no longer exists."""


class Power(StrEnum):
    """The state of a service, as the engine reports it."""

    OFF = "off"
    STARTING = "starting"
    ON = "on"
    DONE = "done"
    FAILING = "failing"
    STOPPING = "stopping"
    UNKNOWN = "unknown"

    @property
    def is_ready(self) -> bool:
        """Is the service ready: it runs and is ready, or it has completed successfully?"""
        return self in {Power.ON, Power.DONE}


class Role(StrEnum):
    """What may be done with a service: nothing (`core`), power it (`allowed`), or nothing at all (`none`)."""

    CORE = "core"
    ALLOWED = "allowed"
    NONE = "none"


class Mode(StrEnum):
    """What a stack is up to, the first that is true."""

    REJECTED = "REJECTED"
    """Its files were refused and none was good before: nothing can be opened."""
    DRIFT = "DRIFT"
    CLOSING = "CLOSING"
    OPEN = "OPEN"
    SOLO_CORE = "SOLO_CORE"


class Condition(StrEnum):
    """What a dependant waits for, in Compose's own words."""

    STARTED = "service_started"
    HEALTHY = "service_healthy"
    COMPLETED = "service_completed_successfully"


class Action(StrEnum):
    """What one compose call is for; `none` where the service already was as it should be."""

    UP = "up"
    STOP = "stop"
    KILL = "kill"
    SHARE = "share"
    PRE_STOP = "pre_stop"
    """A stop by the compose files, which run the service's hooks; a plain `stop` or `kill` follows."""
    REMOVE = "rm"
    """Removes stopped containers with their anonymous volumes, for a scenario that begins afresh."""
    BUILD = "build"
    """Builds the image of a service for an intent; it starts and stops nothing."""
    NONE = "none"


class CallStatus(StrEnum):
    """How one compose call ended; `running` until it has. `cancelled`: cut short as pointless."""

    RUNNING = "running"
    OK = "ok"
    FAIL = "fail"
    TIMEOUT = "timeout"
    LOST = "lost"
    CANCELLED = "cancelled"


class Event(StrEnum):
    """Everything the audit trail can say."""

    WINDOW_OPENING = "window.opening"
    WINDOW_OPEN = "window.open"
    WINDOW_EXTENDED = "window.extended"
    WINDOW_CLOSING = "window.closing"
    WINDOW_CLOSED = "window.closed"
    WINDOW_STUCK = "window.stuck"
    CALL_STARTED = "call.started"
    CALL_FINISHED = "call.finished"
    CALL_LOST = "call.lost"
    SERVICE_READY = "service.ready"
    SERVICE_FAILING = "service.failing"
    DRIFT_FOUND = "drift.found"
    DRIFT_STOPPED = "drift.stopped"
    DRIFT_ENDED = "drift.ended"
    TOKEN_CREATED = "token.created"
    TOKEN_REVOKED = "token.revoked"
    REFUSED = "refused"
    STACK_LOADED = "stack.loaded"
    STACK_REJECTED = "stack.rejected"
    WINDOW_WAITING = "window.waiting"
    NODE_CLAIMED = "node.claimed"
    NODE_REFUSED = "node.refused"
    NODE_BLIND = "node.blind"
    AUDIT_ARCHIVED = "audit.archived"
    DATABASE_RESTORED = "database.restored"
    DATABASE_BEHIND = "database.behind"
    STACK_RELOCATED = "stack.relocated"
    CLOCK_STEPPED = "clock.stepped"
    RUN_STARTED = "run.started"
    RUN_FINISHED = "run.finished"
    RUN_CUT = "run.cut"
    NOTICE_RETRIED = "notice.retried"
    INTENT_REQUESTED = "intent.requested"
    INTENT_APPROVED = "intent.approved"
    INTENT_FINISHED = "intent.finished"
    INTENT_CUT = "intent.cut"


WINDOW_ENDING = "window.ending"
"""Sent as a notice only, since no row has changed: a window will end soon."""


class Loop(StrEnum):
    """The long-lived loops, as `power_loop_failures_total` names them."""

    EVENTS = "events"
    LOOKS = "looks"
    CLOCK = "clock"
    FILES = "files"
    BLIND = "blind"
    OPENING = "opening"
    CLOSING = "closing"
    NOTICES = "notices"
    SAMPLES = "samples"
    CALL_OUTPUT = "call_output"
    DIAGNOSES = "diagnoses"
    TRAFFIC = "traffic"
    RUNS = "runs"
    INTENTS = "intents"
    EVENT_STREAM = "event_stream"
    """Of a front, which has no node."""
    CONSUMER = "consumer"
    """The broker answered a worker's consumer with an error; one that is away is not counted."""
    MESSAGES = "messages"
    """A message was dropped, because no part of this program sent it."""
    TASKS = "tasks"
    """Only for the log: a task that ends since the database is away is not counted."""
    THROTTLE = "throttle"
    REPAIRS = "repairs"
    """A change that only the idle poll or a resync has noticed."""
