"""A worker without an engine that answers requests for logs."""

from __future__ import annotations

from typing import Any

from sqlalchemy import func, select

from app.domain.stack_id import StackId
from app.store import log_reads as rows
from app.store.tables import LogRead
from app.usecases import logs
from app.usecases.logs import LogRequest
from tests.system import System

Line = dict[str, Any]


def line(number: int, text: str = "", service: str = "forge") -> Line:
    at = f"2030-05-01T12:00:{number:02}.000000000Z"
    return {"service": service, "container": f"c-{service}", "at": at, "line": text or f"line {number}"}


class LogWorker:
    """The worker of the node, without an engine: it has lines, and answers each nudge."""

    def __init__(self, system: System) -> None:
        self.system = system
        self.lines: list[Line] = []
        self.notes: dict[str, str] = {}
        self.asked: list[LogRequest] = []
        self.core: dict[StackId, list[str]] = {StackId("studio"): ["redis"]}

    def nudged(self, name: str, args: list[Any], to: str) -> bool:
        assert (name, to) == ("power.read_logs", "power.local")
        with self.system.database.read() as session:
            wanted = logs.log_request(session, args[0], self.core)
        if wanted is None:
            return True
        self.asked.append(wanted)
        fresh = [one for one in self.lines if one["at"] > wanted.after.get(one["container"], "")]
        lines = [one for one in fresh if one["service"] in wanted.services]
        with self.system.database.write() as session:
            rows.answer(
                session, wanted.id, logs.fitting(lines, wanted.tail), self.notes, self.system.database.now()
            )
        return True


def left_behind(system: System) -> int:
    with system.database.read() as session:
        return session.scalar(select(func.count()).select_from(LogRead)) or 0
