"""Tables that fit a terminal, and times for people."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from rich.text import Text

from app.cli import output
from app.cli.output import TextTable

DETAIL = "exit code 1, restarted 2 times: ModuleNotFoundError: No module named 'switch'"


def table(name: str) -> TextTable:
    made = TextTable(("SERVICE", "POWER", "READY", "DETAIL"), loose={0: 8}, whole=True)
    made.add(name, "failing", "no", DETAIL)
    made.add("mcp", "off", "-", "")
    return made


def lines(made: TextTable, width: int | None) -> list[str]:
    return [line.plain for line in made.lines(width)]


def test_a_detail_that_does_not_fit_goes_on_in_its_column() -> None:
    assert lines(table("switch"), 60) == [
        "SERVICE  POWER    READY  DETAIL",
        "switch   failing  no     exit code 1, restarted 2 times:",
        "                         ModuleNotFoundError: No module",
        "                         named 'switch'",
        "mcp      off      -",
    ]


def test_a_detail_without_room_is_below_its_row() -> None:
    assert lines(table("a-service-with-a-long-name"), 60) == [
        "SERVICE                     POWER    READY",
        "a-service-with-a-long-name  failing  no",
        "    exit code 1, restarted 2 times: ModuleNotFoundError: No",
        "    module named 'switch'",
        "mcp                         off      -",
    ]


@pytest.mark.parametrize("width", [20, 40, 60, 80, 120, None])
@pytest.mark.parametrize("name", ["switch", "a-service-with-a-long-name"])
def test_no_word_of_a_detail_is_lost_at_any_width(name: str, width: int | None) -> None:
    printed = lines(table(name), width)

    assert "".join(DETAIL.split()) in "".join("".join(printed).split())
    assert width is None or max(map(len, printed)) <= width


def test_a_long_sentence_goes_on_below_its_beginning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "50")
    line = Text("14:03:52 CET  7b9266f6  ").append("admin opens one, two, three for 30m", "yellow")

    first, second = output.hang(line, 24)

    assert first.plain == "14:03:52 CET  7b9266f6  admin opens one, two,"
    assert second.plain == f"{' ' * 24}three for 30m"
    assert output.hang(line, 40) == [line]


@pytest.fixture
def _in_kathmandu(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(output, "live", lambda: True)
    monkeypatch.setenv("TZ", "NPT-5:45")
    time.tzset()
    yield
    output.show_utc(False)
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("_in_kathmandu")
def test_a_time_is_local_and_has_its_zone() -> None:
    moment = "2026-03-01T10:00:00.000Z"
    assert output.clock(moment) == "2026-03-01 15:45:00 NPT"

    output.show_utc(True)
    assert output.clock(moment) == "2026-03-01 10:00:00 UTC"
