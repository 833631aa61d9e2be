"""Services that never started: the diagnosis names the dependency that failed, and why that one did."""

from __future__ import annotations

from tests.engine.stacks import Stack, checked, needs, python, running, until
from tests.engine.test_diagnosis import causes, newest


def title(stack: Stack, service: str) -> str:
    row = newest(stack, service)
    return row.causes[0]["title"] if row else ""


def test_what_waits_for_a_failed_service_names_its_cause_once_it_has_failed(stack: Stack) -> None:
    code = "time.sleep(2)\nimport switch"
    health = checked(None)["healthcheck"]
    stack.write(
        {
            "db": python(code, healthcheck=health),
            "api": checked(0, **needs(db="healthy")),
            "web": running(**needs(api="healthy")),
        }
    ).begin()
    window = stack.open("web")
    until(lambda: stack.alive() == {"db"}, "the dependency runs", 10, stack)

    assert newest(stack, "web") is None, "a dependency that is slow is no failure"

    until(
        lambda: "switch" in title(stack, "web"), f"the module is named, not {title(stack, 'web')}", 20, stack
    )
    assert causes(stack, "web") == causes(stack, "api") == ["dependency-failed"]
    assert "waits for api, which waits for db, which failed: The Python module" in title(stack, "web")
    row = newest(stack, "web")
    assert row
    assert row.window_id == window
    assert "power diagnose db" in row.causes[0]["suggestion"]


def test_what_waits_for_core_that_is_down_says_so(stack: Stack) -> None:
    stack.write({"redis": running(), "web": running(**needs(redis="started"))}, core=["redis"]).begin()
    stack.closed(stack.open("web"))

    until(lambda: causes(stack, "web") == ["dependency-failed"], "core is named", 20, stack)
    assert "core service redis" in title(stack, "web")
