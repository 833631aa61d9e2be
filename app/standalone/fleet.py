"""Nodes that are away and stacks whose files are not in force, by the database.

This is apart from `power doctor`, so that the command line loads no database for other commands.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import inspect

from app.domain.nodes import Heartbeat
from app.domain.stack_id import StackId
from app.store import locks, stacks, workers
from app.store.database import Database
from app.store.tables import Node, Stack, stamp

Trouble = tuple[str, str]
"""What is wrong, and how to mend it."""


@dataclass(frozen=True)
class WorkerHost:
    """The workers of this machine: their node, their lock directory, and how they are started again.

    `restart` is empty where the command of a deployment does that.
    """

    node: str
    lock_dir: Path
    restart: str = ""

    def mend(self, node: str) -> str:
        """How a worker of a node is started."""
        if node == self.node and self.restart:
            return self.restart
        return f"start its worker, `celery -A workers worker -Q power,power.{node}`, with POWER_NODE={node}"

    def has(self, worker: Heartbeat) -> bool:
        """Does it use this lock directory?"""
        try:
            return (self.lock_dir / locks.DIRECTORY_ID).read_text().strip() == worker.locks_id
        except OSError:
            return False

    def is_dead(self, worker: Heartbeat) -> bool:
        """Has that worker, one of this machine, ended? The kernel releases its lock at once."""
        try:
            return self.has(worker) and locks.is_free(self.lock_dir, locks.WORKER, worker.worker)
        except OSError:
            return False


def troubles(database_url: str, host: WorkerHost) -> tuple[list[str], list[Trouble]]:
    """The nodes that are known, and what is wrong with them. Raises what the store raises."""
    with closing(Database(database_url)) as database:
        if not inspect(database.engine).has_table("workers"):
            return [], []
        now = database.now()
        with database.read() as session:
            nodes, every = stacks.nodes(session), stacks.every(session)
            away, signs = workers.away(session, every, now), workers.signs(session)
    node_troubles = [
        trouble
        for node in nodes
        for trouble in _dead(node, [sign for sign in signs if sign.node == node.name], host)
        or _node(node, [stack for stack in every if stack.name in away], host)
    ]
    return [node.name for node in nodes], [*node_troubles, *(one for row in every for one in _stack(row))]


def stacks_in_force(database_url: str) -> set[StackId]:
    """The stacks of which a worker that is heard of serves an accepted definition."""
    with closing(Database(database_url)) as database:
        if not inspect(database.engine).has_table("workers"):
            return set()
        now = database.now()
        with database.read() as session:
            every = stacks.every(session)
            away = workers.away(session, every, now)
            return {row.name for row in every if not row.faults and row.name not in away}


def _dead(node: Node, signs: list[Heartbeat], host: WorkerHost) -> list[Trouble]:
    """A node whose workers have all ended on this machine; that is known before a heartbeat is late."""
    if not signs or not all(host.is_dead(sign) for sign in signs):
        return []
    names = ", ".join(sign.worker for sign in signs)
    return [(f"{node.name}: its worker {names} was killed, and none serves the node", host.mend(node.name))]


def _node(node: Node, away: list[Stack], host: WorkerHost) -> list[Trouble]:
    names = [stack.name for stack in away if stack.node == node.name]
    if not names:
        return []
    detail = f"{node.name}: not heard of since {stamp(node.seen_at)}; away: {', '.join(names)}"
    return [(detail, host.mend(node.name))]


def _stack(row: Stack) -> Iterator[Trouble]:
    for fault in row.refused:
        yield f"{row.name}: a change is not in force: {fault}", "correct the file it names"
