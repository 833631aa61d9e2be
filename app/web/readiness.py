"""Check whether the service is ready: the database answers, and a standalone's worker has served its stacks.

The service stays ready while the broker is away, hangs or takes no writes, since workers find every window
without it. Each check asks database and broker anew.
"""

from __future__ import annotations

import threading
from datetime import datetime
from typing import Any

from app.domain.nodes import AWAY_AFTER
from app.settings import Settings
from app.store import stacks, workers
from app.store.database import Database
from app.store.tables import Node, stamp
from app.task_queue import Dispatch

BROKER_SECONDS = 1.0
"""Seconds that a check waits for the broker, which normally answers within milliseconds."""


class BrokerProbe:
    """Checks that the broker takes messages, one check at a time.

    Callers that come during a check share the next one, so at most one connection waits for a broker that
    hangs.
    """

    def __init__(self, dispatch: Dispatch) -> None:
        self._dispatch = dispatch
        self._condition = threading.Condition()
        self._running = False
        self._started = self._finished = self._requested = 0
        self._fault: str | None = None

    def fault(self) -> str | None:
        """The broker's fault, or None; waits at most BROKER_SECONDS."""
        with self._condition:
            number = self._requested = self._started + 1
            if not self._running:
                self._running = True
                threading.Thread(target=self._ask, name="broker", daemon=True).start()
            if self._condition.wait_for(lambda: self._finished >= number, BROKER_SECONDS):
                return self._fault
        return f"it has not answered within {BROKER_SECONDS:g} s"

    def _ask(self) -> None:
        while self._next():
            fault = self._dispatch.fault()
            with self._condition:
                self._fault, self._finished = fault, self._started
                self._condition.notify_all()

    def _next(self) -> bool:
        with self._condition:
            self._running = self._requested > self._started
            if self._running:
                self._started += 1
            return self._running


class ReadinessProbe:
    """Checks database, broker and nodes."""

    def __init__(self, settings: Settings, database: Database, broker: BrokerProbe) -> None:
        self._settings, self._database, self._broker = settings, database, broker
        self._served = settings.await_node is None

    def read_report(self) -> dict[str, Any]:
        """The readiness report; raises DATABASE_ERRORS while the database is away."""
        with self._database.read() as session:
            now = self._database.now()
            nodes, every = stacks.nodes(session), stacks.every(session)
            away = workers.away(session, every, now)
        ready = self._is_served(nodes)
        fault = self._broker.fault()
        # This takes no token, so it names no stack where one namespace may not know those of another.
        hidden: dict[str, Any] = {"away": []} if self._settings.features.namespaces else {}
        return {
            "ready": ready,
            "detail": "" if ready else f"the worker of node {self._settings.await_node} has not come up yet",
            "database": {"status": "ok", "detail": ""},
            "broker": {"status": "degraded" if fault else "ok", "detail": fault or ""},
            "nodes": [
                _node(node, [one.name for one in every if one.node == node.name and one.name in away], now)
                | hidden
                for node in nodes
            ],
        }

    def away(self, detail: str) -> dict[str, Any]:
        """The readiness report while the database does not answer."""
        fault = self._broker.fault()
        return {
            "ready": False,
            "detail": detail,
            "database": {"status": "away", "detail": ""},
            "broker": {"status": "degraded" if fault else "ok", "detail": fault or ""},
            "nodes": [],
        }

    def _is_served(self, nodes: list[Node]) -> bool:
        """True once the awaited worker has started, also if it ends later."""
        since = self._settings.started_at
        if not self._served:
            self._served = any(
                node.name == self._settings.await_node and (since is None or node.started_at >= since)
                for node in nodes
            )
        return self._served


def _node(node: Node, away: list[str], now: datetime) -> dict[str, Any]:
    is_well = now - node.seen_at < AWAY_AFTER and not away
    status = "ok" if is_well else "degraded"
    return {"name": node.name, "status": status, "seen_at": stamp(node.seen_at), "away": away}
