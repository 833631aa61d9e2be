"""An engine that answers, and says no: to a version, to all, or to one container alone."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from pathlib import Path

import pytest

from app.domain.enums import Power
from app.domain.errors import StackRejected
from app.domain.stack_id import StackId
from app.store import stacks as known
from app.usecases import logs
from app.usecases.windows import close as closing
from tests.databases import Databases
from tests.engine.engine_proxy import EngineProxy
from tests.engine.stacks import Stack, docker, running, until
from tests.workers.engine.engine_server import Release, serving
from workers.loops import deadline_clock, stack_files
from workers.reconcile import logs as reading
from workers.state.inspection_queue import Trigger

PODMAN = Release("5.4.2", "1.24", "1.41", [{"Name": "Podman Engine"}])
NEWER = Release("99.0", "1.90", "1.99")


# The API version.


def test_an_engine_whose_lowest_version_is_1_44_is_served(proxied: Stack, proxy: EngineProxy) -> None:
    proxy.speaks = ("1.44", "1.52")
    proxied.write({"forge": running(network_mode="none")}).begin()

    window = proxied.open("forge")

    assert proxied.opened(window).status == "ok"
    agreed = proxied.engine.agreement()
    assert (tuple(map(int, agreed.api.split("."))) >= (1, 44), agreed.least) == (True, "1.44")
    proxied.close(window)
    proxied.closed(window)
    assert proxied.alive() == set()


def test_an_engine_that_is_upgraded_under_a_window_is_served_on(proxied: Stack, proxy: EngineProxy) -> None:
    proxy.speaks = ("1.12", "1.41")
    proxied.write({"forge": running(network_mode="none")}).begin()
    window = proxied.open("forge")
    proxied.opened(window)
    assert proxied.engine.agreement().api == "1.41"

    proxy.speaks = ("1.44", "1.52")

    proxied.close(window)
    proxied.closed(window)
    assert proxied.alive() == set()
    assert proxied.engine.agreement().least == "1.44"


@pytest.mark.parametrize(("release", "words"), [(PODMAN, "is Podman 5.4.2"), (NEWER, "share none")])
def test_an_engine_that_cannot_be_served_is_said_and_asked_again(
    tmp_path: Path, databases: Databases, monkeypatch: pytest.MonkeyPatch, release: Release, words: str
) -> None:
    monkeypatch.setattr(deadline_clock, "HEARTBEAT_INTERVAL", 0.2)
    monkeypatch.setattr(stack_files, "ENGINE_RETRY_INTERVAL", 0.2)
    monkeypatch.setattr(stack_files, "FILE_CHECK_INTERVAL", 0.1)
    with serving(release, {"/containers/json": (200, [])}) as server:
        monkeypatch.setenv("DOCKER_HOST", server.endpoint.host)
        stack = Stack(tmp_path, databases.migrated("sqlite"))
        stack.write({"forge": running()}).begin()
        try:
            (fault,) = until(lambda: faults(stack), "the stack is rejected", 10)
            assert words in fault
            with pytest.raises(StackRejected):
                stack.ask("forge")

            server.release = Release()

            until(lambda: not faults(stack), "the stack is served", 10)
            assert stack.ask("forge")
        finally:
            stack.end(patiently=True)
            stack.engine.close()
            stack.database.close()


def faults(stack: Stack) -> list[str]:
    with stack.database.read() as session:
        row = known.stack_by_name(session, StackId("studio"))
        return list(row.faults) if row else []


# Everything, and one container.


def test_a_refusal_is_shown_in_the_engines_own_words(proxied: Stack, proxy: EngineProxy) -> None:
    proxied.write({"forge": running(network_mode="none")}).begin()
    window = proxied.open("forge")
    proxied.opened(window)

    proxy.refusals["GET /[^ ]*containers/json"] = 500, "the vault is shut"
    proxied.watch.mark(StackId("studio"), None, Trigger.RESYNC)

    until(lambda: shown(proxied, "forge")[0] == Power.UNKNOWN, "it is unknown", 20, proxied)
    assert shown(proxied, "forge")[1] == "the engine refuses to tell: the vault is shut"
    proxy.refusals.clear()
    proxied.close(window)
    proxied.closed(window)


@pytest.mark.parametrize("status", [400, 409, 500])
def test_a_container_that_is_not_described_hides_no_other_and_is_turned_off(
    proxied: Stack, proxy: EngineProxy, status: int
) -> None:
    names = {name: running(network_mode="none") for name in ("bad", "good")}
    proxied.write(names).begin()
    window = proxied.open("bad", "good")
    proxied.opened(window)
    (bad,) = proxied.ids("bad")

    # Compose inspects it too, in order to stop it; what it asks for is answered.
    worker = "(?s:.*)docker-sdk-python"
    proxy.refusals[rf"GET /v1\.\d+/containers/{bad}/json {worker}"] = status, "no such luck"
    proxied.watch.mark(StackId("studio"), None, Trigger.RESYNC)

    until(lambda: shown(proxied, "bad")[0] == Power.UNKNOWN, "bad is unknown", 20, proxied)
    assert shown(proxied, "bad")[1] == "the engine says of it: no such luck"
    assert shown(proxied, "good")[0] == Power.ON
    proxied.close(window)
    proxied.closed(window)
    assert (proxied.alive(), docker("ps", "-q", "--filter", f"id={bad}")) == (set(), "")


def shown(stack: Stack, service: str) -> tuple[str, str]:
    row = stack.row(service)
    assert row
    return row.power, row.detail


@pytest.mark.parametrize("forced", [False, True])
def test_a_container_with_odd_labels_keeps_nothing_on(stack: Stack, forced: bool) -> None:
    stack.write({"forge": running(network_mode="none"), "mill": running(network_mode="none")}).begin()
    window = stack.open("forge", "mill")
    stack.opened(window)
    labels = {
        "project": stack.project,
        "service": "forge",
        "oneoff": "False",
        "container-number": "abc",
        "config-hash": "x",
    }
    worn = [f"--label=com.docker.compose.{name}={value}" for name, value in labels.items()]
    image, name = stack.engine.containers(stack.project)[0].image, f"pw-odd-{secrets.token_hex(4)}"
    entry = ["--entrypoint", "python3", "--network", "none", "--name", name]
    docker("run", "-d", *entry, *worn, image, "-c", "import signal; signal.pause()")

    with stack.database.write() as session:
        closing.close(session, window, actor="ada", now=stack.database.now(), force=forced)
    stack.watch.close_soon(StackId("studio"))

    stack.closed(window, within=60)
    assert stack.alive() == set()


def test_logs_that_are_not_kept_are_named_and_the_others_are_read(stack: Stack) -> None:
    mute = running(network_mode="none", logging={"driver": "none"})
    stack.write({"mute": mute, "forge": running(network_mode="none")}).begin()
    window = stack.open("mute", "forge")
    stack.opened(window)
    wanted = logs.LogRequest(
        "x", StackId("studio"), ["mute", "forge"], datetime(2020, 1, 1, tzinfo=UTC), None, {}, 10
    )

    _lines, notes = reading.read_lines(stack.context, wanted)

    assert "the logging driver none keeps none on this engine" in notes["mute"]
    assert "forge" not in notes
    stack.close(window)
    stack.closed(window)
