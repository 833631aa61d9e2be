"""A host whose clock can be set, and what its processes say of windows and of the clock."""

from __future__ import annotations

import json
from contextlib import ExitStack, closing
from datetime import UTC, datetime, timedelta

from sqlalchemy import select

from app.domain.enums import Event
from app.domain.nodes import Heartbeat
from app.domain.stack_id import StackId
from app.store.database import Database
from app.store.tables import Entry, Window
from app.usecases.nodes import claims
from app.usecases.timekeeping import Timekeeper
from app.usecases.windows import expire as expiry
from app.usecases.windows import open as opening
from app.usecases.windows.open import OpenRequest

NOON = datetime(2030, 5, 1, 12, tzinfo=UTC)
HOURS = timedelta(hours=2)


class Host:
    """A host, or the server of the database: a clock on the wall that can be set, and seconds since boot."""

    def __init__(self, url: str) -> None:
        self.url, self.wall, self.up, self.boot = url, NOON, 1000.0, "first"
        self.open = ExitStack()

    def process(self) -> Database:
        """A new process, with its own way to the database."""
        database = Database(self.url, source=lambda: self.wall, elapsed=lambda: self.up, boot=self.boot)
        return self.open.enter_context(closing(database))

    def pass_by(self, seconds: float) -> None:
        self.up += seconds
        self.wall += timedelta(seconds=seconds)

    def reboot(self, wall: datetime) -> None:
        self.up, self.wall, self.boot = 20.0, wall, f"{self.boot}-again"


def tend(database: Database) -> None:
    Timekeeper(database).tend()


def opened(database: Database, ttl: float) -> str:
    with database.write() as session:
        return opening.open_window(
            session, OpenRequest(["forge"], ttl_sec=ttl), actor="ada", now=database.now()
        )[0].id


def state(database: Database, window: str) -> str:
    """The state of the window once a process has acted on its deadline."""
    with database.write() as session:
        expiry.expire_due(session, database.now())
    with database.read() as session:
        return str(session.get_one(Window, window).state)


def steps(database: Database) -> list[dict[str, float]]:
    query = select(Entry).where(Entry.event == Event.CLOCK_STEPPED).order_by(Entry.id)
    with database.read() as session:
        return [json.loads(one.facts) for one in session.scalars(query)]


def alive(database: Database, worker: str = "w1", host: str = "L1") -> None:
    now = database.now()
    mine = Heartbeat(worker, "local", "E1", host, [StackId("studio")], now, now)
    with database.write() as session:
        claims.appear(session, mine, dead=lambda _one: False, now=now)
