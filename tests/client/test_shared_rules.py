"""The rules that client and server both have are the same: durations, closed words, printable text."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.domain import durations as server_durations
from app.domain import enums, untrusted_text
from power_windows import durations, printable, states

DURATION_TEXTS = st.from_regex(
    r"\s*(\d{1,3}[dD])?(\d{1,3}[hH])?(\d{1,4}m)?(\d{1,10}(\.\d+)?s?)?\s*", fullmatch=True
)
# Every class of characters: control characters, half surrogates and bidirectional overrides included.
ANY_TEXT = st.text(st.characters(exclude_categories=()))


def result_of(parse: Callable[[str], float], text: str) -> float | str:
    """Return the seconds, or the message of the ValueError."""
    try:
        return parse(text)
    except ValueError as error:
        return str(error)


@given(DURATION_TEXTS | ANY_TEXT)
@example("1000000000")
@example("0s")
@example("")
@example("٣m")
def test_client_and_server_parse_a_duration_alike(text: str) -> None:
    assert result_of(durations.parse, text) == result_of(server_durations.parse, text)


@given(st.floats(-1e6, 1e10))
def test_client_and_server_show_a_duration_alike(seconds: float) -> None:
    assert durations.show(seconds) == server_durations.show(seconds)


@pytest.mark.parametrize(
    ("of_client", "of_server"),
    [(states.State, enums.State), (states.Status, enums.Status), (states.Power, enums.Power)],
)
def test_client_and_server_have_the_same_words(of_client: type[StrEnum], of_server: type[StrEnum]) -> None:
    assert {word.name: word.value for word in of_client} == {word.name: word.value for word in of_server}


@given(ANY_TEXT)
@example("\x1b[2J\u202egone\u200d\r\n")
def test_client_and_server_filter_text_alike(text: str) -> None:
    assert printable.printable_line(text) == untrusted_text.harmless(text)
    assert printable.printable_lines(text) == untrusted_text.harmless_lines(text)
