"""What the engine says that one container uses, taken from its own words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.domain.idle_visits import Traffic


@dataclass(frozen=True, slots=True)
class Usage:
    """Seconds of one core used since a container began, and bytes of memory in use now."""

    cpu_seconds: float
    memory: int
    traffic: Traffic | None
    """None where a container has no network of its own."""


def parse(stats: Mapping[str, Any]) -> Usage:
    """Raises KeyError, TypeError or AttributeError where that is not said, as of one that does not run."""
    memory = stats["memory_stats"]
    details = memory.get("stats") or {}
    cached = details.get("inactive_file", details.get("total_inactive_file", 0))
    return Usage(
        stats["cpu_stats"]["cpu_usage"]["total_usage"] / 1e9,
        max(0, memory["usage"] - cached),
        _traffic(stats.get("networks") or {}),
    )


def _traffic(networks: Mapping[str, Mapping[str, int]]) -> Traffic | None:
    interfaces = [
        Traffic(one["rx_bytes"], one["rx_packets"], one["tx_bytes"], one["tx_packets"])
        for one in networks.values()
    ]
    return sum(interfaces, Traffic()) if interfaces else None
