"""Compose calls as values: one that begins, how it ended, and what a service was then seen doing."""

from __future__ import annotations

from dataclasses import dataclass

from app.domain.enums import Action, CallStatus, Power
from app.domain.stack_id import StackId


@dataclass(frozen=True, slots=True)
class StartedCall:
    """A compose call about to be made: for whom, by whom, and the whole command line."""

    stack: StackId
    service: str
    action: Action
    argv: tuple[str, ...]
    node: str
    worker: str
    window: str | None = None
    image: str = ""
    image_digest: str = ""
    config_hash: str = ""


@dataclass(frozen=True, slots=True)
class CallOutcome:
    """How a call ended. `returncode` is None if it was killed or never started."""

    status: CallStatus
    returncode: int | None
    elapsed_ms: int
    stdout: str = ""
    stderr: str = ""


@dataclass(frozen=True, slots=True)
class SeenContainers:
    """What one service was seen doing."""

    power: Power
    detail: str = ""
    alive: bool = False
    revived: bool = False
    """Whether the engine restarted it since it was last seen off, without a person or a worker."""
    severed: bool = False
    """It runs, but a network or namespace of it no longer exists."""
    outdated: bool = False
    """It runs with another definition than the compose files have now."""
    image_missing: bool | None = None
    """Whether it has no container and the engine lacks its image; None where that was not looked up."""

    @property
    def ready(self) -> bool:
        """Is the service ready, by its power?"""
        return self.power.is_ready
