"""A stack with one service that fails, by the name of its case."""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.engine.small_images import ensure_image
from tests.engine.stacks import Definition, Stack, python


@dataclass
class FailingCase:
    """A stack with one service, `web`, that fails; `cause` is what the diagnosis has to find."""

    cause: str
    services: Mapping[str, Definition]
    opens: tuple[str, ...] = ("web",)
    title: str = ""
    """A part of the title."""
    patch: str = ""
    """The file that is patched; empty where none is expected."""
    more: Mapping[str, Any] = field(default_factory=dict)
    before: Callable[[Stack], object] | None = None
    """Done on the engine before the window opens."""
    after: Callable[[Stack], object] | None = None
    """Done once the window is open."""
    closes: bool = False
    """The failure is seen when the window closes."""


def script(text: str, *, mode: int = 0o755, run: list[str] | None = None, **more: Any) -> Definition:
    """A service whose image has /entry.sh, which it runs."""
    name = ensure_image({"entry.sh": (text.encode(), mode)}, changes=['ENTRYPOINT ["/entry.sh"]'])
    definition: Definition = {"image": name, "stop_grace_period": "2s"}
    return definition | ({"entrypoint": run} if run else {}) | more


def shell(code: str, **more: Any) -> Definition:
    return script("#!/bin/sh\n", run=["/bin/sh", "-c", code.replace("$", "$$")], **more)


def fails(text: str) -> Definition:
    """A program that writes this and ends with 1, for runtimes that are not on this machine."""
    return python(f"sys.stderr.write({text!r} + chr(10)); sys.exit(1)")


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def healthcheck(test: list[str], **more: Any) -> dict[str, Any]:
    return {"test": test, "interval": "300ms", "timeout": "2s", "retries": 2, "start_period": "0s", **more}


CASES: dict[str, Callable[[Stack], FailingCase]] = {}


def case(build: Callable[[Stack], FailingCase]) -> Callable[[Stack], FailingCase]:
    CASES[build.__name__] = build
    return build


def plain(name: str, cause: str, service: Callable[[], Definition], title: str = "", **more: Any) -> None:
    CASES[name] = lambda _stack: FailingCase(cause, {"web": service()}, title=title, **more)
