"""What the worker's own code says of a stack's files and images, asked in processes of their own.

What is served is what the worker accepts, so `power check`, `power doctor` and `power init` ask it. No
answer starts, stops or changes anything.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from app.standalone import probes


class NoEngineAnswer(Exception):
    """The engine does not answer; the message says why, in one line."""


@dataclass(frozen=True)
class StackReading:
    """What the worker says of one stack: its faults, one line each, else its images."""

    faults: list[str] = field(default_factory=list)
    images: Mapping[str, str] = field(default_factory=dict)
    """The image of each core and each allowed service."""
    built: frozenset[str] = frozenset()
    """The services whose image is built from the stack's own files."""
    hashes: Mapping[str, str] = field(default_factory=dict)
    """Compose's configuration hash of each service of the files."""


def read_stack(config: Path, stack: str, environ: Mapping[str, str]) -> StackReading:
    """Read one stack of a power.toml as the worker does; without faults the worker would serve it."""
    answer = probes.ask(
        sys.executable, "-m", "workers.stacks.stack_report", str(config), stack, environ=environ, seconds=90.0
    )
    if answer.returncode == 0:
        printed: dict[str, Any] = json.loads(answer.stdout)
        return StackReading([], printed["images"], frozenset(printed["built"]), printed["hashes"])
    lines = [line for line in answer.stderr.splitlines() if line.strip()] or ["the check gave no answer"]
    # After a traceback the last line is the one that tells.
    return StackReading(lines[-1:] if any(line.startswith("Traceback") for line in lines) else lines)


def find_images(names: Iterable[str], environ: Mapping[str, str]) -> dict[str, bool]:
    """The images that the engine has, and of each whether it has a healthcheck of its own.

    Raises NoEngineAnswer.
    """
    wanted = sorted(set(names))
    if not wanted:
        return {}
    answer = probes.ask(
        sys.executable, "-m", "workers.engine.image_report", *wanted, environ=environ, seconds=60.0
    )
    if answer.returncode != 0:
        raise NoEngineAnswer((answer.stderr.strip() or "no answer").splitlines()[-1])
    has_healthcheck: dict[str, bool] = json.loads(answer.stdout)
    return has_healthcheck
