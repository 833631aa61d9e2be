"""Is the service ready? The database answers, and at a standalone's start its worker serves its stacks.

A broker that is away, hangs or takes no writes makes nothing unready, since every window
is seen to without it. Each look asks database and broker anew.
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
"""Seconds a look waits for the broker; one that answers does so within milliseconds."""


class BrokerProbe:
    """Asks the broker whether it takes messages: at each look anew, one question at a time.

    Looks that come while a question is under way share the next one, so however many
    there are, a broker that hangs has one connection waiting for it.
    """

    def __init__(self, dispatch: Dispatch) -> None:
        self._dispatch = dispatch
        self._turn = threading.Condition()
        self._asking = False
        self._asked = self._answered = self._wanted = 0
        self._fault: str | None = None

    def fault(self) -> str | None:
        """What is wrong with it now, or None; waits for at most PATIENCE."""
        with self._turn:
            mine = self._wanted = self._asked + 1
            if not self._asking:
                self._asking = True
                threading.Thread(target=self._ask, name="broker", daemon=True).start()
            if self._turn.wait_for(lambda: self._answered >= mine, BROKER_SECONDS):
                return self._fault
        return f"it has not answered within {BROKER_SECONDS:g} s"

    def _ask(self) -> None:
        while self._next():
            fault = self._dispatch.fault()
            with self._turn:
                self._fault, self._answered = fault, self._asked
                self._turn.notify_all()

    def _next(self) -> bool:
        with self._turn:
            self._asking = self._wanted > self._asked
            if self._asking:
                self._asked += 1
            return self._asking


class ReadinessProbe:
    """Whether database, broker and nodes are there."""

    def __init__(self, settings: Settings, database: Database, broker: BrokerProbe) -> None:
        self._settings, self._database, self._broker = settings, database, broker
        self._served = settings.await_node is None

    def look(self) -> dict[str, Any]:
        """What stands where. Raises what the store raises while the database is away."""
        with self._database.read() as session:
            now = self._database.now()
            nodes, every = stacks.nodes(session), stacks.every(session)
            away = workers.away(session, every, now)
        ready = self._is_served(nodes)
        fault = self._broker.fault()
        return {
            "ready": ready,
            "detail": "" if ready else f"the worker of node {self._settings.await_node} has not come up yet",
            "database": {"status": "ok", "detail": ""},
            "broker": {"status": "degraded" if fault else "ok", "detail": fault or ""},
            "nodes": [
                _node(node, [one.name for one in every if one.node == node.name and one.name in away], now)
                for node in nodes
            ],
        }

    def away(self, detail: str) -> dict[str, Any]:
        """What stands where while the database does not answer."""
        fault = self._broker.fault()
        return {
            "ready": False,
            "detail": detail,
            "database": {"status": "away", "detail": ""},
            "broker": {"status": "degraded" if fault else "ok", "detail": fault or ""},
            "nodes": [],
        }

    def _is_served(self, nodes: list[Node]) -> bool:
        """Once the awaited worker has come up it was up, whatever becomes of it."""
        since = self._settings.started_at
        if not self._served:
            self._served = any(
                node.name == self._settings.await_node and (since is None or node.started_at >= since)
                for node in nodes
            )
        return self._served


def _node(node: Node, away: list[str], now: datetime) -> dict[str, Any]:
    well = now - node.seen_at < AWAY_AFTER and not away
    status = "ok" if well else "degraded"
    return {"name": node.name, "status": status, "seen_at": stamp(node.seen_at), "away": away}
