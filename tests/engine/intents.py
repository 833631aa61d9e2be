"""Requests for intents on a stack of real containers, attended to by the stack's worker."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from app.domain.intents import IntentState
from app.store import intents as rows
from app.store.tables import IntentRequest
from app.usecases import intents
from app.usecases.intents import Wanted
from examples.vx11 import image
from tests.engine.stacks import Stack, running, until
from workers.engine.client import Engine
from workers.intents.runner import IntentRunner

HELLO = "import signal\nprint('hello', flush=True)\nsignal.pause()\n"
CHECKS = {"greets": {"log": {"service": "web", "pattern": "^hello$"}, "retries": 40, "every": 0.25}}


def define(stack: Stack, *, steps: str = "", **intent: Any) -> Stack:
    """A service `web` that is built from a folder, and an intent `hello` that builds and opens it."""
    folder = stack.directory / "web"
    folder.mkdir(exist_ok=True)
    (folder / "main.py").write_text(HELLO)
    end = 'ENTRYPOINT ["python3", "-I", "-S", "/main.py"]\n'
    (folder / "Dockerfile").write_text(f"FROM {image.NAME}\nCOPY main.py /main.py\n{steps}{end}")
    build = {"context": "web", "network": "none"}
    web = {
        "build": build,
        "init": True,
        "stop_grace_period": "1s",
        "environment": {"API_KEY": "hush-hush-123"},
    }
    stack.write({"web": web, "other": running()})
    table = {"services": ["web"], "build": ["web"], "ttl": "10m", "checks": CHECKS} | intent
    lines = ["", "[features]", "intents = true", "[intents.hello]"]
    lines += [f"{key} = {_inline(value)}" for key, value in table.items()]
    stack.config.write_text(stack.config.read_text() + "\n".join(lines) + "\n")
    return stack


def _inline(value: Any) -> str:
    """A value as TOML on one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {_inline(one)}" for key, one in value.items()) + "}"
    return json.dumps(value)


@contextmanager
def attending(stack: Stack) -> Iterator[IntentRunner]:
    """The worker of a stack that has begun also attends to requests for intents."""
    runner = IntentRunner(stack.context, stack.watch.pools)
    runner.begin()
    try:
        yield runner
    finally:
        runner.end()


def want(stack: Stack, **more: Any) -> str:
    """Ask for the intent, and send no message to a worker."""
    with stack.database.write() as session:
        now = stack.database.now()
        return intents.request_intent(session, "hello", Wanted(**more), actor="ada", now=now).id


def row(stack: Stack, request: str) -> IntentRequest:
    with stack.database.read() as session:
        request_row = rows.get(session, request)
        assert request_row
        return request_row


def finished(stack: Stack, request: str, *, within: float = 60.0) -> IntentRequest:
    until(lambda: row(stack, request).state == IntentState.FINISHED, f"{request} is finished", within, stack)
    return row(stack, request)


def reached(stack: Stack, request: str, state: IntentState, *, within: float = 30.0) -> None:
    """Wait until the request is in this state, or in a later one."""
    order = list(IntentState)
    until(
        lambda: order.index(row(stack, request).state) >= order.index(state), f"it is {state}", within, stack
    )


def printed(stack: Stack, request: str) -> str:
    with stack.database.read() as session:
        return "".join(one.text for one in rows.output(session, request, 0, 500))


def builds_going_on(stack: Stack) -> list[str]:
    """Compose processes of this host that build for this stack."""
    listed = subprocess.run(["ps", "-ewwo", "args"], capture_output=True, text=True, check=True).stdout
    words = (f"-p {stack.project} ", " build -- ")
    return [line for line in listed.splitlines() if all(word in line for word in words)]


def remove_image(stack: Stack) -> None:
    name = f"{stack.project}-web"
    if Engine().image(name):
        subprocess.run(["docker", "image", "rm", "-f", name], capture_output=True, check=False)
