"""What the actors were promised, by their own clock; nothing here comes from the database."""

from __future__ import annotations

import math
import threading
import time
from dataclasses import dataclass, field
from typing import Any

from chaos import stacks
from chaos.plan import WindowPlan

Json = dict[str, Any]
SLACK = 0.5
"""Seconds that two readings of the same clock may be apart, with a busy machine between them."""


@dataclass
class Answer:
    """One request and what came of it; `status` 0 where nothing did."""

    at: float
    took: float
    method: str
    path: str
    status: int
    said: str = ""


@dataclass
class Promise:
    """One window as its actor knows it.

    `sure` is the end that it was told, or the earlier one of two where an answer was lost;
    `longest` is the latest that it may be.
    """

    plan: WindowPlan
    window: str = ""
    accepted: float = math.inf
    """When the answer came; before that no caller may rely on it."""
    asked: float = math.inf
    sure: float = 0.0
    longest: float = 0.0
    changed: float = 0.0
    """When its deadline was last set."""
    released_at: float = math.inf
    """When its actor first asked for its end."""
    refused: str = ""
    acts: list[Json] = field(default_factory=list)
    odd: list[str] = field(default_factory=list)
    """Answers that cannot be right."""

    @property
    def holds(self) -> set[str]:
        return stacks.closure(self.plan.services)

    def surely_held(self, at: float) -> bool:
        return self.accepted <= at < min(self.sure, self.released_at)

    def confirm(self, sent: float, deadline: float, ttl: float) -> None:
        """An answer names the deadline; by the actor's own clock it must lie where it was asked for."""
        self.sure = self.longest = deadline
        self.changed = time.time()
        if not sent + ttl - SLACK <= deadline <= time.time() + ttl + SLACK:
            self.odd.append(f"asked at {sent:.2f} for {ttl:g} s, the answer says {deadline:.2f}")

    def perhaps_moved(self, sent: float, ttl: float) -> None:
        """The deadline may have moved: the answer was lost."""
        self.sure, self.longest = min(self.sure, sent + ttl), max(self.longest, time.time() + ttl + SLACK)

    def closed(self) -> None:
        """Its end was asked for, and that was accepted."""
        self.longest = min(self.longest, time.time())


class Ledger:
    """Shared by all actors."""

    def __init__(self) -> None:
        self.promises: list[Promise] = []
        self.answers: list[Answer] = []
        self.refusals: list[Json] = []
        self._lock = threading.Lock()

    def promise(self, plan: WindowPlan) -> Promise:
        with self._lock:
            self.promises.append(Promise(plan))
            return self.promises[-1]

    def answered(self, answer: Answer) -> None:
        with self._lock:
            self.answers.append(answer)

    def last_end(self) -> float:
        """When the last window that was promised so far is over at the latest."""
        with self._lock:
            return max((one.longest for one in self.promises), default=0.0)

    @property
    def unanswered(self) -> list[Promise]:
        with self._lock:
            return [one for one in self.promises if not one.window and not one.refused]
