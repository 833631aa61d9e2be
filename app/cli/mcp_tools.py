"""The tools of `power mcp`. Each answers a short text and the same as structured content.

A refusal of the server is the error of a tool, with the server's own sentence, so that an assistant reads
what would be right.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated

from mcp.server import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import CallToolResult, TextContent, ToolAnnotations
from pydantic import BaseModel, Field

from app.cli import follow
from app.cli.arguments import read_unfinished_windows, resolve
from app.domain import durations
from app.domain.enums import Power, Role
from app.domain.untrusted_text import harmless_lines
from power_windows import payloads
from power_windows.errors import PowerError
from power_windows.rest import Api, connect

INSTRUCTIONS = (
    "Services of Docker Compose stacks are off until a window powers them for a limited time. Look at "
    "`status` first. Open a window for as long as the task needs, say why in `reason`, extend it while the "
    "task goes on, and close it when the task is done. A window ends by itself at its deadline."
)
READY_WAIT_SECONDS = 60.0
"""Seconds for which `open` waits at most until the services are ready."""
OPENING_POLL_SECONDS = 0.5
"""Seconds between two reads of a window that opens."""


class WindowInfo(BaseModel):
    """A window as structured content; `deadline` is ISO 8601 in UTC."""

    id: str
    stack: str
    services: list[str]
    state: str
    status: str | None
    actor: str
    reason: str | None
    deadline: str | None
    seconds_left: float | None
    ready: list[str] = Field(description="Services that are ready.")
    not_ready: dict[str, str] = Field(description="Services that are not, each with its power and why.")
    stuck: bool


class ServiceInfo(BaseModel):
    """A service as structured content."""

    name: str
    power: str
    ready: bool
    may_be_opened: bool
    windows: list[str]
    seconds_left: float | None


class StackInfo(BaseModel):
    """A stack as structured content; `faults` are why its files were rejected."""

    name: str
    mode: str
    services: list[ServiceInfo]
    faults: list[str]


class StatusInfo(BaseModel):
    """All stacks, and the windows that are not closed."""

    stacks: list[StackInfo]
    windows: list[WindowInfo]


ServicesArgument = Annotated[
    list[str], Field(min_length=1, description="Names of services, as `status` lists them.")
]
Length = Annotated[str, Field(description="How long from now: 90s, 30m, 1h30m.")]
WindowName = Annotated[
    str, Field(description="A window's id, its beginning, or a service that only one window holds.")
]
ReasonArgument = Annotated[
    str, Field(min_length=1, max_length=500, description="What it is for; people read it in the audit trail.")
]
StackArgument = Annotated[str | None, Field(description="Only needed where several stacks have the service.")]
WindowAnswer = Annotated[CallToolResult, WindowInfo]
StatusAnswer = Annotated[CallToolResult, StatusInfo]


def make_server(open_api: Callable[[], Api] = connect) -> MCPServer:
    """The MCP server; `open_api` connects for each call, so that a restarted service is found again."""
    server: MCPServer = MCPServer("power-windows", instructions=INSTRUCTIONS, log_level="WARNING")
    tools = PowerTools(open_api)
    reading = ToolAnnotations(read_only_hint=True, open_world_hint=False)
    changing = ToolAnnotations(read_only_hint=False, destructive_hint=False, open_world_hint=False)
    closing = ToolAnnotations(read_only_hint=False, idempotent_hint=True, open_world_hint=False)
    server.add_tool(tools.status, annotations=reading)
    server.add_tool(tools.open, annotations=changing)
    server.add_tool(tools.extend, annotations=changing)
    server.add_tool(tools.close, annotations=closing)
    return server


class PowerTools:
    """The tools; the library shows a method's name, parameters and docstring to the assistant."""

    def __init__(self, open_api: Callable[[], Api]) -> None:
        self._open_api = open_api

    def status(self, stack: StackArgument = None) -> StatusAnswer:
        """Show stacks with their services, and the windows that are not closed."""
        with self._calling() as api:
            return _status(api, stack)

    def open(
        self,
        services: ServicesArgument,
        reason: ReasonArgument,
        ttl: Length = "30m",
        stack: StackArgument = None,
    ) -> WindowAnswer:
        """Power services for a limited time, and wait up to a minute until they are ready."""
        body = {"services": services, "ttl_sec": _seconds(ttl), "reason": reason}
        with self._calling() as api:
            window = api.open(body | ({"stack": stack} if stack else {}))
            return _window_answer(_await_outcome(api, window))

    def extend(self, window: WindowName, ttl: Length) -> WindowAnswer:
        """Move a window's deadline to `ttl` from now."""
        seconds = _seconds(ttl)
        with self._calling() as api:
            return _window_answer(api.extend(resolve(api, window)["id"], seconds))

    def close(self, window: WindowName, reason: ReasonArgument) -> WindowAnswer:
        """Close a window before its deadline; services that another window holds stay on."""
        with self._calling() as api:
            return _window_answer(api.close(resolve(api, window)["id"], force=False, reason=reason))

    @contextmanager
    def _calling(self) -> Iterator[Api]:
        """An open connection; an error of the server is a tool's error with the same message."""
        try:
            with self._open_api() as api:
                yield api
        except PowerError as error:
            raise ToolError(error.message) from error


def _seconds(ttl: str) -> float:
    try:
        return durations.parse(ttl)
    except ValueError as error:
        raise ToolError(str(error)) from error


def _await_outcome(api: Api, window: payloads.Window) -> payloads.Window:
    """The window when its outcome is known, or after READY_WAIT_SECONDS."""
    give_up_at = time.monotonic() + READY_WAIT_SECONDS
    while not follow.is_outcome_known(window) and time.monotonic() < give_up_at:
        time.sleep(OPENING_POLL_SECONDS)
        window = api.window(window["id"])
    return window


def _window_answer(window: payloads.Window) -> CallToolResult:
    info = _window_info(window)
    return _answer(_window_text(info), info)


def _answer(text: str, info: BaseModel) -> CallToolResult:
    content = [TextContent(type="text", text=harmless_lines(text))]
    return CallToolResult(content=list(content), structured_content=info.model_dump(mode="json"))


def _window_info(window: payloads.Window) -> WindowInfo:
    health = window["health"]
    unready = {name: one for name, one in health.items() if not one["ready"]}
    return WindowInfo(
        id=window["id"],
        stack=window["stack"],
        services=window["services"],
        state=window["state"],
        status=window["status"],
        actor=window["actor"],
        reason=window["reason"],
        deadline=window["deadline"],
        seconds_left=window["ttl_remaining_sec"],
        ready=[name for name, one in health.items() if one["ready"]],
        not_ready={name: _why(one) for name, one in unready.items()},
        stuck=window["stuck"],
    )


def _why(health: payloads.Health) -> str:
    return ": ".join(filter(None, [health["power"], health["detail"].strip().partition("\n")[0]]))


def _window_text(window: WindowInfo) -> str:
    state = window.state + (f" ({window.status})" if window.status not in {None, "ok"} else "")
    left = f", {durations.show(window.seconds_left)} left" if window.seconds_left else ""
    why = f' "{window.reason}"' if window.reason else ""
    head = f"window {window.id} on {window.stack}: {', '.join(window.services)}, {state}{left}"
    unready = [f"{name} is not ready: {why}" for name, why in window.not_ready.items()]
    return "\n".join([f"{head}, of {window.actor}{why}", *(unready if window.state != "closed" else [])])


def _status(api: Api, stack: str | None) -> CallToolResult:
    stacks = [api.stack(stack)] if stack else api.stacks()
    windows = [_window_info(one) for one in read_unfinished_windows(api) if stack in {None, one["stack"]}]
    info = StatusInfo(stacks=[_stack_info(one) for one in stacks], windows=windows)
    lines = [_stack_text(one) for one in info.stacks] + [_window_text(one) for one in windows]
    return _answer("\n".join(lines if windows else [*lines, "no open windows"]), info)


def _stack_info(stack: payloads.Stack) -> StackInfo:
    services = [_service_info(one) for one in stack["services"] if one["role"] != Role.NONE]
    return StackInfo(
        name=stack["name"], mode=stack["mode"], services=services, faults=stack.get("faults", [])
    )


def _service_info(service: payloads.Service) -> ServiceInfo:
    return ServiceInfo(
        name=service["name"],
        power=service["power"],
        ready=service["ready"],
        may_be_opened=service["role"] == Role.ALLOWED,
        windows=service["holders"],
        seconds_left=service["time_left_sec"],
    )


def _stack_text(stack: StackInfo) -> str:
    powered = [f"{one.name} {one.power}" for one in stack.services if one.power != Power.OFF]
    off = [one.name for one in stack.services if one.may_be_opened and one.power == Power.OFF]
    parts = [f"stack {stack.name} is {stack.mode}", ", ".join(powered) or "nothing is on"]
    return "; ".join([*parts, *([f"off, may be opened: {', '.join(off)}"] if off else []), *stack.faults])
