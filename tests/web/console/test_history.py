"""The history, the trail and the page of savings: filters, pages, sentences and sums."""

from __future__ import annotations

import re
from datetime import timedelta
from html import unescape

import pytest
from flask import Flask

from app.store.tables import Sample
from tests.system import System
from tests.web.console.conftest import Browser


def listed(page: str) -> list[str]:
    """The ids of the windows that the history shows."""
    return re.findall(r'<th scope="row"><a href="/windows/(\w+)"', page)


def test_the_history_is_filtered(ada: Browser, grace: Browser, system: System) -> None:
    system.will_not_stop.add("mill")
    first = ada.opened("forge", reason="film <night>")
    system.tick(1)
    second = grace.opened("mill")
    system.work()
    ada.post(f"/windows/{first}/close")
    grace.post(f"/windows/{second}/close")
    for _ in range(3):
        system.tick(60)
    assert listed(ada.get("/history").text) == [second, first]
    page = ada.get("/history?actor=ada&state=closed&ended=manual&stack=studio&service=forge").text
    assert listed(page) == [first]
    assert "film &lt;night&gt;" in page
    assert listed(ada.get("/history?stuck=yes").text) == [second]
    assert listed(ada.get("/history?status=ok&service=mill").text) == [second]
    day = f"{system.now:%Y-%m-%d}"
    ada.client.set_cookie("power_zone", "UTC")
    assert listed(ada.get(f"/history?since={day}&until={day}").text) == [second, first]
    for nothing in ("until=2020-01-01", "since=2100-01-01", "partial=yes", "actor=%3Cb%3E", "service=none"):
        answer = ada.get(f"/history?{nothing}")
        assert (answer.status_code, listed(answer.text)) == (200, [])
        assert "No window fits these filters." in answer.text


def test_the_history_has_pages(ada: Browser, system: System) -> None:
    opened = [system.ask("forge", ttl=60)[0] for _ in range(55)]
    first = ada.get("/history?service=forge").text
    older = re.search(r'href="(/history\?[^"]*)" rel="next"', first)
    assert older
    second = ada.get(unescape(older[1])).text
    assert sorted(listed(first) + listed(second)) == sorted(opened)
    assert len(listed(first)) == 50
    assert 'rel="next"' not in second


def test_an_empty_history_says_so(ada: Browser) -> None:
    assert "No window was opened yet." in ada.get("/history").text


@pytest.mark.parametrize(
    "query",
    [
        "state=x",
        "status=x",
        "ended=x",
        "since=x",
        "until=2030-13-01",
        "before=x",
        "stuck=no",
        "actor=%00",
        "x=1",
    ],
)
def test_a_bad_filter_is_a_message_on_the_page(ada: Browser, query: str) -> None:
    answer = ada.get(f"/history?{query}")
    assert answer.status_code == 422
    assert query.partition("=")[0] in answer.text.partition('role="alert">')[2].partition("</p>")[0]
    assert "Filter" in answer.text


def test_the_trail_is_sentences_with_facts_unfolded_on_demand(ada: Browser, system: System) -> None:
    system.will_crash.add("mill")
    ada.opened("forge", "mill", reason="film")
    system.work()
    page = unescape(ada.get("/trail").text)
    assert 'ada opens forge, mill for 10m "film"' in page
    assert "forge ready after" in page
    assert page.count("<summary>service.failing") == 1
    assert page.count('class="entry alarm"') == 1
    assert "<dt>ttl_sec</dt><dd>600.0</dd>" in page


def test_the_trail_is_filtered_and_turned_page_by_page(ada: Browser, grace: Browser, system: System) -> None:
    for _ in range(30):
        ada.post(f"/windows/{ada.opened('forge')}/close")
    mine = grace.opened("mill")
    older = re.search(r'href="(/trail\?[^"]*)" rel="next"', ada.get("/trail").text)
    assert older
    assert ada.get(unescape(older[1])).status_code == 200
    page = ada.get(f"/trail?window={mine}&event=window.opening&actor=grace&stack=studio").text
    assert page.count("<summary>window.opening") == 1
    assert ada.get("/trail?window=&actor=unknown").text.count("No entries.") == 1


def test_hours_off_are_those_that_no_window_held(ada: Browser, system: System) -> None:
    ada.opened("forge")
    system.work()
    system.tick(600)
    system.tick(6600)
    page = ada.get("/savings").text
    hours = {name: page.partition(f">{name} <span")[2].partition("</tr>")[0] for name in ("forge", "mill")}
    assert "<td>92 %</td><td>1.8 h</td>" in hours["forge"]
    assert "<td>100 %</td><td>2.0 h</td>" in hours["mill"]
    assert ">redis <span" not in page


def test_savings_begin_on_the_day_of_installation(app: Flask, token: str, system: System) -> None:
    begun = system.now
    system.tick(40 * 86400)
    system.publish(system.spec)
    page = Browser.signed_in(app, token).get("/savings").text
    assert f"{begun:%d %B %Y}" in page
    assert page.count("<title>week of ") == 7
    system.tick(500 * 86400)
    assert Browser.signed_in(app, token).get("/savings").text.count("<title>week of ") == 53


def test_gib_hours_are_of_services_that_were_measured(ada: Browser, system: System) -> None:
    with system.database.write() as session:
        at = system.now + timedelta(seconds=1)
        session.add(Sample(stack="studio", service="forge", at=at, cpu=0.5, memory=2**30))
    system.tick(7200)
    page = ada.get("/savings").text
    assert "GB-hours" in page
    forge = page.partition(">forge <span")[2].partition("</tr>")[0]
    mill = page.partition(">mill <span")[2].partition("</tr>")[0]
    assert "<td>2.00</td>" in forge
    assert "<td>–</td>" in mill
