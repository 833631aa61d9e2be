"""A small stack that uses one feature of Compose, by the name of its row in docs/compose.md."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.engine.stacks import Definition, Stack, docker, running

Check = Callable[[Stack, str], object]
"""What else holds while the window is open; gets the window's id."""


def _nothing(_stack: Stack, _window: str) -> None:
    """There is nothing else to be seen."""


@dataclass(frozen=True)
class Feature:
    """A stack that uses one feature, and what opening a window on it comes to."""

    services: Mapping[str, Definition]
    opens: Sequence[str] = ("web",)
    more: Mapping[str, Any] = field(default_factory=dict)
    """Other top-level elements of the compose file."""
    core: Sequence[str] = ()
    allow: Sequence[str] | None = None
    tuned: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    toml: Mapping[str, Any] = field(default_factory=dict)
    check: Check = _nothing
    fails: str = ""
    """Words of the reason for which the window fails; empty where it opens."""


FEATURES: dict[str, Callable[[Stack], Feature]] = {}
Make = Callable[[Stack], Feature]


def row(name: str) -> Callable[[Make], Make]:
    """Register the case of the row with this name."""

    def register(make: Make) -> Make:
        assert name not in FEATURES, name
        FEATURES[name] = make
        return make

    return register


def simple(name: str, *, check: Check = _nothing, **more: Any) -> None:
    """A row whose case is one service with these keys."""
    row(name)(lambda _stack: Feature({"web": running(**more)}, check=check))


def inspected(template: str, wanted: str) -> Check:
    """A container of `web` shows this in `docker inspect`."""

    def check(stack: Stack, _window: str) -> None:
        inspection = docker("inspect", stack.ids("web")[0], "--format", template)
        assert wanted in inspection, inspection

    return check


def inside(code: str) -> Check:
    """These lines of Python run in the container of `web` without an error."""

    def check(stack: Stack, _window: str) -> None:
        subprocess.run(["docker", "exec", stack.ids("web")[0], "python3", "-c", code], check=True)

    return check


def written(stack: Stack, name: str, text: str) -> str:
    """A file in the stack's directory."""
    (stack.directory / name).write_text(text)
    return name


def hook(code: str) -> list[dict[str, Any]]:
    return [{"command": ["python3", "-I", "-S", "-c", code]}]
