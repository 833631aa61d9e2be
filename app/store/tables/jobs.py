"""The columns that runs of scenarios and requests for intents share."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import String, Text
from sqlalchemy.orm import Mapped, mapped_column

from app.domain.stack_id import StackId


class JobColumns:
    """A job: a row that one worker of a node claims, carries out in a thread of its own, and finishes.

    A table of jobs also has `state` and `outcome`, with words of its own, and `UNFINISHED`, its states but
    the last.
    """

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    stack: Mapped[StackId] = mapped_column(String(120))
    node: Mapped[str] = mapped_column(String(120))
    actor: Mapped[str] = mapped_column(String(120))
    services: Mapped[list[str]]
    detail: Mapped[str] = mapped_column(Text, default="")
    """What the job does now or, at its end, why it ended so."""
    window_id: Mapped[str | None] = mapped_column(String(32))
    worker: Mapped[str] = mapped_column(String(120), default="")
    """The worker that carries the job out; empty until one has claimed it."""
    cancelled_by: Mapped[str | None] = mapped_column(String(120))
    created_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
