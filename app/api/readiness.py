"""Is the house ready? The database answers, and at a standalone's start its worker serves its stacks.

A broker that is away or hangs makes nothing unready, since every window is seen to
without it; it is asked in the background and its last answer is shown.
"""

from __future__ import annotations

import threading
import time
from datetime import datetime
from typing import Any

from app.dispatch import Dispatch
from app.domain.nodes import AWAY
from app.settings import Settings
from app.store import stacks, workers
from app.store.database import Database
from app.store.tables import Node, stamp

_ASK_AGAIN = 2.0
_FIRST_ANSWER = 0.5


class Broker:
    """The broker's last answer to `are you there`, never older than it takes to ask again."""

    def __init__(self, dispatch: Dispatch) -> None:
        self._dispatch = dispatch
        self._lock = threading.Lock()
        self._heard = threading.Event()
        self._asked_at: float | None = None
        self._fault: str | None = "it has not answered yet"

    def fault(self) -> str | None:
        """What is wrong with it, or None; answers at once, and asks again behind the scenes."""
        with self._lock:
            now = time.monotonic()
            due = self._asked_at is None or now - self._asked_at > _ASK_AGAIN
            if due:
                self._asked_at = now
        if due:
            threading.Thread(target=self._ask, name="broker", daemon=True).start()
        self._heard.wait(_FIRST_ANSWER)
        return self._fault

    def _ask(self) -> None:
        self._fault = self._dispatch.fault()
        self._heard.set()


class Readiness:
    def __init__(self, settings: Settings, database: Database, broker: Broker) -> None:
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

    def away(self) -> dict[str, Any]:
        """What stands where while the database does not answer."""
        fault = self._broker.fault()
        return {
            "ready": False,
            "detail": "the database does not answer",
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
    well = now - node.seen_at < AWAY and not away
    status = "ok" if well else "degraded"
    return {"name": node.name, "status": status, "seen_at": stamp(node.seen_at), "away": away}
