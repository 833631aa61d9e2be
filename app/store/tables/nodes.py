"""Nodes, their workers, and how often their loops failed."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from app.domain.stack_id import StackId
from app.store.tables.base import BigId, Table


class Node(Table):
    """A host with an engine and a worker, and when it was last heard of."""

    __tablename__ = "nodes"

    name: Mapped[str] = mapped_column(String(120), primary_key=True)
    engine_id: Mapped[str] = mapped_column(String(120))
    worker: Mapped[str] = mapped_column(String(120))
    started_at: Mapped[datetime]
    seen_at: Mapped[datetime]


class Worker(Table):
    """One worker process, its node and engine, and the time of its last heartbeat."""

    __tablename__ = "workers"
    __table_args__ = (Index("workers_of_node", "node"),)

    name: Mapped[str] = mapped_column(String(160), primary_key=True)
    node: Mapped[str] = mapped_column(String(120))
    engine_id: Mapped[str] = mapped_column(String(120))
    locks_id: Mapped[str] = mapped_column(String(64))
    """Tells its lock directory from another; workers of one node share one."""
    stacks: Mapped[list[StackId]]
    """The stacks it serves."""
    started_at: Mapped[datetime]
    seen_at: Mapped[datetime]
    call_limit: Mapped[int] = mapped_column(default=0, server_default="0")
    """How many compose calls may start at once there; 0 where the worker does not say."""
    call_limit_reason: Mapped[str] = mapped_column(Text, default="", server_default="")
    """Why not more, in a sentence; empty where nothing limits them."""


class LoopFailures(Table):
    """How often one loop of a node's workers has failed; it only grows."""

    __tablename__ = "loop_failures"

    node: Mapped[str] = mapped_column(String(120), primary_key=True)
    loop: Mapped[str] = mapped_column(String(40), primary_key=True)
    failures: Mapped[int] = mapped_column(BigId, default=0)
