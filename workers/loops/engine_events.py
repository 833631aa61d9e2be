"""Reads the engine's event stream and marks the services that an event concerns.

Events are only a hint: whenever the stream breaks off, every service is inspected again.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from app.domain import backoff
from app.domain.enums import Loop
from app.host.periodic_thread import PeriodicThread
from workers.engine import containers, negotiation
from workers.loops.inspections import Inspections
from workers.state.context import WorkerContext
from workers.state.inspection_queue import Trigger

log = logging.getLogger(__name__)

FIRST_RECONNECT, LONGEST_RECONNECT = 0.2, 5.0
"""Seconds before the event stream is requested again, doubled each time it breaks off early."""


class EngineEvents:
    """The event loop of one worker."""

    def __init__(self, context: WorkerContext, inspections: Inspections, stopping: threading.Event) -> None:
        self._context, self._inspections, self._stopping = context, inspections, stopping
        self._interruptions = 0
        """How often in a row the stream has broken off early."""
        self._thread = PeriodicThread(
            "watch_events", self._run_round, self._pause, stopping=stopping, pause_first=False
        )

    def start(self) -> None:
        """Start the loop's thread."""
        self._thread.start()

    def handle(self, action: str, actor: Mapping[str, Any], at: datetime | None = None) -> None:
        """Mark the services that one event concerns.

        `action` and `actor` are fields of the event; `at` is its time by the engine's clock, if it has one.
        """
        labels = actor.get("Attributes") or {}
        if action.startswith(("exec_", "top")):
            return
        project, service = labels.get(containers.PROJECT), str(labels.get(containers.SERVICE, ""))
        stacks = [name for name, one in list(self._context.stacks.items()) if one.spec.project == project]
        if stacks and action == "die":
            self._remember_death(str(project), actor, labels)
        container = containers.concerned_container(actor)
        for name, one in {(stack, service) for stack in stacks} | self._context.concerned.by(container):
            if at:
                self._context.repairs.record_event(name, one, at)
            self._inspections.mark(name, [one], Trigger.EVENT)

    def _run_round(self) -> None:
        began = time.monotonic()
        self._context.guard.run(Loop.EVENTS, self._listen)
        lasted = time.monotonic() - began > LONGEST_RECONNECT
        self._interruptions = 1 if lasted else self._interruptions + 1

    def _pause(self) -> float:
        return backoff.seconds(self._interruptions, FIRST_RECONNECT, LONGEST_RECONNECT)

    def _listen(self) -> None:
        try:
            self._inspections.mark_all(Trigger.START)
            for event in self._context.engine.events():
                if self._stopping.is_set():
                    return
                self.handle(str(event.get("Action")), event.get("Actor") or {}, containers.event_time(event))
        except negotiation.Unable as error:
            log.warning("the engine's events broke off: %s", negotiation.why(error))

    def _remember_death(self, project: str, actor: Mapping[str, Any], labels: Mapping[str, Any]) -> None:
        service, code = (
            str(labels.get(containers.SERVICE)),
            containers.parse_integer(labels.get("exitCode"), 0),
        )
        self._context.restarts.record_death(project, service, str(actor.get("ID")), code)
