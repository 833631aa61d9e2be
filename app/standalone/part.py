"""One process of the tree by itself, for those who have another supervisor, such as Compose or systemd.

    python -m app.standalone.part web|worker|beat|flower

It becomes that process, with the very command line that a standalone gives it, writes to
its own output, and listens on all addresses: the supervisor keeps other hosts out.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping

from app import settings
from app.settings import Settings
from app.standalone import children
from app.web import server

EVERYWHERE = "0.0.0.0"
WEB_PORT, FLOWER_PORT_INSIDE = 8420, 5555

CommandLine = tuple[str, ...]


def _web(_: Settings) -> CommandLine:
    return tuple(server.command(EVERYWHERE, WEB_PORT))


def _worker(settings: Settings) -> CommandLine:
    name = f"power@{settings.node}.%h"
    return children.worker_command(settings.node, name, builds=settings.features.intents)


def _beat(_: Settings) -> CommandLine:
    return children.beat_command()


def _flower(_: Settings) -> CommandLine:
    return children.flower_command(EVERYWHERE, FLOWER_PORT_INSIDE)


PARTS: Mapping[str, Callable[[Settings], CommandLine]] = {
    "web": _web,
    "worker": _worker,
    "beat": _beat,
    "flower": _flower,
}


def command(name: str, environ: Mapping[str, str]) -> CommandLine:
    """The command line of one part; raises KeyError for what is none."""
    return PARTS[name](settings.load_or_exit(environ))


def main(arguments: list[str]) -> None:
    """Run one part of the service in this process."""
    if len(arguments) != 1 or arguments[0] not in PARTS:
        raise SystemExit(f"name one of {', '.join(PARTS)}")
    (name,) = arguments
    argv = command(name, os.environ)
    environ = dict(os.environ) | (
        {"FLOWER_BASIC_AUTH": _with_password(os.environ)} if name == "flower" else {}
    )
    os.execve(argv[0], argv, environ)


def _with_password(environ: Mapping[str, str]) -> str:
    """Flower shows every window, so it does not start without a password."""
    if password := environ.get("POWER_FLOWER_PASSWORD"):
        return f"power:{password}"
    raise SystemExit(
        "POWER_FLOWER_PASSWORD is not set: Flower shows the windows of all users and needs a password"
    )


if __name__ == "__main__":
    main(sys.argv[1:])
