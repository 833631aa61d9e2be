"""Checks of what runs: the web server that clients would ask, and the nodes by the database."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TypeVar

from app.cli.findings import Finding
from app.domain.stack_id import StackId
from app.settings import Settings, environment
from power_windows import discovery
from power_windows.errors import Refused, Unreachable, WrongUsage

AnswerT = TypeVar("AnswerT")

WEB_SECONDS = 5.0
"""How long the web server may take to answer."""


def check_web(server_settings: Settings, environ: Mapping[str, str]) -> Iterator[Finding]:
    """Does a web server answer at the address that a client would use? No finding before the first start."""
    try:
        url = discovery.find(environ).url
    except Unreachable:
        if command := _standalone_command(server_settings, environ):
            detail = f"no standalone runs on {server_settings.data_dir}, so no web server answers"
            yield Finding("web", False, detail, f"start it: `{command}`")
        return
    except (WrongUsage, Refused):
        # Several standalones run, or the token is another user's: which one is asked is the client's matter.
        return
    fault = _web_fault(url)
    if not fault:
        yield Finding("web", True, f"{url} answers")
        return
    logs = server_settings.data_dir / "logs"
    mend = "start that web server, or correct POWER_URL" if environ.get("POWER_URL") else f"see {logs}"
    yield Finding("web", False, f"{url}: {fault}", mend)


def _web_fault(url: str) -> str:
    """Why no web server answers at an address; empty where one does."""
    import httpx

    try:
        answer = httpx.get(f"{url}/healthz", timeout=WEB_SECONDS)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return f"no answer: {error or type(error).__name__}"
    return "" if answer.status_code == 200 else f"/healthz answers {answer.status_code}"


def check_nodes(server_settings: Settings, environ: Mapping[str, str]) -> Iterator[Finding]:
    """Nodes that are away, by the database; faults of the database itself are another check's."""
    from app.standalone import fleet

    host = fleet.WorkerHost(
        server_settings.node, server_settings.lock_dir, _restart(server_settings, environ)
    )
    answer = _ask_database(server_settings, lambda url: fleet.troubles(url, host))
    names, troubles = answer or ([], [])
    for trouble, mend in troubles:
        yield Finding("nodes", False, trouble, mend)
    if names and not troubles:
        yield Finding("nodes", True, ", ".join(names))


def stacks_in_force(server_settings: Settings) -> set[StackId]:
    """The stacks of which a worker serves a definition that it has accepted, by the database."""
    from app.standalone import fleet

    return _ask_database(server_settings, fleet.stacks_in_force) or set()


def _ask_database(server_settings: Settings, ask: Callable[[str], AnswerT]) -> AnswerT | None:
    """What a question to the database at this address finds; None where there is none, or it has faults."""
    from sqlalchemy import make_url
    from sqlalchemy.exc import ArgumentError, SQLAlchemyError

    from app.store import integrity

    try:
        url = make_url(server_settings.database_url)
        if url.get_backend_name() == "sqlite" and not Path(url.database or "").exists():
            return None
        integrity.require(server_settings.database_url)
        return ask(server_settings.database_url)
    except (SQLAlchemyError, ArgumentError, ImportError, integrity.Unsound):
        return None


def _restart(server_settings: Settings, environ: Mapping[str, str]) -> str:
    """How a worker of this machine's standalone is started again; empty in a deployment."""
    if any(one.data_dir == server_settings.data_dir for one in discovery.live(environ)):
        log = server_settings.data_dir / "logs" / "worker.log"
        return f"its standalone starts it again; if it does not, see {log}"
    command = _standalone_command(server_settings, environ)
    return f"start it: `{command}`" if command else ""


def _standalone_command(server_settings: Settings, environ: Mapping[str, str]) -> str:
    """The command that starts the standalone of this data directory; empty where none was ever started."""
    data_dir = server_settings.data_dir
    if not (data_dir / "standalone.lock").exists():
        return ""
    is_default = data_dir == environment.default_data_dir(environ).expanduser().absolute()
    return shlex.join(["power", "standalone", *([] if is_default else ["--data-dir", str(data_dir)])])
