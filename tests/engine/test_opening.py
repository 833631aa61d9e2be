"""From a window that is asked for to services that run."""

from __future__ import annotations

import pytest

from app.domain.enums import Action, CallStatus, Power, State, Status
from tests.engine.stacks import Stack, checked, docker, exits, needs, running, until

EIGHT = [f"service-{number}" for number in range(8)]


@pytest.mark.every_engine
def test_the_first_open_of_eight_at_once_makes_one_network(stack: Stack) -> None:
    """Two first starts at once would each create the network, and the engine then calls it ambiguous."""
    stack.write({name: running() for name in EIGHT}).begin()

    window = stack.opened(stack.open(*EIGHT))

    assert window.status == Status.OK
    assert stack.alive() == set(EIGHT)
    label = f"label=com.docker.compose.project={stack.project}"
    assert len(docker("network", "ls", "-q", "--filter", label).split()) == 1
    assert {call.status for call in stack.calls()} == {CallStatus.OK}
    assert len(stack.calls()) == 8

    stack.close(window.id)
    stack.closed(window.id)
    assert stack.alive() == set()


@pytest.mark.every_engine
def test_neither_core_nor_what_runs_is_touched_though_the_file_has_changed(stack: Stack) -> None:
    """A plain `up` would start what a service depends on, and recreate it where the file has changed."""
    defined = {
        "redis": running(),
        "db": running(),
        "api": running(**needs(redis="started", db="started")),
    }
    stack.write(defined, core=["redis"])
    stack.by_hand("up", "-d", "redis")
    stack.begin()
    first = stack.opened(stack.open("db"))
    before = stack.ids("redis"), stack.ids("db")
    for definition in defined.values():
        definition["environment"] = {"CHANGED": "yes"}
    stack.define(defined)

    second = stack.opened(stack.open("api"))

    assert (stack.ids("redis"), stack.ids("db")) == before
    assert stack.alive() == {"redis", "db", "api"}
    stack.close(second.id)
    stack.closed(second.id)
    assert stack.alive() == {"redis", "db"}
    stack.close(first.id)
    stack.closed(first.id)
    assert stack.alive() == {"redis"}
    assert stack.ids("redis") == before[0]


def test_a_running_service_that_was_asked_for_is_not_recreated(stack: Stack) -> None:
    stack.write({"forge": running()})
    stack.by_hand("up", "-d", "forge")
    before = stack.ids("forge")
    stack.begin()
    stack.define({"forge": running(environment={"CHANGED": "yes"})})

    window = stack.opened(stack.open("forge"))

    assert stack.ids("forge") == before
    assert stack.calls() == []
    # Started by hand, then held: it goes with the last window that holds it.
    stack.close(window.id)
    stack.closed(window.id)
    assert stack.alive() == set()


def test_the_last_one_out_turns_off_the_light(stack: Stack) -> None:
    stack.write({"forge": running()}).begin()
    first, second = stack.open("forge"), stack.open("forge")
    stack.opened(first)
    stack.opened(second)

    stack.close(first)
    stack.closed(first)
    assert stack.alive() == {"forge"}

    stack.close(second)
    stack.closed(second)
    assert stack.alive() == set()
    assert [call.action for call in stack.calls()] == [Action.UP, Action.STOP]


def test_core_that_is_down_fails_the_window_by_name_and_stays_down(stack: Stack) -> None:
    stack.write({"redis": running(), "api": running(**needs(redis="started"))}, core=["redis"]).begin()

    window = stack.closed(stack.open("api"))

    assert window.status == Status.FAIL
    assert "needs core service redis" in (window.close_detail or "")
    assert stack.alive() == set()
    assert stack.calls() == []


@pytest.mark.every_engine
def test_a_missing_image_is_a_clear_failure_and_nothing_else_closes_the_window(stack: Stack) -> None:
    stack.write({"forge": {"image": "power-windows/not-there:none"}}).begin()

    window = stack.closed(stack.open("forge"))

    assert window.status == Status.FAIL
    assert "No such image" in (window.close_detail or "")
    (up,) = stack.calls("forge")[:1]
    assert (up.status, up.returncode) == (CallStatus.FAIL, 1)


def test_some_that_came_up_keep_the_window_open(stack: Stack) -> None:
    stack.write({"forge": {"image": "power-windows/not-there:none"}, "mill": running()}).begin()

    window = stack.opened(stack.open("forge", "mill"))

    assert window.status == Status.PARTIAL
    assert "No such image" in stack.lease(window.id, "forge").detail
    assert stack.lease(window.id, "mill").power == Power.ON


def test_a_dependant_waits_until_its_dependency_is_healthy(stack: Stack) -> None:
    stack.write({"db": checked(1.0), "api": running(**needs(db="healthy"))}).begin()

    window = stack.opened(stack.open("api"))

    assert window.status == Status.OK
    db, api = (stack.calls(name)[0] for name in ("db", "api"))
    assert db.finished_at
    assert (api.started_at - db.finished_at).total_seconds() > 0.5
    stack.close(window.id)
    stack.closed(window.id)
    stopped = [call.service for call in stack.calls() if call.action == Action.STOP]
    assert stopped == ["api", "db"]


def test_dependants_of_what_fails_fail_with_its_reason(stack: Stack) -> None:
    stack.write({"db": exits(3, saying="no disk"), "api": running(**needs(db="healthy"))}).begin()

    window = stack.closed(stack.open("api"))

    assert window.status == Status.FAIL
    assert "needs db, which is failing: exited with code 3" in (window.close_detail or "")
    assert stack.calls("api") == []


@pytest.mark.every_engine
def test_a_one_shot_is_done_once_for_each_window(stack: Stack) -> None:
    stack.write({"job": exits(0), "report": running(**needs(job="completed"))}).begin()

    first = stack.opened(stack.open("report"))

    assert stack.lease(first.id, "job").power == Power.DONE
    stack.close(first.id)
    stack.closed(first.id)
    second = stack.opened(stack.open("report"))
    assert second.status == Status.OK
    assert [call.action for call in stack.calls("job")].count(Action.UP) == 2


def test_a_start_that_times_out_is_looked_at_and_tried_again(stack: Stack) -> None:
    """What a killed client asked of the engine may happen all the same: look, then converge again."""
    stack.write({"forge": running()}, tuned={"forge": {"up_timeout": 0.05}}).begin()

    window = stack.settled(stack.open("forge"), State.OPEN, State.CLOSED)

    ups = [call.status for call in stack.calls("forge") if call.action == Action.UP]
    assert ups[0] == CallStatus.TIMEOUT
    if window.state == State.CLOSED:
        assert ups == [CallStatus.TIMEOUT] * 2
        assert "did not finish within" in (window.close_detail or "")
        assert [call.action for call in stack.calls("forge")][-1] == Action.STOP
    until(lambda: (row := stack.row("forge")) and row.alive == (window.state == State.OPEN), "it is so")


def test_a_directory_that_is_gone_is_named(stack: Stack) -> None:
    stack.write({"forge": running()})
    place = stack.directory / "place"
    place.mkdir()
    stack.file.rename(place / stack.file.name)
    toml = stack.config.read_text()
    stack.config.write_text(toml.replace("project", f'directory = "{place}"\nproject', 1))
    stack.begin()
    place.rename(stack.directory / "elsewhere")

    window = stack.closed(stack.open("forge"))

    assert (window.close_reason, window.status) == ("failed", Status.FAIL)
    assert f"the directory {place} cannot be entered: No such file or directory" in (
        window.close_detail or ""
    )
    assert "exit None" not in (window.close_detail or "")
