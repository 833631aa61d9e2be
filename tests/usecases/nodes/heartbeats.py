"""Nodes that appear, fall silent and come back, by their heartbeats."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from sqlalchemy import select

from app.domain.nodes import AWAY_AFTER, Heartbeat
from app.domain.stack_id import StackId
from app.store.tables import Window
from app.usecases.nodes import claims
from app.usecases.windows import open as opening
from tests.system import System


def sign(system: System, worker: str = "w1", node: str = "local", **more: object) -> Heartbeat:
    plain = Heartbeat(worker, node, "E1", "L1", [StackId("studio")], system.now, system.now)
    return replace(plain, **more)  # type: ignore[arg-type]


def no_worker_is_dead(_worker: str) -> bool:
    return False


def appear(system: System, mine: Heartbeat, dead: Callable[[str], bool] = no_worker_is_dead) -> None:
    with system.database.write() as session:
        claims.appear(session, mine, dead=dead, now=system.now)


def go_away(system: System) -> None:
    """The worker was there, and is not heard of any more."""
    appear(system, sign(system))
    system.now += AWAY_AFTER


def ask(system: System, *names: str, ttl: float = 600.0) -> str:
    return system.ask(*names, ttl=ttl)[0]


def admit(system: System) -> list[str]:
    """The worker is back: what waited begins."""
    appear(system, sign(system, "w2"))
    with system.database.write() as session:
        waiting = [one.id for one in session.scalars(select(Window).where(Window.state == "waiting"))]
        admitted = [opening.admit(session, window, system.now) for window in waiting]
    system.work()
    return [one.id for one in admitted if one]
