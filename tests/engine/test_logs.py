"""What a window's containers wrote, read by the worker alone, and never more than the window holds."""

from __future__ import annotations

from typing import Any

import pytest

from app.domain.stack_id import StackId
from app.store import log_reads as rows
from app.store import stacks
from app.usecases import logs
from tests.engine.stacks import Stack, docker, exits, python, running, until
from workers.reconcile import logs as reading

# The engine reads each stream by itself, so what is written to both at once has no order.
TALKS = "print('one', flush=True); time.sleep(0.5); print('two', file=sys.stderr, flush=True); signal.pause()"


def read(
    stack: Stack, window: str, *, tail: int = 100, after: dict[str, str] | None = None
) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """Ask as the front does, and have the worker answer."""
    with stack.database.write() as session:
        asked = logs.ask(session, window, None, tail=tail, after=after or {}, now=stack.database.now()).id
    reading.answer(stack.context, asked)
    with stack.database.read() as session:
        request = rows.answered_request(session, asked)
        assert request
        return request.lines, request.notes


def said(stack: Stack, window: str, **rest: Any) -> list[str]:
    return [f"{line['service']}: {line['line']}" for line in read(stack, window, **rest)[0]]


def test_both_streams_of_a_windows_services_and_no_other(stack: Stack) -> None:
    stack.write({"redis": python(TALKS), "forge": python(TALKS), "mill": python(TALKS)}, core=["redis"])
    stack.by_hand("up", "-d", "redis", "mill")
    stack.begin()
    window = stack.open("forge")
    stack.opened(window)

    until(lambda: len(said(stack, window)) == 2, "both lines are there", stack=stack)
    assert said(stack, window) == ["forge: one", "forge: two"]
    assert said(stack, window, tail=1) == ["forge: two"]


def test_a_service_that_no_window_holds_has_the_lines_of_its_container(stack: Stack) -> None:
    stack.write({"redis": python(TALKS), "forge": python(TALKS), "mill": python(TALKS)}, core=["redis"])
    stack.by_hand("up", "-d", "redis", "forge")
    stack.begin()
    until(lambda: len(lines_of(stack, "forge")[0]) == 2, "both lines are there", stack=stack)
    stack.by_hand("stop", "forge")

    assert lines_of(stack, "forge") == (["one", "two"], {})
    assert lines_of(stack, "mill") == ([], {"mill": "it has no container"})
    # What is core by the worker's own file is not read, whatever a row asks for.
    assert lines_of(stack, "redis") == ([], {})


def lines_of(stack: Stack, service: str) -> tuple[list[str], dict[str, str]]:
    """The lines of a service outside of windows, and why there are none."""
    with stack.database.write() as session:
        row = stacks.chosen(session, StackId("studio"))
        asked = logs.ask_service(session, row, "forge", tail=100, now=stack.database.now())
        asked.services = [service]
        identifier = asked.id
    reading.answer(stack.context, identifier)
    with stack.database.read() as session:
        request = rows.answered_request(session, identifier)
        assert request
        return [line["line"] for line in request.lines], request.notes


def test_what_was_read_once_is_not_read_again(stack: Stack) -> None:
    talks = "number = 0\nwhile True:\n    number += 1; print(number, flush=True); time.sleep(0.1)"
    stack.write({"forge": python(talks)}).begin()
    window = stack.open("forge")
    stack.opened(window)

    received: list[str] = []
    after: dict[str, str] = {}
    while len(received) < 20:
        lines, _notes = read(stack, window, after=after)
        after = logs.last_seen(lines, after)
        received += [line["line"] for line in lines]

    assert received == [str(number) for number in range(1, len(received) + 1)]


def test_an_earlier_windows_lines_are_not_this_ones(stack: Stack) -> None:
    stack.write({"forge": python("print(time.time_ns(), flush=True); signal.pause()")}).begin()
    first = stack.open("forge")
    stack.opened(first)
    before = until(lambda: said(stack, first), "it has said something", stack=stack)
    stack.close(first)
    stack.closed(first)

    second = stack.open("forge")
    stack.opened(second)
    mine = until(lambda: said(stack, second), "it has said something", stack=stack)

    assert len(mine) == 1
    assert mine != before
    # The container is the same one, and each window still has its own part of what it wrote.
    assert said(stack, first) == before


def test_a_service_that_keeps_failing_shows_what_it_said(stack: Stack) -> None:
    stack.write({"forge": exits(3, saying="no such model"), "mill": running()}).begin()
    window = stack.open("forge", "mill")
    stack.opened(window)

    assert "forge: no such model" in said(stack, window)


def test_without_a_container_the_last_stored_lines_are_shown(stack: Stack) -> None:
    stack.write({"forge": exits(3, saying="no such model"), "mill": running()}).begin()
    window = stack.open("forge", "mill")
    stack.opened(window)
    stack.close(window)
    stack.closed(window)
    stack.end()
    detail = stack.lease(window, "mill").detail
    docker(
        "rm",
        "-f",
        *docker("ps", "-aq", "--filter", f"label=com.docker.compose.project={stack.project}").split(),
    )
    stack.begin()

    lines, notes = read(stack, window)

    assert lines == []
    assert set(notes) == {"forge", "mill"}
    assert notes["mill"] == (
        f"its container is gone; the last that was kept of it: {detail}" if detail else "it has no container"
    )


@pytest.mark.parametrize(
    ("driver", "options"),
    [
        ("none", {}),
        ("syslog", {"syslog-address": "udp://127.0.0.1:5514", "cache-disabled": "true"}),
        ("gelf", {"gelf-address": "udp://127.0.0.1:5515", "cache-disabled": "true"}),
    ],
)
def test_a_driver_that_keeps_no_lines_is_named_and_hides_no_others(
    stack: Stack, driver: str, options: dict[str, str]
) -> None:
    quiet = python(TALKS, logging={"driver": driver, "options": options}, scale=2)
    stack.write({"forge": python(TALKS), "quiet": quiet}).begin()
    window = stack.open("forge", "quiet")
    stack.opened(window)

    until(lambda: len(said(stack, window)) == 2, "both lines are there", stack=stack)
    lines, notes = read(stack, window)
    assert {line["service"] for line in lines} == {"forge"}
    assert notes == {
        "quiet": f"its lines cannot be read here: the logging driver {driver} keeps none on this engine; "
        "json-file, local and journald do"
    }


def test_a_driver_whose_lines_the_engine_keeps_as_well_is_read(stack: Stack) -> None:
    sends = {"driver": "syslog", "options": {"syslog-address": "udp://127.0.0.1:5514"}}
    stack.write({"forge": python(TALKS, logging=sends)}).begin()
    window = stack.open("forge")
    stack.opened(window)

    until(lambda: len(said(stack, window)) == 2, "both lines are there", stack=stack)
    assert read(stack, window)[1] == {}


def test_a_service_without_readable_lines_that_fails_says_so(stack: Stack) -> None:
    stack.write({"forge": exits(3, saying="unheard", logging={"driver": "none"}), "mill": running()}).begin()
    window = stack.open("forge", "mill")
    stack.opened(window)

    assert "exited with code 3" in stack.lease(window, "forge").detail
    assert "the logging driver none" in read(stack, window)[1]["forge"]


def test_a_forged_message_makes_no_worker_read_logs(stack: Stack) -> None:
    stack.write({"forge": python(TALKS)}).begin()

    for forged in ("", "nosuch", "'; DROP TABLE windows; --"):
        reading.answer(stack.context, forged)

    assert stack.calls() == []
