"""What other people's compose files contain: hooks, secrets, surplus containers."""

from __future__ import annotations

import subprocess
from typing import Any

import pytest

from app.domain.enums import CallStatus, Power, State, Status
from app.domain.stack_id import StackId
from app.settings import read_power_toml
from tests.engine.stacks import Stack, checked, docker, needs, python, running
from workers.stacks import stack_reader
from workers.stacks.stack_reader import Rejected


def refusals(stack: Stack) -> str:
    toml, keep = read_power_toml(stack.config), stack.directory / "kept"
    with pytest.raises(Rejected) as refused:
        stack_reader.read(stack.config, toml, StackId("studio"), keep=keep)
    return "\n".join(refused.value.faults)


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

    output = docker("logs", stack.ids("web")[0])
    assert output.strip() == 'a $1 "quoted" secret plain'
    files = list((stack.lock_dir / "kept").rglob("*.json"))
    assert files
    assert not any("quoted" in one.read_text() for one in files)
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
        reading = stack_reader.read(stack.config, read_power_toml(stack.config), StackId("studio"), keep=keep)
        digests.add(reading.spec.digest)
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
    output = docker("logs", stack.ids("web")[0])
    for value in ("$HOME", "fall back", "'no'", "1e9", "0o17", "a: b # c"):
        assert value in output


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
