"""A worker that is asked to leave makes its calls to their end first."""

from __future__ import annotations

from app.domain.enums import CallStatus, Event
from tests.engine.stacks import Stack, python, until

STUBBORN = "signal.signal(signal.SIGTERM, signal.SIG_IGN)\nwhile True: time.sleep(1)"


def test_a_call_under_way_is_on_record_before_the_worker_is_gone(stack: Stack) -> None:
    stack.write({"forge": python(STUBBORN, stop_grace_period="4s")}).begin()
    window = stack.open("forge")
    stack.opened(window, within=60)
    stack.close(window)
    until(
        lambda: [call for call in stack.calls() if call.status == CallStatus.RUNNING],
        "it is stopped",
        30,
        stack,
    )

    stack.watch.stop(patiently=True)

    assert [str(call.status) for call in stack.calls()] == ["ok", "ok"]
    assert stack.entries(Event.CALL_LOST) == []
