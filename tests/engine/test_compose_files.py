"""What other people's compose files contain: references by id, hooks, secrets, surplus containers."""

from __future__ import annotations

import subprocess
from typing import Any

import pytest

from app.domain.enums import CallStatus, Event, Power, State, Status
from app.settings import read_power_toml
from app.standalone import broker as brokers
from app.store import windows as rows
from tests.engine.stacks import Stack, checked, docker, needs, python, running, until
from workers.stacks import stack_reader
from workers.stacks.stack_reader import Rejected


def closed_again(stack: Stack, *names: str) -> None:
    """A window on these services that has come and gone."""
    window = stack.opened(stack.open(*names))
    stack.close(window.id)
    stack.closed(window.id)


def labels(kind: str, name: str) -> str:
    return docker(kind, "inspect", name, "--format", "{{json .Labels}}")


def refusals(stack: Stack) -> str:
    toml, keep = read_power_toml(stack.config), stack.directory / "kept"
    with pytest.raises(Rejected) as refused:
        stack_reader.read(stack.config, toml, "studio", keep=keep)
    return "\n".join(refused.value.faults)


# References by id.


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
    found = docker("inspect", stack.ids("web")[0], "--format", "{{json .NetworkSettings.Ports}}")
    assert published["ports"][0].split(":")[1] in found


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

    said = stack.entries(Event.STACK_REJECTED)[0].facts
    assert "network default is defined otherwise than it exists, and core has containers on it (hub)" in said
    assert f"docker compose -p {stack.project} up -d hub" in said
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
        live = [one.id for one in rows.unfinished_windows(session, "studio")]
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


# Hooks.


def hook(code: str) -> list[dict[str, Any]]:
    return [{"command": ["python3", "-I", "-S", "-c", code.replace("$", "$$")]}]


def test_a_failed_post_start_is_failing(stack: Stack) -> None:
    stack.write({"web": running(post_start=hook("import sys; sys.exit(3)")), "mill": running()}).begin()

    window = stack.opened(stack.open("web", "mill"))

    assert window.status == Status.PARTIAL
    assert stack.lease(window.id, "web").power == Power.FAILING


def test_a_window_waits_for_a_post_start_hook(stack: Stack) -> None:
    stack.write(
        {"web": running(post_start=hook("import time; time.sleep(3); open('/tmp/done', 'w')"))}
    ).begin()

    window = stack.opened(stack.open("web"))

    assert window.status == Status.OK
    assert stack.calls()[0].status == CallStatus.OK
    subprocess.run(["docker", "exec", stack.ids("web")[0], "python3", "-c", "open('/tmp/done')"], check=True)


# The kept copy.


def test_secrets_and_configs_from_the_environment_reach_the_container(stack: Stack) -> None:
    shows = "print(open('/run/secrets/tok').read(), open('/cfg').read(), flush=True); signal.pause()"
    web = python(shows, secrets=["tok"], configs=[{"source": "cfg", "target": "/cfg"}])
    (stack.directory / ".env").write_text("TOK='a $1 \"quoted\" secret'\nCFG=plain\n")
    stack.write({"web": web}).define(
        {"web": web},
        secrets={"tok": {"environment": "TOK"}},
        configs={"cfg": {"environment": "CFG"}},
    )
    stack.begin()

    assert stack.opened(stack.open("web")).status == Status.OK

    said = docker("logs", stack.ids("web")[0])
    assert said.strip() == 'a $1 "quoted" secret plain'
    kept = list((stack.lock_dir / "kept").rglob("*.json"))
    assert kept
    assert not any("quoted" in one.read_text() for one in kept)
    assert "quoted" not in str([call.argv for call in stack.calls()])


def test_a_secret_whose_variable_is_not_set_is_refused_by_name(stack: Stack) -> None:
    web = running(secrets=["tok"])
    stack.write({"web": web}).define({"web": web}, secrets={"tok": {"environment": "TOK_NOT_SET"}})

    assert "files: secret tok: variable TOK_NOT_SET is not set" in refusals(stack)


def test_a_changed_secret_is_another_reading(stack: Stack) -> None:
    web = running(secrets=["tok"])
    stack.write({"web": web}).define({"web": web}, secrets={"tok": {"environment": "TOK"}})
    digests = set()
    for value in ("one", "two"):
        (stack.directory / ".env").write_text(f"TOK={value}\n")
        keep = stack.directory / "kept"
        found = stack_reader.read(stack.config, read_power_toml(stack.config), "studio", keep=keep)
        digests.add(found.spec.digest)
    assert len(digests) == 2


def test_models_and_limits_do_not_keep_a_stack_from_starting(stack: Stack) -> None:
    web = running(deploy={"resources": {"limits": {"memory": "64M"}}})
    chat = running(models={"llm": {}})
    stack.write({"web": web, "chat": chat}, allow=["web"])
    stack.define({"web": web, "chat": chat}, models={"llm": {"model": "ai/small"}})
    stack.begin()

    assert stack.opened(stack.open("web")).status == Status.OK
    assert "placement" not in "".join(call.stderr for call in stack.calls())


def test_dollars_and_odd_values_are_kept_as_they_are(stack: Stack) -> None:
    odd = {"A": "$$HOME", "B": "${NOT_SET:-fall back}", "C": "no", "D": "1e9", "E": "0o17", "F": "a: b # c"}
    web = python(
        "print(sorted((k, v) for k, v in os.environ.items() if len(k) == 1), flush=True); signal.pause()"
    )
    stack.write({"web": {**web, "environment": odd}}).begin()

    assert stack.opened(stack.open("web")).status == Status.OK
    said = docker("logs", stack.ids("web")[0])
    for value in ("$HOME", "fall back", "'no'", "1e9", "0o17", "a: b # c"):
        assert value in said


# Services without containers.


def test_a_provider_service_is_refused_by_name(stack: Stack) -> None:
    stack.write({"db": {"provider": {"type": "awesomecloud"}}, "web": running()})
    assert "allow: db is a provider service (awesomecloud)" in refusals(stack)


@pytest.mark.parametrize("none", [{"scale": 0}, {"deploy": {"replicas": 0}}])
def test_a_service_of_no_replicas_is_refused_by_name(stack: Stack, none: dict[str, Any]) -> None:
    stack.write({"idle": running(**none), "web": running()})
    assert "allow: idle has 0 replicas" in refusals(stack)


def test_a_dependency_behind_a_profile_that_is_off_is_refused(stack: Stack) -> None:
    defined = {"db": running(profiles=["data"]), "api": running(**needs(db="started"))}
    stack.write(defined)
    assert "profiles: api needs db, which is behind a profile that is not on: add data" in refusals(stack)

    stack.write(defined, profiles=["data"]).begin()
    assert stack.opened(stack.open("api")).status == Status.OK


# Surplus containers.


def test_a_surplus_container_that_has_stopped_is_named_and_does_no_harm(stack: Stack) -> None:
    stack.write({"one": running()}).begin()
    stack.by_hand("up", "-d", "--scale", "one=2", "one")
    second = [
        one
        for one in stack.ids("one")
        if docker("inspect", one, "--format", "{{.Name}}").strip().endswith("2")
    ]
    docker("stop", "-t", "0", *second)

    window = stack.opened(stack.open("one"))

    assert window.status == Status.OK
    assert "1 surplus container" in stack.lease(window.id, "one").detail
    stack.close(window.id)
    stack.closed(window.id)
    assert stack.alive() == set()


def test_surplus_containers_that_run_are_stopped_at_the_end(stack: Stack) -> None:
    stack.write({"one": checked(0)}).begin()
    stack.by_hand("up", "-d", "--scale", "one=3", "one")
    window = stack.opened(stack.open("one"))
    assert window.status == Status.OK

    stack.close(window.id)
    assert stack.closed(window.id).state == State.CLOSED
    assert stack.alive() == set()
