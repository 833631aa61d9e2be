"""What a terminal is shown of text from outside, and how much of it is kept."""

from __future__ import annotations

import json

import pytest

from app.domain import untrusted_text

HOSTILE = {
    "colours": "\x1b[31mred\x1b[0m",
    "a title": "\x1b]0;owned\x07title",
    "a link": "\x1b]8;;http://x\x1b\\link",
    "the clipboard": "\x1b]52;c;aGk=\x07clip",
    "eight-bit sequences": "\x9b31mred\x9d0;owned\x9c",
    "a sequence without its end": "end\x1b[",
    "clear the screen": "\x1bc\x1b[2J",
    "a bell and backspaces": "ok\x07\x08\x08no",
    "a bidirectional override": "user \u202eresu\u2066x\u2069",
    "a line and a paragraph": "one\u2028two\u2029three",
    "a new row": "one\ntwo\r\nthree\x0bfour\x0cfive\x85six",
    "tags and soft hyphens": "a\U000e0041b\xadc\ufeffd",
    "half a character": "a\ud800b",
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_one_line_is_shown_and_obeyed_by_no_terminal(kind: str) -> None:
    line = untrusted_text.harmless(HOSTILE[kind])
    assert line.isprintable()
    assert len(line) == len(HOSTILE[kind])


def test_letters_of_every_language_stay() -> None:
    for text in ("größer", "日本語", "שלום", "नमस्ते", "نم\u200cی", "👩\u200d💻"):
        assert untrusted_text.harmless(text) == text


@pytest.mark.parametrize("kind", HOSTILE)
def test_json_keeps_the_data_and_shows_none_of_it_raw(kind: str) -> None:
    reply = {"items": [{"said": HOSTILE[kind], "größe": 1}], "next": None}
    printed = untrusted_text.as_json(reply, indent=2)
    assert json.loads(printed) == reply
    assert all(line.isprintable() for line in printed.split("\n"))
    assert "größe" in printed


def test_lines_stay_lines() -> None:
    assert untrusted_text.harmless_lines("one\x1b[1m\ntwo\x07\n") == "one [1m\ntwo "


@pytest.mark.parametrize("length", [0, 1, 3, 498, 499, 500, 501, 140_000])
@pytest.mark.parametrize("rest", [0, 1, 500, 140_000])
def test_a_bound_holds_whatever_comes_before_the_end(length: int, rest: int) -> None:
    text = untrusted_text.with_end("b" * length, "r" * rest, 500)
    assert len(text) <= 500
    assert text.startswith("b" * min(length, 400))
    for longest in (0, 1, 2, 3, 500):
        assert len(untrusted_text.shorten("b" * length, longest)) == min(length, longest)
