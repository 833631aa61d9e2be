"""What was found to be the cause where services failed."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from app.domain.stack_id import StackId
from app.store.tables.base import BigId, Table


class Diagnosis(Table):
    """Why one service failed at one moment, or why a stack's files were refused (then `service` is empty)."""

    __tablename__ = "diagnoses"
    __table_args__ = (
        Index("diagnoses_of_service", "stack", "service", "id"),
        Index("diagnoses_in_time", "at"),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=True)
    stack: Mapped[StackId] = mapped_column(String(120))
    service: Mapped[str] = mapped_column(String(120))
    window_id: Mapped[str | None] = mapped_column(String(32))
    """The newest window that held the service then; null where none did."""
    node: Mapped[str] = mapped_column(String(120))
    at: Mapped[datetime]
    causes: Mapped[list[dict[str, Any]]] = mapped_column(JSON())
    """The most certain first; one `unknown` where no rule spoke."""
