"""A report says the same in each form, needs nothing else, and obeys nothing that its texts say."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from typing import Any
from xml.etree import ElementTree

import pytest

from app.reports import pictures, spans
from app.reports.junit import render_junit
from app.reports.render import RENDERERS, render_html, render_json, render_markdown
from tests.reports.sample import sample

HOSTILE = '\x1b[31m</td><script>alert(1)</script>\u202e & "quoted" `code` | [a](b) \ud800'


def cut() -> dict[str, Any]:
    """A run that was cut before its window was opened."""
    run = {**sample()["run"], "outcome": "cut", "detail": "its worker died", "elapsed_sec": 0.0}
    return sample(run=run, window=None, services={}, calls=[], timeline=[], steps=[], proof=None,
                  failed_first=None, notes=["this run was cut"])  # fmt: skip


def test_markdown_has_what_failed_first_and_the_proof() -> None:
    text = render_markdown(sample())
    assert text.startswith("# Run of cycle: failed\n")
    assert "- **failed first**: step answers at 4.5 s: status 503, expected 200" in text
    assert "- **proof**: the engine shows that only core runs: redis" in text
    assert "| forge | 1.80 s | 1.70 s of 3 | 80.5 % | 6.5 MiB | 0 |" in text
    assert "| 0.3 s | forge | up | ok | 0.70 s |" in text
    assert "| answers | failed | 2 | 1.00 s |" in text


def test_other_images_are_named() -> None:
    report = sample()
    assert "images" not in render_markdown(report)
    report["run"]["images"] = {"forge": "shop/app:2"}
    assert "forge=shop/app:2" in render_markdown(report)


def test_causes_of_failures_come_first() -> None:
    cause = {
        "service": "mill",
        "title": "a module is missing",
        "confidence": 0.95,
        "evidence": ["No module named 'mill'"],
        "suggestion": "Install it.",
        "rule": "python-module",
    }
    report = sample(causes=[cause])
    text = render_markdown(report)
    assert (
        "| mill | a module is missing (95%) | No module named 'mill' | Install it. | python-module |" in text
    )
    assert text.index("## Causes") < text.index("## Steps")
    assert "## Causes" not in render_markdown(sample())


def test_json_is_the_report() -> None:
    assert json.loads(render_json(sample())) == sample()


class _Links(HTMLParser):
    """Remembers every tag and every address that a page names."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str | None] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.addresses += [value for name, value in attrs if name in {"src", "href", "action", "style"}]


def test_the_page_needs_nothing_else_and_has_its_pictures() -> None:
    page = render_html(sample())
    links = _Links()
    links.feed(page)
    assert links.addresses == []
    assert "script" not in links.tags
    assert links.tags.count("svg") == 4
    assert "prefers-color-scheme: dark" in page
    assert "url(" not in page


def test_pictures_show_each_service_and_step() -> None:
    drawn = pictures.draw_timeline(sample())
    for word in ("bar-starting", "bar-on", "bar-failing", "bar-off", "bar-passed", "bar-failed", "bar-phase"):
        assert f'class="{word}"' in drawn
    starts = pictures.draw_starts(sample())
    assert starts.count('class="mark"') == 3
    assert "1.80 s, earlier median 1.70 s" in starts


def test_spans_follow_each_other_until_the_run_ends() -> None:
    forge = spans.service_spans(sample())["forge"]
    assert [(one.since, one.until, one.word) for one in forge] == [
        (0.3, 2.0, "starting"), (2.0, 8.0, "on"), (8.0, 9.0, "off")
    ]  # fmt: skip
    assert spans.service_spans(sample())["mill"][0].detail == "exit 1"


def test_junit_has_a_case_for_each_step_and_for_the_proof() -> None:
    suite = ElementTree.fromstring(render_junit(sample()))
    assert {name: suite.attrib[name] for name in ("tests", "failures", "skipped")} == {
        "tests": "5", "failures": "1", "skipped": "1"
    }  # fmt: skip
    names = [case.attrib["name"] for case in suite]
    assert names == ["services are ready", "listens", "answers", "works", "services are off again"]
    failure = suite.find("testcase/failure")
    assert failure is not None
    assert failure.attrib["message"] == "status 503, expected 200"


def test_a_cut_run_is_a_failure_in_junit_too() -> None:
    suite = ElementTree.fromstring(render_junit(cut()))
    assert int(suite.attrib["failures"]) == 3


@pytest.mark.parametrize("name", RENDERERS)
def test_a_run_without_a_window_has_every_form(name: str) -> None:
    _media, render = RENDERERS[name]
    assert "cut" in render(cut())


@pytest.mark.parametrize("name", RENDERERS)
def test_hostile_text_is_obeyed_by_nothing(name: str) -> None:
    def poisoned(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: poisoned(one) for key, one in value.items()}
        if isinstance(value, list):
            return [poisoned(one) for one in value]
        return (
            HOSTILE if isinstance(value, str) and not re.match(r"2026-|passed|failed|http$", value) else value
        )

    text = RENDERERS[name][1](poisoned(sample()))
    assert not set("\x1b\u202e") & set(text)
    if name == "html":
        links = _Links()
        links.feed(text)
        assert "script" not in links.tags
    if name == "junit":
        ElementTree.fromstring(text)
    if name == "md":
        assert "<script>" not in text.replace("\\<", "")
    text.encode(errors="replace")


def test_curves_have_axes_with_units() -> None:
    drawn = pictures.draw_curves(
        {"services": {"switch": {"points": [[0.0, 0.0, 8.0], [2.0, 41.0, 96.0], [5.0, 12.0, 90.0]]}}}
    )
    ((_, processor, memory),) = drawn
    assert all(f">{mark}</text>" in processor for mark in ("0 %", "40 %", "0 s", "2 s", "4 s"))
    assert all(f">{mark}</text>" in memory for mark in ("0 MiB", "100 MiB"))


def test_curves_of_a_service_that_does_nothing_have_a_scale_too() -> None:
    ((_, processor, _),) = pictures.draw_curves(
        {"services": {"idle": {"points": [[3.0, 0.0, 0.0], [3.0, 0.0, 0.0]]}}}
    )
    assert ">0 %</text>" in processor
