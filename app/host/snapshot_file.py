"""Where a worker keeps what it last knew of its node, for those who only ask whether anything may be on.

Workers write and read it (`workers.state.snapshot`); it is theirs alone to interpret.
"""

from __future__ import annotations

import json
from pathlib import Path

FILE = "known.json"


def directory(data_dir: Path, node: str) -> Path:
    """Where a node's worker keeps its snapshot."""
    return data_dir / "blind" / node


def on(data_dir: Path, node: str) -> list[str]:
    """Services that may be on by the snapshot, as STACK/SERVICE; none where there is no snapshot to read."""
    try:
        said = json.loads((directory(data_dir, node) / FILE).read_text())
        return sorted(
            f"{stack}/{service}"
            for stack, known in said["stacks"].items()
            for service in {*known["owing"], *(lease["service"] for lease in known["leases"])}
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return []
