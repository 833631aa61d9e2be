"""What services use, measured on real containers: while a window holds them, and no longer."""

from __future__ import annotations

import time

from app.domain.stack_id import StackId
from app.store import samples
from app.store.tables import Sample
from tests.engine.stacks import Stack, python, running
from workers.loops.sampler import Sampler

BUSY = "block = bytearray(40_000_000)\nwhile True: pass"


def taken(stack: Stack) -> dict[str, list[Sample]]:
    now = stack.database.now()
    with stack.database.read() as session:
        services = ["forge", "mill", "gate"]
        return samples.between(session, StackId("studio"), services, now.replace(year=2000), now)


def test_what_a_window_holds_is_measured_and_nothing_else(stack: Stack) -> None:
    stack.write({"gate": running(), "forge": python(BUSY), "mill": running()}, core=["gate"])
    stack.by_hand("up", "-d", "gate", "mill")
    stack.begin()
    sampling = Sampler(stack.context)
    sampling.take_samples()
    assert taken(stack) == {}

    window = stack.open("forge")
    stack.opened(window)
    for _ in range(3):
        sampling.take_samples()
        time.sleep(0.5)

    samples = taken(stack)
    assert samples.keys() == {"forge"}
    assert len(samples["forge"]) == 2
    last = samples["forge"][-1]
    assert last.memory > 40_000_000
    assert last.cpu > 0.1

    stack.close(window)
    stack.closed(window)
    sampling.take_samples()
    assert len(taken(stack)["forge"]) == 2
