"""What containers and compose calls print of secrets, and what the worker's own variables fill in."""

from __future__ import annotations

import pytest

from app.domain.enums import Event
from app.domain.redaction import HIDDEN
from tests.engine.stacks import Stack, docker, python, running
from tests.engine.test_logs import said

SECRET = "correct-horse-battery"
TELLS = "print('login with', os.environ['DB_PASSWORD'], flush=True)\n"


def on_record(stack: Stack, window: str) -> str:
    """Everything that is kept of a window: trail, calls, leases."""
    trail = [entry.facts for entry in stack.entries()]
    calls = [f"{call.argv} {call.stdout} {call.stderr}" for call in stack.calls()]
    return "\n".join([*trail, *calls, *(lease.detail for lease in stack.window(window).leases)])


def test_a_password_in_last_words_is_kept_nowhere(stack: Stack) -> None:
    dies = python(f"{TELLS}sys.exit(3)", environment={"DB_PASSWORD": SECRET})
    stack.write({"forge": dies, "mill": running()}).begin()
    window = stack.opened(stack.open("forge", "mill"))

    assert stack.lease(window.id, "forge").detail == f"exited with code 3\nlogin with {HIDDEN}"
    assert SECRET not in on_record(stack, window.id)


def test_a_password_in_logs_is_not_sent(stack: Stack) -> None:
    talks = python(f"{TELLS}signal.pause()", environment={"DB_PASSWORD": "${FROM_ENV}"})
    (stack.directory / ".env").write_text(f"FROM_ENV={SECRET}\n")
    stack.write({"forge": talks}).begin()
    window = stack.opened(stack.open("forge"))

    assert said(stack, window.id) == [f"forge: login with {HIDDEN}"]


def test_a_token_in_what_compose_prints_is_kept_nowhere(stack: Stack) -> None:
    (stack.directory / ".env").write_text(f"export IMAGE_TOKEN='{SECRET}'\n")
    stack.write({"forge": running() | {"image": "power-windows.test/${IMAGE_TOKEN}"}}).begin()
    stack.closed(stack.open("forge"))

    (call,) = [call for call in stack.calls("forge") if call.action == "up"]
    assert HIDDEN in call.stderr
    (failing,) = stack.entries(Event.SERVICE_FAILING)
    assert HIDDEN in failing.facts
    assert SECRET not in call.stderr + failing.facts


def test_one_long_line_is_bounded_where_it_comes_in(stack: Stack) -> None:
    long = python("print('x' * 140_500 + 'the end', flush=True); sys.exit(1)")
    stack.write({"forge": long, "mill": running()}).begin()
    window = stack.opened(stack.open("forge", "mill"))

    detail = stack.lease(window.id, "forge").detail
    assert len(detail) == 500
    assert detail.endswith("the end")


def test_the_workers_own_variables_fill_in_no_compose_file(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = [
        "POWER_BROKER_URL",
        "OTEL_EXPORTER_OTLP_HEADERS",
        "HOOK_SECRET",
        "CELERY_BROKER_URL",
        "PGPASSWORD",
    ]
    for name in [*ours, "SHARED"]:
        monkeypatch.setenv(name, "filled-in")
    references = "".join(f"${{{name}-}}" for name in ours)
    both = {"OURS": references, "OTHERS": "${SHARED-}"}
    stack.write({"forge": running(environment=both)})
    with stack.config.open("a") as config:
        config.write('\n[notices.ops]\nurl = "http://127.0.0.1:9/"\nsecret_env = "HOOK_SECRET"\n')
    stack.begin()
    stack.opened(stack.open("forge"))

    (container,) = stack.ids("forge")
    variables = docker("inspect", "-f", "{{json .Config.Env}}", container)
    assert '"OURS="' in variables
    assert '"OTHERS=filled-in"' in variables
