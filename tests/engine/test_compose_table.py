"""Each row of the table in docs/compose.md, run on real containers.

A row that is supported, or has a limit, opens a window on a small stack with that
feature and sees it off again; the message of a refused row is the one that is given.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from app.domain.enums import Status
from app.domain.stack_id import StackId
from app.settings import read_power_toml
from tests.engine.compose_features import FEATURES, Feature
from tests.engine.stacks import Stack
from workers.stacks import stack_reader
from workers.stacks.stack_reader import Rejected

PAGE = Path(__file__).parents[2] / "docs" / "compose.md"
ROW = re.compile(
    r"^\| (?P<name>[^|]+?) +\| (?P<verdict>supported|limit|refused) +\| (?P<told>.*?) *\|$", re.MULTILINE
)
ROWS = {row["name"]: row for row in ROW.finditer(PAGE.read_text())}
RUN = sorted(name for name, row in ROWS.items() if row["verdict"] != "refused")
REFUSED = sorted(name for name, row in ROWS.items() if row["verdict"] == "refused")


def prepared(stack: Stack, name: str) -> Feature:
    """The stack with this feature, written down."""
    feature = FEATURES[name](stack)
    stack.write(feature.services, core=feature.core, allow=feature.allow, tuned=feature.tuned, **feature.toml)
    stack.define(feature.services, **feature.more)
    return feature


def test_every_row_has_a_case_and_every_case_a_row() -> None:
    assert set(ROWS) == set(FEATURES)
    # A row that is not of the form above is no row at all.
    lines = [line for line in PAGE.read_text().splitlines() if line.startswith("| ")]
    assert len(lines) == len(ROWS) + 1


@pytest.mark.parametrize("name", RUN)
def test_a_window_opens_and_all_is_off_again(stack: Stack, name: str) -> None:
    feature = prepared(stack, name)
    if feature.core:
        stack.by_hand("up", "-d", *feature.core)
    stack.begin()

    window = stack.open(*feature.opens)
    if feature.fails:
        closed = stack.closed(window, within=60)
        assert closed.status == Status.FAIL
        assert feature.fails in (closed.close_detail or "")
    else:
        assert stack.opened(window, within=60).status == Status.OK, stack.story()
        feature.check(stack, window)
        stack.close(window)
        stack.closed(window)
    assert stack.alive() == set(feature.core)


@pytest.mark.parametrize("name", REFUSED)
def test_the_message_of_the_page_is_the_one_that_is_given(stack: Stack, name: str) -> None:
    prepared(stack, name)
    (message,) = re.findall(r"`([^`]+)`", ROWS[name]["told"])

    with pytest.raises(Rejected) as refused:
        stack_reader.read(
            stack.config, read_power_toml(stack.config), StackId("studio"), keep=stack.directory / "kept"
        )

    messages = [fault.partition("stacks.studio.")[2] for fault in refused.value.faults]
    assert message in messages
