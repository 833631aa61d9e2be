"""The pages of opening, of the past and of the system with much data, from a database without an engine."""

from __future__ import annotations

import re
from datetime import timedelta

from playwright.sync_api import Browser, Page, expect

from app.domain.stack_id import StackId
from app.usecases.windows import open as opening
from app.usecases.windows.open import OpenRequest
from tests.browser.test_console import assert_open_to_all
from tests.browser.test_now import Filled, filled

__all__ = ["filled"]

PATHS = (
    "/timeline?span=1w",
    "/history",
    "/trail",
    "/notices",
    "/tokens",
    "/system",
    "/open?stack=gpu&ttl=9d",
)


def drag(page: Page, begin: float, end: float) -> None:
    """Drag over the axis, from one share of its width to another."""
    box = page.locator(".axis-track").bounding_box()
    assert box
    y = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + begin * box["width"], y)
    page.mouse.down()
    page.mouse.move(box["x"] + end * box["width"], y, steps=4)
    page.mouse.up()


def test_a_bar_says_who_held_the_service_and_a_drag_zooms(filled: Filled, chromium: Browser) -> None:
    page = filled.page(chromium, 1280, "light")
    page.goto(f"{filled.url}/timeline?span=1w")
    tip, bar = page.locator("#tip"), page.locator(".timeline svg a").first
    bar.hover()
    expect(tip).to_contain_text("·")
    page.mouse.move(5, 5)
    expect(tip).to_be_hidden()
    bar.focus()
    expect(tip).to_be_visible()
    page.keyboard.press("Escape")
    expect(tip).to_be_hidden()

    drag(page, 0.5, 0.75)
    page.wait_for_url("**/timeline?since=*")
    expect(page.get_by_role("navigation", name="Part of time")).to_be_visible()
    names = {one["name"] for one in page.context.cookies()}
    assert "power_zone" in names
    page.context.close()


def test_the_timeline_follows_what_happens_and_keeps_zoom_and_focus(
    filled: Filled, chromium: Browser
) -> None:
    page = filled.page(chromium, 1280, "light")
    since = filled.database.now() - timedelta(minutes=90)
    page.goto(f"{filled.url}/timeline?since={since:%Y-%m-%dT%H:%M:%SZ}")
    address, bars = page.url, page.locator(".timeline svg a")
    count, focused = bars.count(), bars.nth(1).get_attribute("href")
    bars.nth(1).focus()
    ask = OpenRequest(("photos",), StackId("media"), 600.0, "later")
    with filled.database.write() as session:
        opening.open_window(session, ask, actor="ada", now=filled.database.now())
    expect(bars).to_have_count(count + 1, timeout=20_000)
    assert page.evaluate("document.activeElement.getAttribute('href')") == focused
    assert page.url == address

    for is_hidden in ("true", "false"):
        page.evaluate(
            f"Object.defineProperty(document, 'hidden', {{ value: {is_hidden}, configurable: true }});"
            "document.dispatchEvent(new Event('visibilitychange'))"
        )
        held = 0 if is_hidden == "true" else 1
        page.wait_for_function(f"navigator.locks.query().then((all) => all.held.length === {held})")
    page.context.close()


def test_a_form_shows_the_services_of_the_chosen_stack_alone(filled: Filled, chromium: Browser) -> None:
    page = filled.page(chromium, 390, "dark")
    page.goto(f"{filled.url}/open")
    media = page.get_by_role("group", name="Services of media")
    gpu = page.get_by_role("group", name="Services of gpu")
    expect(media).to_be_hidden()
    page.get_by_role("radio", name=re.compile("media")).check()
    expect(media).to_be_visible()
    expect(gpu).to_be_hidden()
    page.keyboard.press("ArrowUp")
    expect(media).to_be_hidden()
    page.context.close()


def test_no_rule_of_access_is_broken_with_much_data(filled: Filled, chromium: Browser) -> None:
    page = filled.page(chromium, 1280, "light")
    for path in PATHS:
        page.goto(filled.url + path)
        assert_open_to_all(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= 1280, path
    page.context.close()
