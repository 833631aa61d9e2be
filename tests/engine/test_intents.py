"""Intents on a real engine: what is built and when, how a request ends, and what a killed worker leaves."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from app.domain.enums import Event
from app.domain.intents import IntentState
from app.domain.stack_id import StackId
from app.settings import read_power_toml
from app.usecases.intents import cancel_request
from examples.vx11 import image
from tests.engine import intents
from tests.engine.intents import attending, define, finished, printed, reached, row, want
from tests.engine.stacks import Stack, docker, until
from workers.stacks import stack_reader
from workers.stacks.stack_reader import Rejected

SLOW = 'RUN ["python3", "-I", "-S", "-c", "import time; print(1, flush=True); time.sleep(60)"]\n'
WORKER = """
import pathlib, sys, threading
from tests.engine.stacks import Stack
from workers.intents.runner import IntentRunner
directory, url, project = sys.argv[1:]
stack = Stack(pathlib.Path(directory), url)
stack.project = project
stack.begin()
IntentRunner(stack.context, stack.watch.pools).begin()
print("begun", flush=True)
threading.Event().wait()
"""


@pytest.fixture
def built(stack: Stack) -> Stack:
    """The stack; the image that it builds goes with it."""
    stack.undo.append(lambda: intents.remove_image(stack))
    return stack


def end_window(stack: Stack, window: str | None) -> None:
    assert window
    stack.close(window)
    stack.closed(window)


def status(stack: Stack, request: str) -> str:
    [build] = row(stack, request).builds
    return str(build["status"])


def test_what_has_changed_is_built_then_opened_and_checked(built: Stack) -> None:
    define(built).begin()
    with attending(built):
        first = finished(built, want(built))
        assert first.outcome == "passed", first.detail
        assert first.detail.endswith("; every check passed")
        assert status(built, first.id) == "built"
        assert "COPY main.py" in printed(built, first.id)
        assert [one["status"] for one in first.checks] == ["passed"]
        assert [call.action for call in built.calls("web")] == ["build", "up"]
        assert [one.actor for one in built.entries(Event.INTENT_FINISHED)] == ["ada"]
        end_window(built, first.window_id)

        second = finished(built, want(built))
        assert (second.outcome, status(built, second.id)) == ("passed", "unchanged")
        end_window(built, second.window_id)

        (built.directory / "web" / "main.py").write_text(f"# changed\n{intents.HELLO}")
        third = finished(built, want(built))
        assert (third.outcome, status(built, third.id)) == ("passed", "built")
        end_window(built, third.window_id)
    assert built.alive() == set()


def test_a_changed_base_image_is_built_again(built: Stack) -> None:
    base = f"power-test-{built.project}:base"
    docker("tag", image.NAME, base)
    built.undo.append(lambda: docker("rmi", "-f", base))
    define(built, checks={})
    dockerfile = built.directory / "web" / "Dockerfile"
    dockerfile.write_text(dockerfile.read_text().replace(image.NAME, base))
    built.begin()
    with attending(built):
        first = finished(built, want(built))
        end_window(built, first.window_id)
        container = docker("create", base).strip()
        docker("commit", "--change", "ENV CHANGED=1", container, base)
        docker("rm", container)

        second = finished(built, want(built))

    assert [status(built, one.id) for one in (first, second)] == ["built", "built"], second.detail


def test_a_build_that_fails_opens_nothing_and_says_why_without_secrets(built: Stack) -> None:
    failing = (
        'RUN ["python3", "-c", "print(\\"key hush-hush-123\\"); raise SystemExit(\\"no such thing\\")"]\n'
    )
    define(built, steps=failing).begin()
    with attending(built):
        request = finished(built, want(built))
    assert (request.outcome, request.window_id) == ("failed", None)
    assert request.detail.startswith("the build of web failed: "), request.detail
    assert "no such thing" in printed(built, request.id)
    assert "hush-hush" not in printed(built, request.id)
    assert [call.status for call in built.calls("web")] == ["fail"]


def test_a_failed_check_leaves_the_window_open(built: Stack) -> None:
    never = {"never": {"log": {"service": "web", "pattern": "goodbye"}}}
    define(built, checks=never).begin()
    with attending(built):
        request = finished(built, want(built))
    assert request.outcome == "failed"
    assert "a check failed: never: no line has 'goodbye'" in request.detail
    assert built.window(str(request.window_id)).state == "open"


@pytest.mark.parametrize("ends", ["cancelled", "timeout", "stopped"])
def test_a_build_that_is_ended_early_leaves_no_process(built: Stack, ends: str) -> None:
    define(built, steps=SLOW, build_timeout=4 if ends == "timeout" else 600).begin()
    with attending(built):
        request = want(built)
        until(lambda: intents.builds_going_on(built), "it builds", 20, built)
        if ends == "cancelled":
            with built.database.write() as session:
                cancel_request(session, request, actor="ada", now=built.database.now())
        if ends != "stopped":
            finished(built, request)
    request_row = finished(built, request)
    details = {
        "cancelled": ("cut", "cancelled by ada"),
        "timeout": ("failed", "the build of web failed: it took longer than its build_timeout of 4 s"),
        "stopped": ("cut", "its worker was stopped"),
    }
    assert (request_row.outcome, request_row.detail) == details[ends]
    assert status(built, request) in {"failed", "skipped"}
    until(lambda: not intents.builds_going_on(built), "no build goes on", 5, built)


@pytest.mark.parametrize("state", [IntentState.BUILDING, IntentState.OPENING, IntentState.CHECKING])
def test_a_killed_worker_leaves_nothing_on_after_the_ttl(built: Stack, state: IntentState) -> None:
    waits = {"waits": {"log": {"service": "web", "pattern": "never"}, "retries": 1000, "every": 0.2}}
    define(built, steps=SLOW if state is IntentState.BUILDING else "", checks=waits)
    built.repairs_expected = True
    if state is IntentState.OPENING:
        text = built.config.read_text().replace(
            "[features]", '[stacks.studio.services.web]\nstable_for = "3s"\n[features]'
        )
        built.config.write_text(text)
    built.begin()
    request = want(built, ttl_sec=4.0)
    built.end()
    command = [sys.executable, "-c", WORKER, str(built.directory), built.database_url, built.project]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as process:
        try:
            assert process.stdout
            assert process.stdout.readline() == "begun\n"
            reached(built, request, state)
            if state is IntentState.BUILDING:
                until(lambda: intents.builds_going_on(built), "it builds", 20, built)
        finally:
            os.killpg(process.pid, signal.SIGKILL)

    built.begin()
    with attending(built):
        ended = finished(built, request)
    assert ended.outcome == "cut"
    assert ended.detail.startswith(f"its worker died while it was {state}"), ended.detail
    until(lambda: not intents.builds_going_on(built), "no build goes on", 5, built)
    if ended.window_id:
        built.closed(ended.window_id, within=40)
    assert built.alive() == set()


@pytest.mark.parametrize(
    ("intent", "fault"),
    [
        ({"services": ["other"], "build": ["other"]}, "build: 'other' has no `build` in the compose files"),
        (
            {"services": ["other"], "build": []},
            "checks.greets: 'web' is not opened by this intent, which opens other",
        ),
    ],
)
def test_what_the_compose_files_do_not_permit_is_a_fault(stack: Stack, intent: object, fault: str) -> None:
    assert isinstance(intent, dict)
    define(stack, **intent)
    with pytest.raises(Rejected) as caught:
        stack_reader.read(stack.config, read_power_toml(stack.config), StackId("studio"))
    assert f"{stack.config}: intents.hello.{fault}" in caught.value.faults
