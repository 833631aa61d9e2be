"""Nodes that are away and stacks whose files are not in force, by the database.

This is apart from `power doctor`, so that the command line loads no database for other commands.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

from sqlalchemy import inspect

from app.store import stacks, workers
from app.store.database import Database
from app.store.tables import Node, Stack, stamp

Trouble = tuple[str, str]
"""What is wrong, and how to mend it."""


def troubles(database_url: str) -> tuple[list[str], list[Trouble]]:
    """The nodes that are known, and what is wrong with them. Raises what the store raises."""
    with closing(Database(database_url)) as database:
        if not inspect(database.engine).has_table("workers"):
            return [], []
        now = database.now()
        with database.read() as session:
            nodes, every = stacks.nodes(session), stacks.every(session)
            away = workers.away(session, every, now)
        node_troubles = [
            trouble for node in nodes for trouble in _node(node, [s for s in every if s.name in away])
        ]
        return [node.name for node in nodes], [*node_troubles, *(one for row in every for one in _stack(row))]


def _node(node: Node, away: list[Stack]) -> Iterator[Trouble]:
    if names := [stack.name for stack in away if stack.node == node.name]:
        last_sign = stamp(node.seen_at)
        yield (
            f"{node.name}: not heard of since {last_sign}; away: {', '.join(names)}",
            f"start its worker, `celery -A workers worker -Q power,power.{node.name}`, "
            f"with POWER_NODE={node.name}",
        )


def _stack(row: Stack) -> Iterator[Trouble]:
    for fault in row.refused:
        yield f"{row.name}: a change is not in force: {fault}", "correct the file it names"
