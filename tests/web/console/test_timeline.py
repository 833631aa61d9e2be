"""The timeline: bars, their kinds and lanes, round times of the reader's zone, and how it is moved."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from html import unescape
from urllib.parse import parse_qs, urlsplit

import pytest

from app.domain.enums import CloseReason, State, Status
from app.store.tables import Window
from app.web.console import timeline_picture
from app.web.console.local_time import zone_named
from app.web.console.timeline_picture import Axis
from tests.simulated_worker import NOON
from tests.system import System
from tests.web.console.conftest import Browser

AUTUMN = datetime(2026, 10, 25, tzinfo=UTC)
"""The day on which Europe's clocks go back by an hour."""


def test_each_hold_is_a_bar_that_says_who_and_why(ada: Browser, system: System) -> None:
    window = ada.opened("forge", "mill", reason="<b>")
    system.work()
    page = ada.get("/timeline?span=1h").text
    assert page.count(f'href="/windows/{window}"') == 2
    assert "<b>" not in page
    assert "forge · ada: <b> · " in unescape(page)
    assert "No window in this time" in ada.get("/timeline?span=1h&until=2029-01-01T00:00:00Z").text


def test_services_without_a_window_are_folded(ada: Browser) -> None:
    ada.opened("forge")
    page = ada.get("/timeline").text
    folded = page.partition('<details class="idle">')[2].partition("</details>")[0]
    assert "services without a window" in folded
    assert "mill" in folded
    assert "forge" not in folded
    assert "redis" not in page


@pytest.mark.parametrize("url", [f"/timeline?span={span}" for span in ("1h", "6h", "1d", "1w")])
def test_the_present_stays_in_the_picture_of_each_length(ada: Browser, url: str) -> None:
    page = ada.get(url).text
    assert 'class="now"' in page or "No window" in page
    assert page.count('aria-current="true"') == 1


def test_a_dragged_span_moves_by_half_and_zooms_about_its_middle(ada: Browser) -> None:
    page = unescape(ada.get("/timeline?since=2030-05-01T10:00:00Z&until=2030-05-01T12:00:00Z").text)
    queries = [parse_qs(urlsplit(one).query) for one in re.findall(r'href="(/timeline\?[^"]*)"', page)]
    assert queries[0] == {"since": ["2030-05-01T09:00:00Z"], "until": ["2030-05-01T11:00:00Z"]}
    assert {"span": ["1h"], "until": ["2030-05-01T11:30:00Z"]} in queries


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("span=2h", "span"),
        ("until=x", "until: write a time such as"),
        ("until=0001-01-01", "until"),
        ("since=2030-05-02&until=2030-05-01", "since: must be one minute to 100 days before"),
        ("x=1", "is not known here"),
    ],
)
def test_a_query_that_cannot_be_is_a_message_on_the_page(ada: Browser, query: str, says: str) -> None:
    answer = ada.get(f"/timeline?{query}")
    assert answer.status_code == 422
    assert says in answer.text.partition('role="alert">')[2].partition("</p>")[0]
    assert "Earlier" in answer.text


@pytest.mark.parametrize(
    ("length", "zone", "labels"),
    [
        (6, "Europe/Madrid", ["02:00", "02:00", "03:00", "04:00", "05:00", "06:00"]),
        (6, "Asia/Kolkata", ["06:00", "07:00", "08:00", "09:00", "10:00", "11:00"]),
        (48, "America/New_York", ["Sun 25 Oct", "12:00", "Mon 26 Oct", "12:00"]),
    ],
)
def test_ticks_are_round_times_of_the_readers_zone(length: int, zone: str, labels: list[str]) -> None:
    axis = Axis(AUTUMN, AUTUMN + timedelta(hours=length), AUTUMN, zone_named(zone))
    drawn = [tick.label for tick in timeline_picture.ticks(axis)]
    assert [label for label in labels if label not in drawn] == []
    assert len(drawn) <= 9


def test_pages_have_the_zone_of_the_browser(ada: Browser, system: System) -> None:
    ada.opened("forge")
    for name, label in {
        "Asia/Kolkata": "Asia/Kolkata (UTC+05:30)",
        "no/such": "the server",
        "..": "the server",
    }.items():
        ada.client.set_cookie("power_zone", name)
        assert label in ada.get("/timeline").text
    ada.client.set_cookie("power_zone", "Asia/Kolkata")
    local = system.now + timedelta(hours=5, minutes=30)
    assert f">{local:%H:%M:%S}</time>" in ada.get("/trail").text


def held(begin: int, end: int | None, **more: object) -> Window:
    """A window from `begin` to `end`, in minutes after noon."""
    values = {"id": "w", "actor": "ada", "state": State.CLOSED, "stuck": False, **more}
    window = Window(**values)
    window.opening_at = window.created_at = NOON + timedelta(minutes=begin)
    window.closed_at = None if end is None else NOON + timedelta(minutes=end)
    window.deadline = NOON + timedelta(minutes=end or begin + 10)
    return window


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ({}, "ok"),
        ({"state": State.OPEN}, "ok"),
        ({"state": State.OPENING}, "moving"),
        ({"state": State.WAITING}, "waiting"),
        ({"status": Status.PARTIAL}, "partial"),
        ({"status": Status.PARTIAL, "close_reason": CloseReason.FORCED}, "forced"),
        ({"status": Status.FAIL, "close_reason": CloseReason.FAILED}, "failed"),
        ({"close_reason": CloseReason.LOST}, "failed"),
        ({"state": State.CLOSING, "stuck": True}, "stuck"),
    ],
)
def test_each_outcome_is_a_kind_of_its_own(values: dict[str, object], kind: str) -> None:
    assert timeline_picture.kind(held(0, 10, **values)) == kind
    assert kind in timeline_picture.KINDS


def test_windows_that_overlap_have_lanes(system: System) -> None:
    for _ in range(3):
        system.open("forge", ttl=600)
    system.tick(1200)
    system.open("forge", ttl=600)
    axis = Axis(NOON, NOON + timedelta(hours=1), system.now)
    with system.database.read() as session:
        from app.store import windows

        rows = windows.between(session, axis.since, axis.until, 100)
        (group,) = timeline_picture.groups(rows, {system.spec.name: ["forge", "mill"]}, axis)
    (row,) = group.rows
    assert [bar.lane for bar in row.bars] == [0, 1, 2, 0]
    assert group.idle == ["mill"]
    assert group.windows == 4
