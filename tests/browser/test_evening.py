"""An evening at the phone: open a service from the first page, extend it, close it, and find it again."""

from __future__ import annotations

from playwright.sync_api import Browser, expect

from tests.browser.conftest import PATIENCE, Site, signed_in
from tests.browser.test_console import assert_open_to_all

expect.set_options(timeout=PATIENCE)


def test_a_phone_opens_extends_and_closes_from_the_first_page(site: Site, chromium: Browser) -> None:
    context = chromium.new_context(viewport={"width": 390, "height": 800}, has_touch=True)
    page = signed_in(site, context)
    page.get_by_role("button", name="Open forge for 30 m").click()
    page.wait_for_url("**/windows/*")
    identifier = page.url.rpartition("/")[2]
    expect(page.locator("#window")).to_have_attribute("data-state", "open")
    expect(page.locator("#health-forge")).to_have_attribute("data-power", "on")
    expect(page.locator("#story")).to_contain_text("forge ready")
    assert_open_to_all(page)

    page.goto(site.url)
    card = page.locator(f"#window-{identifier}")
    expect(card.locator(".time")).to_contain_text("29m")
    card.get_by_role("button", name="+15 m").click()
    expect(card.locator(".time")).to_contain_text("44m")
    expect(page.locator("#service-studio-forge")).to_contain_text("ready")
    assert_open_to_all(page)

    card.get_by_role("button", name="Close").click()
    expect(card).to_have_count(0)
    expect(page.locator("#service-studio-forge")).to_have_attribute("data-power", "off")
    expect(page.get_by_role("link", name="forge", exact=True)).to_be_visible()
    context.close()
