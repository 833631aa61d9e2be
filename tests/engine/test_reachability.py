"""Running is not reachable: what a service loses through others, of its own stack, of another or of none."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from app.domain.enums import Power, Status
from tests.engine.stacks import Stack, docker, running, until

PROMPT = 5.0
"""Seconds in which what an event has told is on record; without the event it would be a minute."""


def failing(stack: Stack, service: str, why: str) -> None:
    def seen() -> bool:
        row = stack.row(service)
        return bool(row and row.power == Power.FAILING and why in row.detail)

    until(seen, f"{service} is failing: {why}", PROMPT, stack)


@pytest.fixture
def outsider(stack: Stack) -> Iterator[str]:
    """A container of no project, on a network of its own; returns its name."""
    name = f"{stack.project}-outsider"
    label = f"com.docker.compose.project={stack.project}"
    network = docker("network", "create", "--label", label, f"{name}-net").strip()
    code = "import os, signal; signal.signal(signal.SIGTERM, lambda *_: os._exit(0)); signal.pause()"
    command = ["--entrypoint", "python3", "power-windows/vx11:local", "-I", "-S", "-c", code]
    docker("run", "-d", "--name", name, "--network", network, *command)
    try:
        yield name
    finally:
        docker("rm", "-f", name)


def test_a_chain_of_three_is_followed_to_its_end(stack: Stack) -> None:
    shared = {
        "vpn": running(),
        "proxy": running(network_mode="service:vpn"),
        "dl": running(network_mode="service:proxy"),
    }
    stack.write(shared).begin()
    window = stack.opened(stack.open("dl"))
    assert window.status == Status.OK

    docker("restart", "-t", "0", *stack.ids("vpn"))

    failing(stack, "proxy", "was started after it")
    failing(stack, "dl", "has lost it: the container whose network it uses was started after it")
    again = stack.opened(stack.open("dl"))
    assert again.status == Status.OK
    until(lambda: stack.window(window.id).status == Status.OK, "the other window has recovered", 20, stack)


def test_what_uses_the_network_of_one_without_is_failing(stack: Stack) -> None:
    stack.write({"vpn": running(), "dl": running(network_mode="service:vpn")}).begin()
    stack.opened(stack.open("dl"))

    docker("network", "disconnect", "-f", f"{stack.project}_default", stack.ids("vpn")[0])

    failing(stack, "vpn", "attached to no network")
    failing(stack, "dl", "has lost it: it runs, but is attached to no network")


def test_a_container_of_no_stack_is_watched_while_its_network_is_used(stack: Stack, outsider: str) -> None:
    stack.write({"dl": running(network_mode=f"container:{outsider}")}).begin()
    window = stack.opened(stack.open("dl"))
    assert window.status == Status.OK

    docker("stop", "-t", "5", outsider)
    failing(stack, "dl", "does not run")

    docker("start", outsider)
    failing(stack, "dl", "was started after it")
    assert stack.opened(stack.open("dl")).status == Status.OK


def test_what_is_connected_again_by_hand_recovers(stack: Stack) -> None:
    stack.write({"web": running()}).begin()
    window = stack.opened(stack.open("web"))
    network, container = f"{stack.project}_default", stack.ids("web")[0]
    docker("network", "disconnect", "-f", network, container)
    failing(stack, "web", "attached to no network")

    docker("network", "connect", network, container)

    until(lambda: stack.window(window.id).status == Status.OK, "the window has recovered", PROMPT, stack)
