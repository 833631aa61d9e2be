"""`power mcp` by the client of the MCP library: tools, answers, refusals, and the command itself."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import Client, StdioServerParameters, stdio_client
from mcp_types import CallToolResult, TextContent

from app.cli import mcp_tools
from power_windows.discovery import Target
from power_windows.rest import Api
from tests.cli.api_bodies import ON, health, stack, window
from tests.cli.api_bodies import service as compose_service
from tests.cli.conftest import Power
from tests.cli.service import TOKEN, Service

OPEN: dict[str, Any] = {"state": "open", "status": "ok", "health": {"switch": ON}}


def call(service: Service, tool: str, **arguments: Any) -> CallToolResult:
    """The answer of one tool, over the library's own client."""
    server = mcp_tools.make_server(lambda: Api(Target(service.url, TOKEN)))

    async def ask() -> CallToolResult:
        async with Client(server) as client:
            return await client.call_tool(tool, arguments)

    return anyio.run(ask)


def text(answer: CallToolResult) -> str:
    return "\n".join(one.text for one in answer.content if isinstance(one, TextContent))


def test_an_opening_carries_its_reason_and_answers_when_ready(service: Service) -> None:
    service.opens_as = window(reason="translate", actor="assistant")
    service.course("3f2a9c1d00", OPEN)

    answer = call(service, "open", services=["switch"], ttl="1h", reason="translate")

    body = {"services": ["switch"], "ttl_sec": 3600, "reason": "translate"}
    assert service.requests("POST", "/windows")[0].body == body
    assert text(answer) == ('window 3f2a9c1d00 on vx11: switch, open, 29m 53s left, of assistant "translate"')
    structured: Any = answer.structured_content
    assert (structured["id"], structured["ready"], structured["not_ready"]) == ("3f2a9c1d00", ["switch"], {})


def test_an_opening_that_fails_says_why(service: Service) -> None:
    dead = health("failing", detail="exit code 1\nno module\x1b[2J")
    service.course("3f2a9c1d00", {"state": "open", "status": "partial", "health": {"switch": dead}})

    answer = call(service, "open", services=["switch"], reason="try")

    assert "open (partial)" in text(answer)
    assert text(answer).endswith("\nswitch is not ready: failing: exit code 1")


def test_a_window_is_extended_and_closed_by_its_service(service: Service) -> None:
    service.add(window(**OPEN))

    extended = call(service, "extend", window="switch", ttl="2h")
    closed = call(service, "close", window="3f2a", reason="done")

    assert service.requests("PATCH", "/windows/3f2a9c1d00")[0].body == {"ttl_sec": 7200}
    assert "2h left" in text(extended)
    assert service.requests("POST", "/windows/3f2a9c1d00/close")[0].body == {"reason": "done"}
    assert "closing" in text(closed)


def test_the_status_has_stacks_and_windows(service: Service) -> None:
    services = [
        compose_service("redis", "on", role="core"),
        compose_service("switch", "on", holders=["3f2a9c1d00"]),
        compose_service("mcp"),
    ]
    service.stacks = [stack("vx11", "OPEN", services)]
    service.add(window(**OPEN), window("77aa", state="closed"))

    answer = call(service, "status")

    assert text(answer).splitlines() == [
        "stack vx11 is OPEN; redis on, switch on; off, may be opened: mcp",
        "window 3f2a9c1d00 on vx11: switch, open, 29m 53s left, of ada",
    ]
    structured: Any = answer.structured_content
    assert [one["id"] for one in structured["windows"]] == ["3f2a9c1d00"]
    assert [one["may_be_opened"] for one in structured["stacks"][0]["services"]] == [False, True, True]


@pytest.mark.parametrize(
    ("tool", "arguments", "reason"),
    [
        ("open", {"services": ["switch"], "reason": "x"}, "9h is longer than vx11 allows (8h)"),
        ("open", {"services": ["switch"], "reason": "x", "ttl": "soon"}, "'soon' is not a duration"),
        ("open", {"services": ["switch"]}, "reason"),
        ("open", {"services": [], "reason": "x"}, "services"),
        ("close", {"window": "nosuch", "reason": "x"}, "there is no window 'nosuch'"),
        ("status", {"stack": "nosuch"}, "there is no stack 'nosuch'"),
    ],
)
def test_a_refusal_is_the_tools_error_with_the_reason(
    service: Service, tool: str, arguments: dict[str, Any], reason: str
) -> None:
    service.refuse("POST", "/windows", 422, detail="9h is longer than vx11 allows (8h)")

    answer = call(service, tool, **arguments)

    assert (answer.is_error, reason in text(answer)) == (True, True), text(answer)


def test_a_service_out_of_reach_is_the_tools_error(service: Service) -> None:
    url, service.url = service.url, "http://127.0.0.1:9"

    answer = call(service, "status")

    service.url = url
    assert (answer.is_error, "cannot be reached" in text(answer)) == (True, True)


@pytest.mark.integration
def test_the_command_speaks_over_standard_input_and_output(service: Service, tmp_path: Path) -> None:
    service.stacks = [stack("vx11", "SOLO_CORE", [compose_service("switch")])]
    command = [sys.executable, "-c", "from app.cli import main; main()", "mcp"]
    environ = {"POWER_URL": service.url, "POWER_TOKEN": TOKEN, "HOME": str(tmp_path)}
    parameters = StdioServerParameters(command=command[0], args=command[1:], env=environ)

    async def ask() -> tuple[list[str], CallToolResult]:
        async with Client(stdio_client(parameters)) as client:
            tools = await client.list_tools()
            return [one.name for one in tools.tools], await client.call_tool("status", {})

    names, answer = anyio.run(ask)

    assert sorted(names) == ["close", "extend", "open", "status"]
    assert (
        text(answer) == "stack vx11 is SOLO_CORE; nothing is on; off, may be opened: switch\nno open windows"
    )


def test_without_the_extra_it_names_the_extra(power: Power, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mcp", None)
    monkeypatch.setitem(sys.modules, "mcp.server", None)
    monkeypatch.delitem(sys.modules, "app.cli.mcp_tools", raising=False)
    monkeypatch.delattr("app.cli.mcp_tools", raising=False)

    result = power("mcp")

    assert (result.exit_code, "power-windows[mcp]" in result.stderr) == (2, True)
