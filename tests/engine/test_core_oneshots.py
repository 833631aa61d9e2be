"""A one-shot that is core: it was run by hand, and is done for good, not down."""

from __future__ import annotations

from app.domain.enums import Event, Power, Status
from tests.engine.stacks import Stack, exits, needs, python, running, until


def test_one_that_is_done_is_used(stack: Stack) -> None:
    stack.write({"init": exits(0), "web": running(**needs(init="completed"))}, core=["init"])
    stack.by_hand("up", "-d", "init")
    until(lambda: not stack.alive(), "it has ended")
    stack.begin()
    until(lambda: (row := stack.row("init")) and row.power == Power.DONE, "it is done", 10, stack)

    window = stack.opened(stack.open("web"))

    assert window.status == Status.OK
    stack.close(window.id)
    stack.closed(window.id)
    assert not stack.entries(Event.DRIFT_FOUND)
    assert not [call for call in stack.calls() if call.service == "init"]


def test_one_that_is_run_under_a_worker_is_seen_done(stack: Stack) -> None:
    stack.write({"init": exits(0), "web": running()}, core=["init"], tuned={"init": {"oneshot": True}})
    stack.begin()
    until(lambda: stack.entries(Event.DRIFT_FOUND), "it is missed", 10, stack)

    stack.by_hand("up", "-d", "init")

    until(lambda: (row := stack.row("init")) and row.power == Power.DONE, "it is done", 10, stack)
    until(lambda: stack.entries(Event.DRIFT_ENDED), "no open window needs it any more", 10, stack)


def test_one_that_still_works_is_waited_for(stack: Stack) -> None:
    works = python("time.sleep(4)")
    stack.write({"init": works, "web": running(**needs(init="completed"))}, core=["init"])
    stack.begin()
    stack.by_hand("up", "-d", "init")
    until(lambda: (row := stack.row("init")) and row.power == Power.STARTING, "it works", 10, stack)

    assert stack.opened(stack.open("web")).status == Status.OK


def test_one_that_has_failed_is_named(stack: Stack) -> None:
    stack.write({"init": exits(3), "web": running(**needs(init="completed"))}, core=["init"])
    stack.by_hand("up", "-d", "init")
    until(lambda: not stack.alive(), "it has ended")
    stack.begin()
    until(lambda: (row := stack.row("init")) and row.power == Power.FAILING, "it has failed", 10, stack)

    closed = stack.closed(stack.open("web"))

    assert closed.status == Status.FAIL
    assert "needs core service init, which is failing: exited with code 3" in (closed.close_detail or "")
