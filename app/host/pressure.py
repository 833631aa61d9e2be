"""How busy this host is, by the kernel's own figures.

Pressure stall information (Linux 4.20) says for how long processes waited; where a kernel lacks it, the
load average and the available memory are all there is.
Source: https://docs.kernel.org/accounting/psi.html
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from app.domain.throttling import HostLoad

_TOTAL = re.compile(r"^(some|full) .*\btotal=(\d+)", re.MULTILINE)
"""Microseconds of waiting since the host was started."""
_KIBIBYTES = re.compile(r"^(MemTotal|MemAvailable):\s+(\d+) kB", re.MULTILINE)


@dataclass
class LoadReader:
    """Reads the load of the time since it was last asked; the first answer has no waits.

    `proc` is the folder of the kernel's figures.
    """

    proc: Path = Path("/proc")
    cores: int = field(default_factory=lambda: os.cpu_count() or 1)
    clock: Callable[[], float] = time.monotonic
    _before: dict[str, tuple[float, float]] = field(default_factory=dict)
    """By resource: when it was read, and the seconds of waiting by then."""

    def read(self) -> HostLoad:
        """Return the host's load now. What cannot be read counts as no load."""
        return HostLoad(
            free_memory=self._free_memory(),
            load=self._load(),
            memory_wait=self._wait("memory", "some"),
            disk_wait=self._wait("io", "full"),
        )

    def _wait(self, resource: str, kind: str) -> float | None:
        """The share of the time since the last reading in which processes waited for a resource."""
        totals = dict(_TOTAL.findall(self._text(f"pressure/{resource}")))
        if kind not in totals:
            return None
        now, waited = self.clock(), int(totals[kind]) / 1e6
        before, self._before[resource] = self._before.get(resource), (now, waited)
        if before is None or now <= before[0]:
            return None
        return min(1.0, max(0.0, (waited - before[1]) / (now - before[0])))

    def _free_memory(self) -> float:
        kibibytes = {name: int(number) for name, number in _KIBIBYTES.findall(self._text("meminfo"))}
        total = kibibytes.get("MemTotal", 0)
        return kibibytes.get("MemAvailable", total) / total if total else 1.0

    def _load(self) -> float:
        first = self._text("loadavg").split(" ", 1)[0]
        return float(first) / self.cores if re.fullmatch(r"\d+(\.\d+)?", first) else 0.0

    def _text(self, name: str) -> str:
        try:
            return (self.proc / name).read_text()
        except OSError:
            return ""
