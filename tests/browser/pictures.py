"""Take pictures of every page of the console: `python -m tests.browser.pictures OUT [PART-OF-A-NAME …]`.

Databases with little, with much and with every state are served in this process, without an engine. Each page
is photographed at 1280 and 390 pixels, light and dark, and printed with what a program can find
wrong with it: rules of WCAG, a page wider than its screen, targets that a finger misses.
"""

from __future__ import annotations

import logging
import shutil
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from axe_playwright_python.sync_playwright import Axe
from flask import Flask
from playwright.sync_api import Browser, Page, sync_playwright
from playwright.sync_api import Error as PlaywrightError
from sqlalchemy import select
from werkzeug.serving import make_server

from app.domain.features import Features
from app.settings import Settings
from app.store import log_reads, tokens
from app.store.database import Database
from app.store.tables import LogRead
from app.web.console import create_app
from tests.browser import every_state, filled_database
from tests.browser.page_visits import (
    EVERY_STATE,
    SHARED,
    Visit,
    at,
    database_away,
    unfolded,
    visitor,
    windows_of_each_kind,
    wrong_sign_in,
)
from tests.web.caller import Remembering
from tests.web.namespaces.worlds import Namespace

SIZES: tuple[tuple[int, Literal["light", "dark"]], ...] = (
    (1280, "light"),
    (390, "dark"),
    (1280, "dark"),
    (390, "light"),
)
SMALL_TARGETS = """() => {
  const pressed = "main a, main button, main input, main select, main summary, header a, header button";
  const inText = "p, dd, td, th, svg, li.entry, li.story, h1, pre, .holder";
  const seen = { visibilityProperty: true, contentVisibilityAuto: true };
  return [...document.querySelectorAll(pressed)]
    .filter((one) => one.matches(".button, button") || !one.closest(inText))
    .filter((one) => one.checkVisibility(seen) && getComputedStyle(one).clipPath === "none")
    .map((one) => [one, (one.closest("label") || one).getBoundingClientRect()])
    .filter(([one, box]) => box.width && box.height && box.height < 43.5)
    .map(([one, box]) => `${one.textContent.trim().slice(0, 24) || one.name || one.className} ${box.height}`);
}"""
"""What is less than 44 pixels high though a finger has to hit it; links in a text are left out."""


@dataclass(frozen=True, slots=True)
class Front:
    """A served database."""

    database: Database
    url: str
    token: str


@contextmanager
def serve(database: Database, token: str, features: Features) -> Iterator[Front]:
    """A console before this database, on a free port."""
    with tempfile.TemporaryDirectory() as directory:
        folder = Path(directory)
        url = database.url.render_as_string(hide_password=False)
        settings = Settings(folder, url, "memory://", "local", folder / "power.toml", features=features)
        app = create_app(settings, database, Remembering())
        server = make_server("127.0.0.1", 0, app, threaded=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield Front(database, f"http://127.0.0.1:{server.server_port}", token)
        _stop(app)
        server.shutdown()


def _stop(app: Flask) -> None:
    app.extensions["power-windows"].event_feed.stop()


@contextmanager
def worker_answers(database: Database) -> Iterator[None]:
    """Send heartbeats and answer requests for logs, as a worker does, until the pictures are taken."""
    over = threading.Event()

    def attend() -> None:
        while not over.wait(0.2):
            with suppress(Exception):
                filled_database.beat(database)
                _answer_logs(database)

    thread = threading.Thread(target=attend, daemon=True)
    thread.start()
    yield
    over.set()
    thread.join()


def _answer_logs(database: Database) -> None:
    now = database.now()
    with database.write() as session:
        for row in session.scalars(select(LogRead).where(LogRead.answered_at.is_(None))):
            lines = [
                {
                    "service": name,
                    "container": f"{name}-1",
                    "at": f"2026-11-26T16:{number:02}:07.123Z",
                    "line": f"INFO part {number} is done",
                }
                for number in range(14)
                for name in row.services
            ]
            log_reads.answer(session, row.id, lines, {}, now)


class Camera:
    """Takes the pictures of one front, and prints what is wrong with its pages."""

    def __init__(self, browser: Browser, out: Path, parts: list[str]) -> None:
        self.browser, self.out, self.parts = browser, out, parts
        self.taken = 0

    def take(self, front: Front, group: str, visits: dict[str, Visit]) -> None:
        """Take each page of a group at both widths in both themes."""
        chosen = {name: visit for name, visit in visits.items() if self._is_chosen(f"{group}-{name}")}
        for width, scheme in SIZES if chosen else ():
            context = self.browser.new_context(
                color_scheme=scheme, viewport={"width": width, "height": 800}, has_touch=width == 390
            )
            page = context.new_page()
            if front.token:
                _sign_in(page, front)
            for name, visit in chosen.items():
                self._take_one(page, front, f"{group}-{name}-{width}-{scheme}", visit, width)
            context.close()

    def _is_chosen(self, name: str) -> bool:
        return not self.parts or any(part in name for part in self.parts)

    def _take_one(self, page: Page, front: Front, name: str, visit: Visit, width: int) -> None:
        try:
            visit(page, front.url)
            page.wait_for_timeout(250)
            height = page.evaluate("document.documentElement.scrollHeight")
            page.set_viewport_size({"width": width, "height": max(800, min(height, 6000))})
            page.screenshot(path=self.out / f"{name}.png", full_page=True)
            page.set_viewport_size({"width": width, "height": 800})
            self.taken += 1
            for fault in _faults(page, width):
                print(f"{name}: {fault}", flush=True)
        except (PlaywrightError, AssertionError) as error:
            print(f"{name}: not taken: {str(error).partition(chr(10))[0]}", flush=True)


def _sign_in(page: Page, front: Front) -> None:
    page.goto(front.url)
    page.get_by_label("Token").fill(front.token)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("heading", name="Now").wait_for()


def _faults(page: Page, width: int) -> Iterator[str]:
    for one in Axe().run(page).response["violations"]:
        yield f"axe: {one['id']}: {one['nodes'][0]['html'][:160]}"
    if (wide := page.evaluate("document.documentElement.scrollWidth")) > width:
        yield f"is {wide} pixels wide"
    if width == 390 and (small := page.evaluate(SMALL_TARGETS)):
        yield f"small targets: {', '.join(small[:8])}"


def main(out: Path, parts: list[str]) -> None:
    """Take all pictures, or those whose names contain one of the parts."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as directory, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        camera = Camera(browser, out, parts)
        for group, take in _GROUPS.items():
            if not parts or any(part.startswith(group) for part in parts):
                take(camera, Path(directory))
        browser.close()
        print(f"{camera.taken} pictures in {out}")


def _first_hour(camera: Camera, folder: Path) -> None:
    database = filled_database.new_database(folder / "first.db")
    token = filled_database.first_run(database)
    with worker_answers(database), serve(database, token, Features()) as front:
        camera.take(front, "first", {name: visit for name, visit in SHARED.items() if name != "intents"})
        camera.take(Front(database, front.url, ""), "first", {"sign-in": at("/sign-in")})
    empty = filled_database.new_database(folder / "empty.db")
    with empty.write() as session:
        token = tokens.create(session, "admin", empty.now())
    with serve(empty, token, Features(intents=True)) as front:
        camera.take(front, "first-empty", SHARED)
    away = Database("postgresql+psycopg://power@127.0.0.1:1/power")
    with serve(away, "", Features()) as front:
        camera.take(front, "first-away", {"page": database_away})


def _much(camera: Camera, folder: Path) -> None:
    database = filled_database.new_database(folder / "much.db")
    token = filled_database.fill(database, much=True)
    with worker_answers(database), serve(database, token, Features(intents=True)) as front:
        camera.take(front, "much", SHARED | {"now-unfolded": unfolded})


def _every_state(camera: Camera, folder: Path) -> None:
    database = filled_database.new_database(folder / "states.db")
    token = filled_database.fill(database, much=True, closed=4)
    wake_token = every_state.add_every_state(database)
    visitors: dict[str, Visit] = {"wake": visitor(wake_token), "sign-in-wrong": wrong_sign_in}
    with worker_answers(database), serve(database, token, Features(intents=True)) as front:
        camera.take(front, "states", SHARED | EVERY_STATE | windows_of_each_kind(database))
        camera.take(Front(database, front.url, ""), "states", visitors)


def _namespaces(camera: Camera, folder: Path) -> None:
    database = filled_database.new_database(folder / "namespaces.db")
    with database.write() as session:
        operator = tokens.create(session, "admin", database.now())
    member = Namespace.create(database, "team_a", "studio").token
    Namespace.create(database, "team_b", "vault", "gold")
    features = Features(namespaces=True, intents=True)
    with worker_answers(database), serve(database, operator, features) as front:
        camera.take(front, "namespaces-operator", SHARED)
        camera.take(Front(database, front.url, member), "namespaces-member", SHARED)


_GROUPS: dict[str, Callable[[Camera, Path], None]] = {
    "first": _first_hour,
    "much": _much,
    "states": _every_state,
    "namespaces": _namespaces,
}
"""What is photographed, by the beginning of the names of its pictures."""


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
