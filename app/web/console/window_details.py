"""What the page of a window shows beside its state: progress, services as lines, charts, what happened."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from app.domain.enums import Action, CallStatus, Event, State
from app.domain.event_sentences import EventSentences
from app.domain.planning import ServiceSpec, StackSpec
from app.store import audit, samples, stacks, start_times, windows
from app.store.tables import Window
from app.web.console.charts import Chart, service_charts
from app.web.context import WebContext

_ENTRIES = 500
"""Entries of one window on its page at most."""
_SHAPES: Mapping[str, str] = {
    Event.WINDOW_WAITING: "waiting", Event.WINDOW_OPENING: "opening", Event.WINDOW_OPEN: "open",
    Event.WINDOW_CLOSING: "closing", Event.WINDOW_CLOSED: "closed", Event.WINDOW_STUCK: "stuck",
    Event.SERVICE_READY: "on", Event.SERVICE_FAILING: "failing", Event.CALL_FINISHED: "fail",
    Event.CALL_LOST: "lost", Event.REFUSED: "fail", Event.DRIFT_FOUND: "DRIFT",
}  # fmt: skip
_QUIET_CALLS = {CallStatus.OK, CallStatus.RUNNING}


@dataclass(frozen=True, slots=True)
class OpeningProgress:
    """How far an opening is. `usual` is how many seconds it usually takes; None where none was learned."""

    ready: int
    total: int
    elapsed: float
    usual: float | None

    @property
    def share(self) -> float:
        """A percentage: by the usual time, else by the services that are ready."""
        by_services = 100 * self.ready / max(1, self.total)
        return round(
            max(by_services, min(95.0, 100 * self.elapsed / self.usual)) if self.usual else by_services, 1
        )


@dataclass(frozen=True, slots=True)
class HeldService:
    """One service of a window as a line."""

    name: str
    is_dependency: bool
    health: dict[str, Any]
    calls: list[dict[str, Any]]
    ready_after: float | None
    """Seconds from the beginning of the opening until it was ready."""
    usual: float | None
    """The same as learned from earlier windows."""
    memory: int | None

    @property
    def failed_call(self) -> dict[str, Any] | None:
        """Its newest call, where that failed."""
        failed = [call for call in self.calls if call["status"] not in _QUIET_CALLS]
        return failed[-1] if failed else None


@dataclass(frozen=True, slots=True)
class StoryLine:
    """One sentence about the window; `lines` are the last lines of a failure."""

    at: str
    shape: str
    sentence: str
    lines: list[str]


def window_details(context: WebContext, view: dict[str, Any]) -> dict[str, Any]:
    """The values of the template that are not in the JSON of the window."""
    now = context.database.now()
    with context.database.read() as session:
        row = windows.get(session, view["id"])
        assert row is not None
        usual = start_times.usual_seconds(session, row.stack, view["health"], now) if _is_young(row) else {}
        held = _held_services(session, row, view, usual, now)
        story = _story(session, row.id)
    return {"progress": _progress(row, view, usual, now), "held": held, "story": story}


def _is_young(window: Window) -> bool:
    return window.state in {State.WAITING, State.OPENING}


def _progress(
    window: Window, view: dict[str, Any], usual: Mapping[str, float], now: datetime
) -> OpeningProgress | None:
    if window.state != State.OPENING:
        return None
    ready = sum(one["ready"] for one in view["health"].values())
    elapsed = (now - (window.opening_at or window.created_at)).total_seconds()
    complete = bool(usual) and len(usual) == len(view["health"])
    return OpeningProgress(
        ready, len(view["health"]), round(elapsed, 1), max(usual.values()) if complete else None
    )


def _held_services(
    session: Session, window: Window, view: dict[str, Any], usual: Mapping[str, float], now: datetime
) -> list[HeldService]:
    used = samples.newest(session, now - samples.CURRENT_FOR) if window.state != State.CLOSED else {}
    memory = {service: one.memory for (stack, service), one in used.items() if stack == window.stack}
    calls = [call for call in view["results"] if call["action"] != Action.NONE]
    began = window.opening_at or window.created_at
    return [
        HeldService(
            name=lease.service,
            is_dependency=not lease.asked,
            health=view["health"][lease.service],
            calls=[call for call in calls if call["service"] == lease.service],
            ready_after=(lease.ready_at - began).total_seconds() if lease.ready_at else None,
            usual=usual.get(lease.service),
            memory=memory.get(lease.service),
        )
        for lease in window.leases
    ]


def _story(session: Session, window: str) -> list[StoryLine]:
    sentences, story = EventSentences(), []
    for entry in audit.entries(session, window=window, limit=_ENTRIES):
        described = entry.as_json()
        if lines := sentences.describe(described):
            shape = _SHAPES.get(entry.event, "manual")
            story.append(StoryLine(described["at"], shape, lines[0], lines[1:]))
    return story


def window_charts(context: WebContext, view: dict[str, Any]) -> list[Chart]:
    """Processors and memory of each service that was sampled while this window held it."""
    since = datetime.fromisoformat(view["created_at"])
    until = datetime.fromisoformat(view["closed_at"]) if view["closed_at"] else context.database.now()
    with context.database.read() as session:
        stack = stacks.stack_by_name(session, view["stack"])
        spec = stack.spec if stack else None
        sampled = samples.between(session, view["stack"], list(view["health"]), since, until)
    return [
        chart
        for name, rows in sampled.items()
        for chart in service_charts(_spec_of(spec, name), rows, since, until)
    ]


def _spec_of(spec: StackSpec | None, name: str) -> ServiceSpec:
    return (spec.services.get(name) if spec else None) or ServiceSpec(name)
