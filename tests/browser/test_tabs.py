"""Many tabs of one browser: all load, all hear of what happens, and one stream is enough for them."""

from __future__ import annotations

from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.conftest import PATIENCE, PLAIN, Site, signed_in
from tests.browser.test_console import opened, power

expect.set_options(timeout=PATIENCE)
TABS = 8
"""More than the connections that a browser opens to one server."""


def live(tab: Page) -> None:
    expect(tab.locator("#connection")).to_have_attribute("data-state", "live")


def tabs(first: Page, site: Site, context: BrowserContext) -> list[Page]:
    live(first)
    others = [context.new_page() for _ in range(TABS - 1)]
    for tab in others:
        tab.goto(site.url, timeout=PATIENCE)
        live(tab)
    return [first, *others]


def heard_by_each(pages: list[Page], change: Page, site: Site) -> None:
    """Each tab gets the change by an event, and not by its own slow reload."""
    for tab in pages:
        tab.evaluate(
            "() => { window.heard = new Promise((done) => { window.reloadSoon = () => done(true); }); }"
        )
    opened(change, site, "forge", ttl="10m")
    for tab in pages:
        assert tab.evaluate("window.heard")
        tab.reload()
    for tab in pages:
        power(tab, "forge", "on")


def test_eight_tabs_load_share_one_stream_and_pass_it_on(
    page: Page, site: Site, context: BrowserContext
) -> None:
    streams: list[str] = []
    context.on("request", lambda one: streams.append(one.url) if one.url.endswith("/live") else None)
    pages = tabs(page, site, context)
    assert len(streams) <= 1
    heard_by_each(pages[:-1], pages[-1], site)

    page.close()
    rest = pages[1:-1]
    for tab in rest:
        live(tab)
    pages[-1].goto(site.url)
    heard_by_each(rest, pages[-1], site)


def test_signing_out_ends_it_in_every_tab(page: Page, site: Site, context: BrowserContext) -> None:
    other = context.new_page()
    other.goto(site.url)
    live(other)
    page.get_by_role("button", name="Sign out").click()
    expect(other.get_by_label("Token")).to_be_visible()
    again = signed_in(site, context)
    live(again)


SEEN = "(hidden) => Object.defineProperty(document, 'hidden', { configurable: true, get: () => hidden })"


def seen(tab: Page, is_seen: bool) -> None:
    """Tell the page that it is visible, or hidden: a browser without windows hides no tab."""
    tab.evaluate(SEEN, not is_seen)
    tab.evaluate("() => document.dispatchEvent(new Event('visibilitychange'))")


def test_without_locks_a_tab_listens_while_it_is_seen_and_hears_again(
    site: Site, context: BrowserContext
) -> None:
    """Plain http by another name than localhost: no Web Locks there."""
    begun: list[str] = []
    ended: list[str] = []
    context.on("request", lambda one: begun.append(one.url) if one.url.endswith("/live") else None)
    context.on("requestfailed", lambda one: ended.append(one.url) if one.url.endswith("/live") else None)
    tab = signed_in(site, context, f"http://{PLAIN}:{site.port}")
    assert not tab.evaluate("Boolean(navigator.locks)")
    live(tab)
    assert len(begun) == 1

    with context.expect_event("requestfailed", lambda one: one.url.endswith("/live")):
        seen(tab, False)
    with context.expect_event("request", lambda one: one.url.endswith("/live")):
        seen(tab, True)
    live(tab)
    assert (len(begun), len(ended)) == (2, 1)
    heard_by_each([tab], signed_in(site, context), site)
