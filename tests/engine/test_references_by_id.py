"""References by id: networks, volumes and containers that were made anew under a service."""

from __future__ import annotations

import pytest

from app.domain.enums import Event, Power, Status
from app.domain.stack_id import StackId
from app.standalone import broker as brokers
from app.store import windows as rows
from tests.engine.stacks import Stack, docker, python, running, until


def closed_again(stack: Stack, *names: str) -> None:
    """A window on these services that has come and gone."""
    window = stack.opened(stack.open(*names))
    stack.close(window.id)
    stack.closed(window.id)


def labels(kind: str, name: str) -> str:
    return docker(kind, "inspect", name, "--format", "{{json .Labels}}")


def test_a_network_that_was_removed_is_made_again(stack: Stack) -> None:
    stack.write({"forge": running(), "mill": running()}).begin()
    closed_again(stack, "forge", "mill")
    docker("network", "rm", f"{stack.project}_default")

    assert stack.opened(stack.open("forge")).status == Status.OK
    assert stack.opened(stack.open("mill")).status == Status.OK


def test_an_owner_that_was_made_anew_is_followed(stack: Stack) -> None:
    stack.write({"vpn": running(), "dl": running(network_mode="service:vpn")}).begin()
    closed_again(stack, "dl")
    docker(
        "rm",
        "-f",
        *docker(
            "ps",
            "-aq",
            "--filter",
            f"label=com.docker.compose.project={stack.project}",
            "--filter",
            "label=com.docker.compose.service=vpn",
        ).split(),
    )

    assert stack.opened(stack.open("dl")).status == Status.OK


def test_a_start_that_failed_before_it_ran_is_not_started_half(stack: Stack) -> None:
    # The port is taken on the engine's side, whose network may be another than that of the tests.
    published = {"ports": [f"127.0.0.1:{brokers.free_port()}:80"]}
    stack.write({"web": running(**published), "thief": running(**published)}, core=["thief"])
    stack.by_hand("up", "-d", "thief")
    stack.begin()
    failed = stack.closed(stack.open("web"), within=60)
    assert failed.status == Status.FAIL
    assert "port is already allocated" in (failed.close_detail or "")
    stack.by_hand("rm", "-f", "-s", "thief")

    window = stack.opened(stack.open("web"), within=60)

    assert window.status == Status.OK
    ports = docker("inspect", stack.ids("web")[0], "--format", "{{json .NetworkSettings.Ports}}")
    assert published["ports"][0].split(":")[1] in ports


def test_a_changed_network_is_not_made_anew_under_core(stack: Stack) -> None:
    definitions = {"hub": running(), "web": running(), "idle": running()}
    stack.write(definitions, core=["hub"])
    stack.by_hand("up", "-d", "hub")
    stack.begin()
    closed_again(stack, "web", "idle")
    network = f"{stack.project}_default"
    before = docker("network", "inspect", network, "--format", "{{.Id}}")
    stack.by_hand("stop", "hub")

    stack.define(definitions, networks={"default": {"labels": {"changed": "yes"}}})
    until(lambda: stack.entries(Event.STACK_REJECTED), "the change is refused", 20, stack)

    facts = stack.entries(Event.STACK_REJECTED)[0].facts
    assert "network default is defined otherwise than it exists, and core has containers on it (hub)" in facts
    assert f"docker compose -p {stack.project} up -d hub" in facts
    assert stack.opened(stack.open("web")).status == Status.OK
    assert docker("network", "inspect", network, "--format", "{{.Id}}") == before
    stack.by_hand("start", "hub")


def test_a_changed_network_is_made_anew_once_nothing_runs_on_it(stack: Stack) -> None:
    definitions = {"web": running(), "idle": running()}
    stack.write(definitions).begin()
    closed_again(stack, "web", "idle")
    held = stack.opened(stack.open("idle"))
    running_before = stack.ids("idle")

    stack.define(definitions, networks={"default": {"labels": {"changed": "yes"}}})
    until(lambda: len(stack.entries(Event.STACK_LOADED)) == 2, "the change is adopted", 20, stack)
    assert stack.opened(stack.open("web")).status == Status.OK
    assert stack.ids("idle") == running_before, "what runs is left alone"
    assert "changed" not in labels("network", f"{stack.project}_default")

    with stack.database.read() as session:
        live = [one.id for one in rows.unfinished_windows(session, StackId("studio"))]
    for window in live:
        stack.close(window)
        stack.closed(window)
    assert held.id in live
    assert stack.opened(stack.open("web", "idle")).status == Status.OK
    assert "changed" in labels("network", f"{stack.project}_default")


def test_a_changed_volume_keeps_its_data(stack: Stack) -> None:
    writes = "open('/data/kept', 'a').write('x'); signal.pause()"
    definitions = {"forge": python(writes, volumes=["data:/data"])}
    stack.write(definitions).define(definitions, volumes={"data": {}})
    stack.begin()
    closed_again(stack, "forge")
    created = docker("volume", "inspect", f"{stack.project}_data", "--format", "{{.CreatedAt}}")

    stack.define(definitions, volumes={"data": {"labels": {"changed": "yes"}}})
    until(lambda: len(stack.entries(Event.STACK_LOADED)) == 2, "the change is adopted", 20, stack)

    closed_again(stack, "forge")
    assert docker("volume", "inspect", f"{stack.project}_data", "--format", "{{.CreatedAt}}") == created


# Running is not reachable.


@pytest.mark.parametrize("key", ["network_mode", "ipc", "pid"])
def test_what_uses_a_namespace_of_one_that_was_restarted_is_failing(stack: Stack, key: str) -> None:
    owner = {"ipc": "shareable"} if key == "ipc" else {}
    stack.write({"vpn": running(**owner), "dl": running(**{key: "service:vpn"})}).begin()
    window = stack.opened(stack.open("dl"))
    assert window.status == Status.OK
    assert (row := stack.row("dl")) is not None
    assert not row.outdated

    docker("restart", "-t", "0", *stack.ids("vpn"))

    # What uses a pid namespace ends with its first process.
    why = "" if key == "pid" else "was started after it"

    def failing() -> bool:
        row = stack.row("dl")
        return bool(row and row.power == Power.FAILING and why in row.detail)

    until(failing, f"it is failing: {why}", 20, stack)
    until(lambda: stack.window(window.id).status == Status.PARTIAL, "the window is partial", 20, stack)
    before = stack.ids("dl")

    again = stack.opened(stack.open("dl"))

    assert again.status == Status.OK
    assert stack.ids("dl") != before
    until(lambda: stack.window(window.id).status == Status.OK, "the other window has recovered", 20, stack)


def test_what_was_disconnected_from_its_network_is_failing(stack: Stack) -> None:
    stack.write({"web": running()}).begin()
    window = stack.opened(stack.open("web"))

    docker("network", "disconnect", "-f", f"{stack.project}_default", stack.ids("web")[0])

    until(lambda: stack.window(window.id).status == Status.PARTIAL, "the window is partial", 20, stack)
    assert "attached to no network" in stack.lease(window.id, "web").detail
