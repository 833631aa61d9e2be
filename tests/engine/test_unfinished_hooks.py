"""A `post_start` hook that was cut off has not been run: its container is made anew, or it is failing."""

from __future__ import annotations

from typing import Any

from app.domain.enums import Action, CallStatus, Power, Status
from tests.engine.stacks import Stack, running, until
from tests.engine.test_deadlines import _calling, _worker


def hooked(code: str) -> dict[str, Any]:
    return running(post_start=[{"command": ["python3", "-I", "-S", "-c", f"import os, sys, time; {code}"]}])


def test_a_hook_whose_worker_was_killed_is_run_again(stack: Stack) -> None:
    stack.write({"web": hooked("time.sleep(4); open('/tmp/made', 'w')")})
    with _worker(stack) as worker:
        window = stack.ask("web")
        until(lambda: _calling(stack, Action.UP) and stack.alive(), "its hook runs", 20, stack)
        (cut_off,) = stack.ids("web")
        worker.kill()

    stack.begin()

    assert stack.opened(window).status == Status.OK
    assert stack.ids("web") != [cut_off]
    assert [call.status for call in stack.calls("web")] == [CallStatus.LOST, CallStatus.OK]


def test_a_hook_that_takes_too_long_is_failing(stack: Stack) -> None:
    web = hooked("time.sleep(60)")
    stack.write({"web": web, "mill": running()}, tuned={"web": {"up_timeout": "3s"}}).begin()

    window = stack.opened(stack.open("web", "mill"), within=60)

    assert window.status == Status.PARTIAL
    lease = stack.lease(window.id, "web")
    assert lease.power == Power.FAILING
    assert "did not finish within 3 s" in lease.detail


def test_a_hook_that_failed_is_run_again_for_the_next_window(stack: Stack) -> None:
    tries = "p = '/data/tried'; first = not os.path.exists(p); open(p, 'w').close(); sys.exit(3 * first)"
    web = hooked(tries) | {"volumes": ["kept:/data"]}
    stack.write({"web": web, "mill": running()}).define({"web": web, "mill": running()}, volumes={"kept": {}})
    stack.begin()
    first = stack.opened(stack.open("web", "mill"))
    assert first.status == Status.PARTIAL

    assert stack.opened(stack.open("web")).status == Status.OK

    until(lambda: stack.window(first.id).status == Status.OK, "the first has recovered", 20, stack)
