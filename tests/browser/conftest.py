"""A real browser before a real standalone on a real engine."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from examples.vx11 import image
from tests.engine.stacks import Definition, docker, exits, running
from tests.standalone.whole_standalone import Standalone

PATIENCE = 60_000
"""Milliseconds that something may take on a machine that has much to do."""
PLAIN = "house.example"
"""A name that is this machine, and none that a browser trusts without https."""
STACK: dict[str, Definition] = {
    "redis": running(),
    "forge": running(),
    "mill": exits(1, saying="ModuleNotFoundError: No module named 'grain'", restart="always"),
}


class Site(Standalone):
    """A standalone with a stack that can be powered."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.project = f"browser-{self.port}"
        (directory / "docker-compose.yml").write_text(json.dumps({"services": STACK}))
        (directory / "power.toml").write_text(
            f'[stacks.studio]\nproject = "{self.project}"\ncore = ["redis"]\nallow = ["forge", "mill"]\n'
        )

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def token(self) -> str:
        return (self.data / "token").read_text().strip()

    def remove(self) -> None:
        label = f"label=com.docker.compose.project={self.project}"
        for kind, remove in ((["ps", "-a"], ["rm", "-f", "-v"]), (["network", "ls"], ["network", "rm"])):
            if ids := docker(*kind, "-q", "--filter", label).split():
                docker(*remove, *ids)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    image.ensure()
    one = Site(tmp_path_factory.mktemp("site"))
    one.start()
    yield one
    code = one.stop() if one.process else None
    one.clear()
    one.remove()
    assert code == 0


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"),
            args=["--no-sandbox", f"--host-resolver-rules=MAP {PLAIN} 127.0.0.1"],
        )
        yield browser
        browser.close()


def signed_in(site: Site, context: BrowserContext, url: str | None = None) -> Page:
    """A page of a user who signed in by the form, where no script may fail."""
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    page.on("pageerror", lambda error: pytest.fail(f"a script failed: {error}"))
    page.goto(url or site.url)
    page.get_by_label("Token").fill(site.token)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("heading", name="Now").wait_for()
    return page


@pytest.fixture
def context(chromium: Browser) -> Iterator[BrowserContext]:
    browser_context = chromium.new_context()
    yield browser_context
    browser_context.close()


@pytest.fixture
def page(site: Site, context: BrowserContext) -> Page:
    return signed_in(site, context)
