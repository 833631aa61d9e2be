"""A stack whose section of power.toml has faults, beside one whose section has none."""

from __future__ import annotations

import pytest

from app.domain.enums import Event, Status
from app.domain.stack_id import StackId
from app.store import stacks
from tests.engine.stacks import Stack, running, until

BAD = '[stacks.lab]\nproject = "My.Lab"\nallow = ["web"]\n'


def beside(stack: Stack, section: str) -> None:
    stack.config.write_text(f"{stack.config.read_text()}\n{section}")


def test_the_other_stack_is_served_and_the_faults_are_on_record(stack: Stack) -> None:
    stack.write({"web": running()})
    beside(stack, BAD)
    stack.begin()

    assert stack.opened(stack.open("web")).status == Status.OK
    (rejected,) = stack.entries(Event.STACK_REJECTED)
    assert rejected.stack == "lab"
    assert "write 'mylab'" in rejected.facts


def test_a_section_that_is_mended_is_served(stack: Stack) -> None:
    stack.write({"web": running()})
    beside(stack, BAD)
    stack.begin()

    stack.config.write_text(stack.config.read_text().replace("My.Lab", f"{stack.project}-lab"))

    until(lambda: any(one.stack == "lab" for one in stack.entries(Event.STACK_LOADED)), "it is served", 20)


def test_a_section_that_becomes_bad_leaves_its_stack_as_it_was(stack: Stack) -> None:
    stack.write({"web": running(), "mill": running()})
    good = stack.config.read_text()
    beside(stack, BAD.replace("My.Lab", f"{stack.project}-lab"))
    stack.begin()
    window = stack.opened(stack.open("web"))

    stack.config.write_text(
        good.replace('allow = ["web", "mill"]', 'allow = ["a b"]')
        + BAD.replace("My.Lab", f"{stack.project}-lab")
    )
    until(lambda: stack.entries(Event.STACK_REJECTED), "the change is refused", 20, stack)

    place = stack.context.stacks[StackId("studio")].place
    assert place
    assert stack.window(window.id).status == Status.OK
    assert stack.opened(stack.open("mill")).status == Status.OK


@pytest.mark.parametrize("name", ["clock", "../up"])
def test_a_name_that_no_stack_may_have_keeps_no_other_from_being_served(stack: Stack, name: str) -> None:
    stack.write({"web": running()})
    beside(stack, f'[stacks."{name}"]\nproject = "lab"\nallow = ["web"]\n')
    stack.begin()

    assert stack.opened(stack.open("web")).status == Status.OK
    with stack.database.read() as session:
        assert stacks.stack_by_name(session, StackId(name)) is None


@pytest.mark.parametrize(
    ("good", "bad"),
    [
        ('allow = ["web"]', 'allow = ["a b"]'),
        ("[stacks.studio]", "[stacks.studio]\nnode = 5"),
        ("project =", "typo ="),
    ],
)
def test_what_a_bad_section_still_owes_is_turned_off_after_a_restart(
    stack: Stack, good: str, bad: str
) -> None:
    stack.write({"web": running()})
    beside(stack, BAD.replace("My.Lab", f"{stack.project}-lab"))
    stack.begin()
    window = stack.opened(stack.open("web"))
    stack.end()
    stack.config.write_text(stack.config.read_text().replace(good, bad, 1))

    stack.begin()
    stack.close(window.id)

    stack.closed(window.id, within=30)
    assert stack.alive() == set()


def test_files_that_others_can_write_are_logged_once(stack: Stack, caplog: pytest.LogCaptureFixture) -> None:
    stack.write({"web": running()})
    stack.file.chmod(0o666)
    stack.begin()
    stack.define({"web": running(), "mill": running()})
    until(lambda: len(stack.entries(Event.STACK_LOADED)) == 2, "the change is adopted", 20, stack)

    line = f"stack studio: {stack.file} can be written by every user (mode 0666)"
    assert sum(record.getMessage().startswith(line) for record in caplog.records) == 1
