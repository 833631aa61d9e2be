"""What services used while windows held them."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import (
    Index,
    String,
)
from sqlalchemy.orm import Mapped, mapped_column

from app.domain.stack_id import StackId
from app.store.tables.base import BigId, Table


class Sample(Table):
    """What one service used at one moment, all its containers together."""

    __tablename__ = "samples"
    __table_args__ = (Index("samples_in_time", "at"),)

    stack: Mapped[StackId] = mapped_column(String(120), primary_key=True)
    service: Mapped[str] = mapped_column(String(120), primary_key=True)
    at: Mapped[datetime] = mapped_column(primary_key=True)
    cpu: Mapped[float]
    """Cores in use, since the sample before."""
    memory: Mapped[int] = mapped_column(BigId)
    """Bytes, without the files that the kernel keeps cached."""
