"""Runs that give a service another image: the run has it, and the next window has the service's own."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import Any

import pytest

from app.domain.run_errors import ImageInUse
from examples.vx11 import image
from tests.engine.runs import ask, conduct, conducting, finished, steps, under_way
from tests.engine.stacks import Stack, docker, running
from tests.engine.test_run_kills import kill, worker

WAITS = {"waits": {"log": {"service": "forge", "pattern": "never"}, "retries": 1000, "every": 0.2}}
WORD = ["python3", "-c", "import os; print(os.environ.get('WORD'))"]


def prints(word: str) -> dict[str, Any]:
    return {"word": {"exec": {"service": "forge", "argv": WORD, "pattern": f"^{word}$"}}}


@pytest.fixture
def other() -> Iterator[str]:
    """The image of the tests with another environment, under a name of its own."""
    tag = f"power-test-{secrets.token_hex(4)}:two"
    container = docker("create", image.NAME).strip()
    docker("commit", "--change", "ENV WORD=two", container, tag)
    docker("rm", container)
    yield tag
    docker("rmi", "-f", tag)


@pytest.fixture
def served(stack: Stack, other: str) -> Stack:
    pattern = f"{other.partition(':')[0]}:*"
    return stack.write(
        {"forge": running(), "mill": running()}, tuned={"forge": {"images": [pattern]}}
    ).begin()


def image_of_forge(stack: Stack) -> str:
    (container,) = stack.ids("forge")
    return docker("inspect", "-f", "{{.Config.Image}}", container).strip()


def test_the_run_has_the_image_and_the_next_window_the_services_own(served: Stack, other: str) -> None:
    ordinary = served.opened(served.open("forge"))
    served.close(ordinary.id)
    served.closed(ordinary.id)

    run = conduct(served, "forge", images={"forge": other}, steps=prints("two"))

    assert (run.outcome, steps(run)) == ("passed", {"word": "passed"}), run.detail
    assert run.report
    assert run.report["run"]["images"] == {"forge": other}
    assert served.alive() == set()
    served.opened(served.open("forge"))
    assert image_of_forge(served) == image.NAME


def test_no_other_window_holds_the_service_meanwhile(served: Stack, other: str) -> None:
    run = ask(served, "forge", images={"forge": other}, steps=WAITS)
    with conducting(served):
        under_way(served, run, "runs its steps")
        with pytest.raises(ImageInUse, match=f"runs image {other} for run {run}"):
            served.ask("forge")
        served.opened(served.open("mill"))
    assert served.alive() == {"mill"}
    served.opened(served.open("forge"))


def test_a_service_that_a_window_holds_keeps_its_image(served: Stack, other: str) -> None:
    window = served.opened(served.open("forge"))
    before = served.ids("forge")

    run = conduct(served, "forge", images={"forge": other}, steps=prints("two"))

    assert (run.outcome, run.window_id) == ("failed", None)
    assert "runs already, with its own image" in run.detail
    assert (served.ids("forge"), str(served.window(window.id).state)) == (before, "open")


def test_after_a_kill_the_next_window_has_the_services_own_image(served: Stack, other: str) -> None:
    run = ask(served, "forge", images={"forge": other}, steps=WAITS)
    served.repairs_expected = True
    served.end()
    with worker(served) as process:
        under_way(served, run, "runs its steps")
        kill(process)

    served.begin()
    with conducting(served):
        assert finished(served, run).outcome == "cut"
    assert served.alive() == set()
    served.opened(served.open("forge"))
    assert image_of_forge(served) == image.NAME


def test_what_a_person_started_with_the_image_of_a_run_is_made_anew(served: Stack, other: str) -> None:
    conduct(served, "forge", images={"forge": other}, steps={})
    served.repairs_expected = True
    docker("start", f"{served.project}-forge-1")

    served.opened(served.open("forge"))

    assert image_of_forge(served) == image.NAME


def test_an_image_that_the_engine_lacks_opens_nothing(served: Stack, other: str) -> None:
    missing = f"{other.partition(':')[0]}:gone"
    run = conduct(served, "forge", images={"forge": missing}, steps={})

    assert (run.outcome, run.window_id) == ("failed", None)
    assert run.detail == f"the engine has no image {missing} for forge; pull or build it"
