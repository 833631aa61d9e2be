"""The first page with 6 stacks of 15 services and 5 open windows, from a database without an engine."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from playwright.sync_api import Browser, Page, expect
from werkzeug.serving import make_server

from app.settings import Settings
from app.store import windows
from app.store.database import Database
from app.web.console import create_app
from tests.browser import filled_database
from tests.browser.test_console import assert_open_to_all
from tests.web.caller import Remembering


@dataclass(frozen=True, slots=True)
class Filled:
    """A server without workers, and the token to sign in."""

    database: Database
    url: str
    token: str

    def page(self, chromium: Browser, width: int, scheme: str) -> Page:
        """A signed-in page at `/`."""
        filled_database.beat(self.database)
        context = chromium.new_context(
            color_scheme="dark" if scheme == "dark" else "light", viewport={"width": width, "height": 800}
        )
        page = context.new_page()
        page.on("pageerror", lambda error: pytest.fail(f"a script failed: {error}"))
        page.goto(self.url)
        page.get_by_label("Token").fill(self.token)
        page.get_by_role("button", name="Sign in").click()
        page.get_by_role("heading", name="Now").wait_for()
        return page


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Filled]:
    directory = tmp_path_factory.mktemp("filled")
    database = filled_database.new_database(directory / "power.db")
    token = filled_database.fill(database, much=True, closed=2)
    url = database.url.render_as_string(hide_password=False)
    settings = Settings(directory, url, "memory://", "local", directory / "power.toml")
    app = create_app(settings, database, Remembering())
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield Filled(database, f"http://127.0.0.1:{server.server_port}", token)
    app.extensions["power-windows"].event_feed.stop()
    server.shutdown()
    thread.join()


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_all_windows_are_in_view_and_no_rule_of_access_is_broken(
    filled: Filled, chromium: Browser, width: int, scheme: str
) -> None:
    page = filled.page(chromium, width, scheme)
    cards = page.locator(".window-card")
    expect(cards).to_have_count(5)
    boxes = [box for card in cards.all() if (box := card.bounding_box())]
    assert max(box["y"] + box["height"] for box in boxes) <= 800 - (60 if width == 390 else 0)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert_open_to_all(page)
    with filled.database.read() as session:
        failing = next(one for one in windows.moving_of(session, filled_database.NAMES[2]))
    page.goto(f"{filled.url}/windows/{failing.id}")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert_open_to_all(page)
    page.context.close()


def test_the_search_hides_lines_as_one_types_and_folds_stay_as_they_were_left(
    filled: Filled, chromium: Browser
) -> None:
    page = filled.page(chromium, 1280, "light")
    line = page.locator("#service-office-mailcatcher")
    expect(line).to_be_hidden()
    page.get_by_label("Search services").press_sequentially("office mail")
    expect(line).to_be_visible()
    expect(page.locator("#stack-gpu")).to_be_hidden()
    page.evaluate("document.body.dispatchEvent(new Event('power:changed'))")
    page.wait_for_timeout(500)
    expect(page.get_by_label("Search services")).to_be_focused()
    expect(page.locator("#stack-gpu")).to_be_hidden()
    page.get_by_label("Search services").fill("")
    page.locator("#stack-gpu > summary").click()
    expect(page.locator("#service-gpu-render")).to_be_hidden()
    page.reload()
    expect(page.locator("#service-gpu-render")).to_be_hidden()
    page.context.close()
