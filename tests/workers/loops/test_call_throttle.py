from __future__ import annotations

import logging
from types import SimpleNamespace
from typing import cast

import pytest

from app.domain.throttling import NO_LIMIT, CallBounds, HostLoad
from app.host.pressure import LoadReader
from workers.loops.call_throttle import CallThrottle
from workers.state.concurrency import CallQueue, Limits
from workers.state.context import WorkerContext

QUIET, SHORT = HostLoad(0.5, 0.1, 0.0, 0.0), HostLoad(0.5, 0.1, 0.6, 0.0)


class FakeReader:
    """A host whose load a test sets."""

    def __init__(self) -> None:
        self.load = QUIET

    def read(self) -> HostLoad:
        return self.load


def test_the_queue_of_starts_follows_the_host_and_the_log_says_why(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    reader, queue = FakeReader(), CallQueue("opening", Limits(8, 64))
    context = cast(WorkerContext, SimpleNamespace(opening=queue, call_limit=NO_LIMIT))
    throttle = CallThrottle(context, CallBounds(2, 8), cast(LoadReader, reader))

    throttle.adjust()
    assert (queue.limits, caplog.messages) == (Limits(8, 64), [])

    reader.load = SHORT
    throttle.adjust()
    throttle.adjust()
    assert queue.limits == Limits(2, 64)
    assert caplog.messages == [
        "at most 2 compose calls start at once: processes waited for memory 60% of the time"
    ]
    assert context.call_limit.reason == "processes waited for memory 60% of the time"

    reader.load = QUIET
    throttle.adjust()
    throttle.adjust()
    assert queue.limits == Limits(8, 64)
    assert context.call_limit.reason == ""
    assert caplog.messages[-1] == "at most 8 compose calls start at once: room again"
