"""Why services failed, as values of the API's replies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from power_windows.values import parse_time


@dataclass(frozen=True, slots=True)
class Cause:
    """One possible cause of a failure; `confidence` is from 0 to 1, `patch` a unified diff or empty."""

    cause: str
    title: str
    confidence: float
    evidence: tuple[str, ...]
    suggestion: str
    rule: str
    patch: str

    @classmethod
    def of(cls, payload: Mapping[str, Any]) -> Cause:
        """Return the value of a reply's JSON; raises KeyError where a field is missing."""
        return cls(
            cause=payload["cause"],
            title=payload["title"],
            confidence=payload["confidence"],
            evidence=tuple(payload["evidence"]),
            suggestion=payload["suggestion"],
            rule=payload["rule"],
            patch=(payload["patch"] or {}).get("diff", ""),
        )


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """Why a service failed, the most certain cause first."""

    stack: str
    service: str
    at: datetime | None
    causes: tuple[Cause, ...]

    @classmethod
    def of(cls, payload: Mapping[str, Any]) -> Diagnosis:
        """Return the value of a reply's JSON; raises KeyError where a field is missing."""
        causes = tuple(map(Cause.of, payload["causes"]))
        return cls(payload["stack"], payload["service"], parse_time(payload["at"]), causes)
