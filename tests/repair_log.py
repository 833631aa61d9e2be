"""Reads from the logs of real workers what only a repair has noticed: no ordinary change waits for one."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

_LINE = "only the idle poll or a resync has noticed a change"


def changes_in(logs: Iterable[Path]) -> list[str]:
    """The lines that say so in these logs; one that is not there has none."""
    texts = [log.read_text(errors="replace") for log in logs if log.exists()]
    return [line for text in texts for line in text.splitlines() if _LINE in line]
