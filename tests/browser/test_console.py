"""What a user of the console sees, with real containers behind it."""

from __future__ import annotations

import os
import signal

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import PATIENCE, Site, signed_in
from tests.standalone.waiting import until

expect.set_options(timeout=PATIENCE)


def opened(page: Page, site: Site, *services: str, ttl: str = "10m") -> str:
    """The address of a window, opened as a person does it."""
    page.goto(f"{site.url}/open")
    for name in services:
        page.get_by_label(name).check()
    page.get_by_label("For how long").fill(ttl)
    page.get_by_label("What for").fill("to see it")
    page.get_by_role("button", name="Show the plan").click()
    page.get_by_role("button", name="Open it").click()
    page.wait_for_url("**/windows/*")
    return page.url


def power(page: Page, service: str, word: str) -> None:
    """Wait until the page says so by itself."""
    expect(page.locator(f"#service-studio-{service}")).to_have_attribute("data-power", word)


def test_open_watch_it_get_ready_extend_it_and_close_it(page: Page, site: Site) -> None:
    opened(page, site, "forge")
    expect(page.locator("#health-forge")).to_have_attribute("data-power", "on")
    expect(page.locator("#window")).to_have_attribute("data-state", "open")

    page.get_by_label("End in").fill("1h")
    page.get_by_role("button", name="Extend").click()
    expect(page.locator("#window .time")).to_contain_text("59m")

    page.get_by_role("button", name="Close now").click()
    expect(page.locator("#window")).to_have_attribute("data-state", "closed")
    expect(page.get_by_role("link", name="Open the same again")).to_be_visible()


def test_the_countdown_ends_and_the_row_goes_dark_in_every_browser(
    page: Page, site: Site, chromium: Browser
) -> None:
    other = signed_in(site, chromium.new_context())
    opened(page, site, "forge", ttl="8s")
    page.goto(site.url)
    for one in (page, other):
        power(one, "forge", "on")
        expect(one.locator("#service-studio-forge .arc")).to_be_visible()
    for one in (page, other):
        power(one, "forge", "off")
        expect(one.locator("#service-studio-forge .arc")).to_have_count(0)
    other.context.close()


def test_a_failing_service_says_why_and_what_that_usually_means(page: Page, site: Site) -> None:
    opened(page, site, "mill", "forge")
    mill = page.locator("#health-mill")
    expect(mill).to_have_attribute("data-power", "failing")
    expect(mill).to_contain_text("No module named 'grain'")
    expect(mill).to_contain_text("it has to be built anew")
    page.get_by_role("link", name="logs of mill").click()
    expect(page.get_by_label("Log lines")).to_contain_text("grain")
    page.go_back()
    page.get_by_role("link", name="Force close").click()
    page.get_by_role("button", name="Kill and close").click()
    expect(page.locator("#window")).to_have_attribute("data-state", "closed")


def test_a_lost_connection_is_reported_and_comes_back(page: Page, site: Site) -> None:
    line = page.locator("#connection")
    expect(line).to_have_attribute("data-state", "live")
    page.context.set_offline(True)
    master = until(lambda: site.child("web"))
    os.kill(master.pid, signal.SIGKILL)
    expect(line).to_have_attribute("data-state", "lost")
    until(lambda: site.child("web") not in (None, master))

    page.context.set_offline(False)
    expect(line).to_have_attribute("data-state", "live")
    page.reload()
    expect(page.get_by_role("heading", name="Now")).to_be_visible()


def test_it_is_used_by_keyboard_alone(page: Page, site: Site) -> None:
    page.goto(f"{site.url}/open")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.get_by_label("forge")).to_be_focused()
    page.keyboard.press("Space")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Open it")).to_be_focused()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_is_accessible(site: Site, chromium: Browser, scheme: str) -> None:
    context = chromium.new_context(
        color_scheme="dark" if scheme == "dark" else "light", viewport={"width": 390, "height": 800}
    )
    door = context.new_page()
    door.goto(site.url)
    assert_open_to_all(door)
    page = signed_in(site, context)
    window = opened(page, site, "mill", "forge")
    expect(page.locator("#health-mill")).to_have_attribute("data-power", "failing")
    assert_open_to_all(page)
    for path in (
        "/",
        "/open",
        "/timeline",
        "/history",
        "/savings",
        "/trail",
        "/notices",
        "/tokens",
        "/tokens/revoke?name=admin",
        "/system",
        "/nothing",
        f"{window.removeprefix(site.url)}/force",
        f"{window.removeprefix(site.url)}/logs",
        "/trail?event=x",
        "/extend/unknown",
    ):
        page.goto(site.url + path)
        assert_open_to_all(page)
        wide = page.evaluate("document.documentElement.scrollWidth")
        assert wide <= 390, f"{path} is {wide} pixels wide"
    page.goto(f"{site.url}/open")
    page.get_by_label("forge").check()
    page.get_by_role("button", name="Show the plan").click()
    page.get_by_role("button", name="Open it").wait_for()
    assert_open_to_all(page)
    page.goto(window)
    expect(page.locator("#use svg").first).to_be_visible()
    assert_open_to_all(page)
    page.get_by_role("button", name="Close now").click()
    expect(page.locator("#window")).to_have_attribute("data-state", "closed")
    context.close()


def assert_open_to_all(page: Page) -> None:
    """No rule of WCAG that a program can check is broken."""
    audit = Axe().run(page)
    assert audit.violations_count == 0, f"{page.url}\n{audit.generate_report()}"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_a_run_is_live_and_ends_with_its_report(
    site: Site, chromium: Browser, scheme: str, width: int
) -> None:
    context = chromium.new_context(
        color_scheme="dark" if scheme == "dark" else "light", viewport={"width": width, "height": 800}
    )
    page = signed_in(site, context)
    run = started_run(site)
    page.goto(f"{site.url}/runs")
    page.get_by_role("link", name="browser-cycle").first.click()
    page.wait_for_url(f"**/runs/{run}")
    expect(page.locator("#run")).to_have_attribute("data-state", "running")
    assert_open_to_all(page)
    expect(page.locator("#run")).to_have_attribute("data-state", "finished")
    expect(page.locator(".report svg").first).to_be_visible()
    expect(page.get_by_role("link", name="report.html")).to_be_visible()
    for path in ("/runs", f"/runs/{run}"):
        page.goto(site.url + path)
        assert_open_to_all(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    context.close()


def started_run(site: Site) -> str:
    """A run of a scenario whose step passes in a moment."""
    wait = {"exec": {"service": "forge", "argv": ["python3", "-c", "import time; time.sleep(3)"]}}
    scenario = {"name": "browser-cycle", "services": ["forge"], "ttl": "2m", "steps": {"waits": wait}}
    answer = httpx.post(
        f"{site.url}/api/v1/runs",
        json={"scenario": scenario},
        headers={"Authorization": f"Bearer {site.token}"},
    )
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])
