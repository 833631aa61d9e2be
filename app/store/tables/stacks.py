"""Stacks and their services."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import (
    String,
    Text,
    false,
)
from sqlalchemy.orm import Mapped, mapped_column

from app.domain.enums import Power, Role
from app.domain.locations import Location
from app.domain.planning import StackSpec
from app.domain.stack_id import StackId
from app.store.tables.base import EnumColumn, Table


class Stack(Table):
    """A stack as its worker published it; `faults` where its last reading was rejected."""

    __tablename__ = "stacks"

    name: Mapped[StackId] = mapped_column(String(120), primary_key=True)
    node: Mapped[str] = mapped_column(String(120))
    project: Mapped[str] = mapped_column(String(120))
    definition: Mapped[dict[str, Any]]
    digest: Mapped[str] = mapped_column(String(64))
    loaded_at: Mapped[datetime]
    faults: Mapped[list[str]] = mapped_column(default=list)
    refused: Mapped[list[str]] = mapped_column(default=list, server_default="[]")
    """Why a later change of its files is not in force, while what was good before still is."""
    engine_id: Mapped[str] = mapped_column(String(120), default="", server_default="")
    """The engine on which its worker serves it; empty until that has answered."""

    @property
    def spec(self) -> StackSpec:
        """The specification that the worker published."""
        return StackSpec.from_json(self.definition)

    @property
    def location(self) -> Location:
        """Where what is opened on it now runs."""
        return Location(self.project, self.engine_id)


class Service(Table):
    """The state of one service at its last inspection, and whether its stop is pending."""

    __tablename__ = "services"

    stack: Mapped[StackId] = mapped_column(String(120), primary_key=True)
    name: Mapped[str] = mapped_column(String(120), primary_key=True)
    role: Mapped[Role] = mapped_column(EnumColumn(Role, Role.NONE))
    power: Mapped[Power] = mapped_column(EnumColumn(Power, Power.UNKNOWN), default=Power.UNKNOWN)
    ready: Mapped[bool] = mapped_column(default=False)
    detail: Mapped[str] = mapped_column(Text, default="")
    alive: Mapped[bool] = mapped_column(default=False)
    """True where any of its containers runs."""
    observed_at: Mapped[datetime | None]
    changed_at: Mapped[datetime | None]
    stop_pending: Mapped[bool] = mapped_column("owed", default=False)
    """A window held it since it was last confirmed off, so a stop is pending once no window does."""
    unsure: Mapped[bool] = mapped_column(default=False)
    """An `up` was started since a `stop` last returned 0; the service may still start."""
    fault: Mapped[str] = mapped_column(Text, default="")
    """Why its last `up` failed, until one succeeds or no lease wants it."""
    start_failed: Mapped[bool] = mapped_column(default=False, server_default=false())
    """True after an `up` that failed, even if a container runs."""
    severed: Mapped[bool] = mapped_column(default=False, server_default=false())
    """It has to be recreated: a network or namespace of it no longer exists, or its hook did not end."""
    outdated: Mapped[bool] = mapped_column(default=False, server_default=false())
    """It runs with another definition than the compose files have now."""
    image_missing: Mapped[bool] = mapped_column(default=False, server_default=false())
    """At the last check it had no container, and the engine lacked its image."""
    failures: Mapped[int] = mapped_column(default=0)
    """Stops that failed in a row."""
    retry_at: Mapped[datetime | None]
    drift_since: Mapped[datetime | None]
    """Since when its power has differed from what is wanted without a window waiting for it."""
    project: Mapped[str] = mapped_column(String(120), default="", server_default="")
    engine_id: Mapped[str] = mapped_column(String(120), default="", server_default="")
    """With `project`, the location of the pending stop; empty where none is pending or it is not known."""

    @property
    def location(self) -> Location:
        """Where its stop is pending."""
        return Location(self.project, self.engine_id)

    def mark_stop_pending(self, at: Location) -> None:
        """Mark a stop as pending at this location; a stop that is pending already keeps its location."""
        if not self.stop_pending or self.location == Location():
            self.project, self.engine_id = at.project, at.engine_id
        self.stop_pending = True

    def has_stop_pending_outside(self, here: Location) -> bool:
        """Is its stop pending in another location than this?"""
        return self.stop_pending and not self.location.agrees(here)

    def confirm_off(self) -> None:
        """Record that the service is off, so that no stop is pending."""
        self.stop_pending, self.project, self.engine_id = False, "", ""
