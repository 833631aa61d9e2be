"""What a call prints while it runs: redacted in whole lines, bounded, and free of the database."""

from __future__ import annotations

from app.domain import call_output
from workers.engine import stack_secrets
from workers.state.live_output import CUT_OFF, MOST_UNREDACTED, LiveOutput


def test_a_secret_that_comes_in_two_pieces_is_hidden() -> None:
    stack_secrets.note("live-studio", frozenset({"opensesame"}))
    output = LiveOutput("live-studio")

    output.add("Container forge Starting\nlogin with open")
    assert output.update()
    assert output.text == "Container forge Starting\n"

    output.add("sesame now\n-----BEGIN RSA PRIVATE KEY-----\nMIIEow\n")
    assert output.update()
    output.add("-----END RSA PRIVATE KEY-----\ndone\n")
    assert output.update()
    assert not output.update()
    assert output.text == "Container forge Starting\nlogin with [redacted] now\n[redacted]\ndone\n"


def test_a_long_output_is_shortened_as_that_of_a_finished_call() -> None:
    output, lines = LiveOutput("studio"), [f"line {number}\n" for number in range(400)]
    for line in lines:
        output.add(line)
        output.update()
    assert output.text == call_output.shorten_output("".join(lines))


def test_a_call_that_prints_more_than_is_read_is_live_no_longer() -> None:
    output = LiveOutput("studio")
    for _ in range(MOST_UNREDACTED // 1000 + 10):
        output.add("x" * 999 + "\n")
    assert output.update()
    assert output.text.endswith(CUT_OFF)

    output.add("a secret without its beginning\n")
    assert not output.update()
