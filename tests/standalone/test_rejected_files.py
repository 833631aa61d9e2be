"""Files that are not in force: every fault is told whole, at the start and with each edit that is refused."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.domain.load_results import POWER_TOML, LoadOutcome, LoadResult
from app.standalone.rejected_files import RejectedFiles
from app.standalone.terminal import Terminal
from tests.standalone.waiting import until
from tests.standalone.whole_standalone import Standalone

LONG = "no such service " * 40


@pytest.fixture
def standalone(tmp_path: Path) -> Iterator[Standalone]:
    one = Standalone(tmp_path)
    yield one
    one.clear()


@pytest.fixture
def refusals(tmp_path: Path) -> RejectedFiles:
    rejected_files = RejectedFiles(Terminal(tmp_path / "log"))
    rejected_files.begin()
    return rejected_files


def line(
    digest: str, fault: str, verdict: LoadOutcome = LoadOutcome.UNCHANGED, subject: str = "stack small"
) -> str:
    return f"[12:00: ERROR/MainProcess] {LoadResult(subject, verdict, digest, fault)}"


def said(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return [text.strip() for text in capsys.readouterr().out.splitlines()]


def test_every_fault_is_reported_whole_and_once(
    refusals: RejectedFiles, capsys: pytest.CaptureFixture[str]
) -> None:
    both = [line("aa", LONG), line("aa", "another")]
    assert refusals.take([*both, "something else"]) == ["something else"]
    # A new worker reads the same edit again.
    assert refusals.take(both) == []
    head, *faults = said(capsys)
    assert head.endswith("stack small stays as it was, an edit is not in force:")
    assert faults == [LONG.strip(), "another"]


def test_another_edit_with_the_same_fault_is_reported_again(
    refusals: RejectedFiles, capsys: pytest.CaptureFixture[str]
) -> None:
    refusals.take([line("aa", "no")])
    refusals.take([line("bb", "no")])
    refusals.take([line("aa", "no")])
    assert said(capsys).count("no") == 3


@pytest.mark.parametrize("subject", ["stack small", POWER_TOML])
def test_the_same_edit_after_it_was_mended_is_reported_again(
    refusals: RejectedFiles, capsys: pytest.CaptureFixture[str], subject: str
) -> None:
    refusals.take([line("aa", "no", subject=subject)])
    refusals.take([line("cc", "its files are good", LoadOutcome.SERVED)])
    refusals.take([line("aa", "no", subject=subject)])
    printed = said(capsys)
    assert printed.count("no") == 2
    assert [text.split(" ", 1)[1] for text in printed if "good" in text] == [
        "stack small is served: its files are good"
    ]


def test_what_is_served_from_the_start_is_not_reported(
    refusals: RejectedFiles, capsys: pytest.CaptureFixture[str]
) -> None:
    assert refusals.take([line("cc", "its files are good", LoadOutcome.SERVED)]) == []
    assert said(capsys) == []


def test_what_is_wrong_at_the_start_is_left_to_the_list_of_stacks(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rejected_files = RejectedFiles(Terminal(tmp_path / "log"))
    rejected_files.take([line("aa", "no", LoadOutcome.REJECTED)])
    rejected_files.begin()
    rejected_files.take([line("aa", "no", LoadOutcome.REJECTED)])
    assert said(capsys) == []
    rejected_files.take([line("bb", "nor this", LoadOutcome.REJECTED)])
    assert said(capsys)[-1] == "nor this"


def test_a_stack_that_never_was_good_is_rejected_with_every_fault(standalone: Standalone) -> None:
    unknown = [f"a-service-with-a-long-name-that-is-not-there-{number}" for number in range(8)]
    power_toml = standalone.directory / "power.toml"
    good = power_toml.read_text()
    power_toml.write_text(good.replace('["forge"]', repr(["forge", *unknown])))

    standalone.start()

    until(lambda: "Ctrl-C or SIGTERM" in standalone.said(), 20)
    printed = standalone.said()
    assert "small  REJECTED  (nothing can be opened)" in printed
    assert all(
        printed.count(f"the compose files have no service '{name}'; they have forge") == 1 for name in unknown
    )
    (stack,) = standalone.front().stacks()
    assert (stack["mode"], len(stack["faults"])) == ("REJECTED", 8)

    power_toml.write_text(good)
    until(lambda: "stack small is served: its files are good" in standalone.said(), 30)
    until(lambda: standalone.front().stacks()[0]["mode"] == "SOLO_CORE", 30)

    compose = standalone.directory / "docker-compose.yml"
    fine = compose.read_text()
    compose.write_text(fine.replace("image:", "no-such-key-in-any-compose-file-ever: 1\n    image:"))
    until(lambda: "stack small stays as it was, an edit is not in force:" in standalone.said(), 30)
    until(lambda: "no-such-key-in-any-compose-file-ever" in standalone.said(), 10)
    (stack,) = standalone.front().stacks()
    assert (stack["mode"], stack.get("faults", [])) == ("SOLO_CORE", [])

    power_toml.write_text(good + "\nnonsense = 1\n")
    until(lambda: "power.toml stays as it was, an edit is not in force:" in standalone.said(), 30)
    until(lambda: "nonsense: is not a setting" in standalone.said(), 10)
    assert standalone.stop() == 0
