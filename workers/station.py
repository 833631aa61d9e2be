"""One worker's standing: what it serves, with what, and under which name."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from app.store.database import Database
from workers.engine import Engine
from workers.identity import Identity
from workers.lanes import CLOSING, OPENING, Lane
from workers.restarts import Restarts
from workers.stacks import Served


def _nobody(_stack: str) -> None:
    """Until a watch has begun, there is nobody to look again."""


@dataclass
class Station:
    """Shared by all threads of a worker."""

    database: Database
    engine: Engine
    me: Identity
    node: str
    lock_dir: Path
    engine_id: str = ""
    stacks: dict[str, Served] = field(default_factory=dict)
    restarts: Restarts = field(default_factory=Restarts)
    opening: Lane = field(default_factory=lambda: Lane(OPENING))
    closing: Lane = field(default_factory=lambda: Lane(CLOSING))
    look_again: Callable[[str], None] = _nobody
    """Ask for another look at a stack, soon and by somebody else."""
    core: dict[str, frozenset[str]] = field(default_factory=dict)
    """What this worker's own power.toml calls core, whatever a row in the database may say."""
    digests: dict[str, str] = field(default_factory=dict)
    """The digest of each image by name, as last looked up."""
    under_way: set[int] = field(default_factory=set)
    """Ids of the calls that this worker is making right now."""
    looking: dict[str, threading.Lock] = field(default_factory=dict)

    def one_look(self, stack: str) -> threading.Lock:
        """Looks at one stack are taken in one after another."""
        return self.looking.setdefault(stack, threading.Lock())
