"""The system: what the web process knows of itself, the database, the broker and the nodes."""

from __future__ import annotations

import platform
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from importlib import metadata
from typing import Any

from sqlalchemy.orm import Session

from app.domain import durations
from app.domain.nodes import Heartbeat
from app.store import database_facts, loop_failures, notifications, stacks, windows, workers
from app.store.schema import NEWEST_SCHEMA
from app.store.tables import Node, Stack
from app.task_queue import SHARED_QUEUE, queue
from app.web import problems
from app.web.authentication import Caller
from app.web.console.formatting import size
from app.web.console.local_time import zone_label
from app.web.console.pages import PageResponse, Pages, render_page
from app.web.context import WebContext
from app.web.problems import ApiError

pages = Pages()
_LEAST_FREE = 0.05
"""The share of the disk that must be free."""
_LONG_QUEUE = 100


@dataclass(frozen=True, slots=True)
class SystemCheck:
    """One thing that should be right: whether it is, in words, and what mends it."""

    name: str
    is_ok: bool
    detail: str
    mend: str = ""


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """A node, its queue, its workers and the failures of their loops."""

    name: str
    is_away: bool
    age: str
    queued: int | None
    workers: list[Heartbeat]
    stacks: list[str]
    failures: dict[str, int]


@pages.add("GET", "/system", admin=True)
def system_page(context: WebContext, caller: Caller) -> PageResponse:
    """Checks, nodes, versions and features."""
    _require_operator(caller)
    return render_page("system.html", **_facts(context))


@pages.add("GET", "/parts/system", part=True, admin=True)
def system_part(context: WebContext, caller: Caller) -> PageResponse:
    """The facts, for the page to replace."""
    _require_operator(caller)
    return render_page("_system.html", **_facts(context))


def _require_operator(caller: Caller) -> None:
    """Raise ApiError for a caller of a namespace, since the host is not the namespace's."""
    if not caller.viewer.is_operator:
        raise ApiError(problems.OUT_OF_SCOPE, "This page is for tokens of the default namespace.")


def _facts(context: WebContext) -> dict[str, Any]:
    now = context.database.now()
    with context.database.read() as session:
        nodes, stack_rows = stacks.nodes(session), list(stacks.every(session))
        depths = context.dispatch.depths([SHARED_QUEUE, *(queue(node.name) for node in nodes)])
        node_facts = [_node(session, node, stack_rows, depths, now) for node in nodes]
        checks = [
            *_database_checks(session),
            _broker_check(context, depths),
            _disk_check(context),
            *_node_checks(node_facts),
            *_stack_checks(stack_rows),
            *_window_checks(session),
        ]
        versions = {"Power Windows": _own_version(), "Python": platform.python_version()}
        versions |= {"Database": database_facts.version(session), "Schema": NEWEST_SCHEMA}
        figures = _figures(context, session)
    return {
        "checks": checks,
        "nodes": node_facts,
        "versions": versions,
        "figures": figures,
        "features": _features(context),
        "zone": zone_label(now),
    }


def _node(
    session: Session, node: Node, stack_rows: list[Stack], depths: dict[str, int], now: datetime
) -> NodeFacts:
    signs = [sign for sign in workers.signs(session) if sign.node == node.name]
    mine = [row for row in stack_rows if row.node == node.name]
    counts = {
        loop: number for (name, loop), number in loop_failures.counts(session).items() if name == node.name
    }
    return NodeFacts(
        node.name,
        not any(sign.live(now) for sign in signs),
        durations.show((now - node.seen_at).total_seconds()),
        depths.get(queue(node.name)),
        signs,
        [row.name for row in mine],
        counts,
    )


def _database_checks(session: Session) -> Iterator[SystemCheck]:
    yield SystemCheck("Database", True, f"answers, {size(database_facts.size(session))}")
    revision = database_facts.schema_revision(session)
    is_newest = revision == NEWEST_SCHEMA
    detail = f"at {revision}, the newest" if is_newest else f"at {revision}; needed is {NEWEST_SCHEMA}"
    yield SystemCheck("Schema", is_newest, detail, "run python -m migrations upgrade")


def _broker_check(context: WebContext, depths: dict[str, int]) -> SystemCheck:
    broker = context.readiness.read_report()["broker"]
    waiting = sum(depths.values())
    if broker["status"] != "ok":
        mend = "power doctor on its host tells how; until then windows open and end a little later"
        return SystemCheck("Broker", False, broker["detail"], mend)
    detail = f"takes messages, {waiting} {'waits' if waiting == 1 else 'wait'} in its queues"
    return SystemCheck("Broker", waiting <= _LONG_QUEUE, detail, "look whether the nodes' workers run")


def _disk_check(context: WebContext) -> SystemCheck:
    try:
        usage = shutil.disk_usage(context.settings.data_dir)
    except OSError as error:
        return SystemCheck("Disk", False, f"the data directory: {error.strerror}", "create it, or mount it")
    detail = f"{size(usage.free)} of {size(usage.total)} free below the data directory"
    return SystemCheck("Disk", usage.free > _LEAST_FREE * usage.total, detail, "free some space")


def _node_checks(nodes: list[NodeFacts]) -> Iterator[SystemCheck]:
    if not nodes:
        yield SystemCheck(
            "Nodes",
            False,
            "no worker has come up yet",
            "start a worker; power doctor on its host tells what is missing",
        )
    for node in nodes:
        detail = f"last heartbeat {node.age} ago"
        yield SystemCheck(f"Node {node.name}", not node.is_away, detail, "start its worker, or the host")


def _stack_checks(stack_rows: list[Stack]) -> Iterator[SystemCheck]:
    for row in stack_rows:
        for fault in row.faults or row.refused or []:
            what = "rejected" if row.faults else "a change is not in force"
            yield SystemCheck(f"Stack {row.name}", False, f"{what}: {fault}", "correct that file")


def _window_checks(session: Session) -> Iterator[SystemCheck]:
    stuck = windows.stuck(session)
    detail = f"{len(stuck)} stuck, of {', '.join(sorted(set(stuck)))}" if stuck else "none is stuck"
    yield SystemCheck("Windows", not stuck, detail, "look at their pages, reached by the history's filter")
    given_up = notifications.counts(session).get(notifications.GIVEN_UP_STATE, 0)
    detail = f"{given_up} could not be delivered" if given_up else "none was given up"
    yield SystemCheck("Notifications", not given_up, detail, "look at the page Notices")


def _figures(context: WebContext, session: Session) -> dict[str, str]:
    states = windows.counts(session)
    unfinished = ", ".join(f"{number} {state}" for state, number in states.items() if number)
    streams = context.streams
    return {
        "Unfinished windows": unfinished or "none",
        "Event streams": f"{streams.in_use} of {streams.limit}",
        "Data directory": str(context.settings.data_dir),
    }


def _features(context: WebContext) -> list[tuple[str, bool, str]]:
    """Name, whether it is on, and what it is or how to switch it on."""
    settings = context.settings
    proxies = ", ".join(str(one) for one in settings.trusted_proxies)
    switched = [
        (name, is_on, f"{name} = true below [features] in power.toml")
        for name, is_on in settings.features.states().items()
    ]
    return [
        ("public address", bool(settings.public_url), settings.public_url or "POWER_PUBLIC_URL"),
        ("trusted proxies", bool(proxies), proxies or "POWER_TRUSTED_PROXIES"),
        ("traces", settings.traces, "OTEL_EXPORTER_OTLP_ENDPOINT"),
        ("windows wait for a node that is away", settings.wait_for_node, "POWER_AWAY"),
        *switched,
    ]


def _own_version() -> str:
    try:
        return metadata.version("power-windows")
    except metadata.PackageNotFoundError:
        return "unknown"
