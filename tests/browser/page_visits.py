"""Visits: each brings a page of the console into a state that is worth a picture."""

from __future__ import annotations

import secrets
from collections.abc import Callable

from playwright.sync_api import Page
from sqlalchemy import select

from app.domain.enums import State
from app.store.database import Database
from app.store.tables import Window
from app.web.console import sessions

Visit = Callable[[Page, str], None]
"""Brings a signed-in page into the state to be photographed, from the address of the console."""


def at(path: str) -> Visit:
    """The page at a path."""

    def visit(page: Page, url: str) -> None:
        page.goto(url + path)

    return visit


def plan(page: Page, url: str) -> None:
    """The plan of two services, one of which has no image."""
    page.goto(f"{url}/open?stack=workshop&services=api,no-image&ttl=2h&reason=film%20night")
    page.get_by_role("button", name="Show the plan").click()
    page.get_by_role("button", name="Open it").wait_for()


def intent_plan(page: Page, url: str) -> None:
    """The plan of an intent."""
    page.goto(f"{url}/intents")
    page.get_by_role("button", name="Want train").click()
    page.get_by_role("button", name="Do it").wait_for()


def new_token(page: Page, url: str) -> None:
    """The text of a token that was made just now."""
    page.goto(f"{url}/tokens")
    page.get_by_label("Name", exact=True).fill(f"wiki-{secrets.token_hex(2)}")
    page.get_by_label("the waiting page of one service").check()
    page.get_by_label("Stack and service").fill("workshop/model")
    page.get_by_role("button", name="Make the token").click()


def wrong_token(page: Page, url: str) -> None:
    """A form with a fault."""
    page.goto(f"{url}/tokens")
    page.get_by_label("Name", exact=True).fill("wiki")
    page.get_by_label("the waiting page of one service").check()
    page.get_by_label("Stack and service").fill("wiki")
    page.get_by_role("button", name="Make the token").click()


def database_away(page: Page, url: str) -> None:
    """Any page of a signed-in user while the database does not answer."""
    page.context.add_cookies([{"name": sessions.COOKIE, "value": secrets.token_urlsafe(32), "url": url}])
    page.goto(url)


def more_menu(page: Page, url: str) -> None:
    """The menu of a narrow screen."""
    page.goto(url)
    menu = page.locator("details.more > summary")
    if menu.is_visible():
        menu.click()


def search(page: Page, url: str) -> None:
    """What a search leaves."""
    page.goto(url)
    page.get_by_label("Search services").fill("ollama")


def facts(page: Page, url: str) -> None:
    """Entries of the trail, unfolded."""
    page.goto(f"{url}/trail")
    for one in page.locator(".entry summary").all()[:4]:
        one.click()


def bar_tip(page: Page, url: str) -> None:
    """What a bar of the timeline says."""
    page.goto(f"{url}/timeline?span=1w")
    page.locator(".timeline svg a").first.focus()


def chart_value(page: Page, url: str, window: str = "") -> None:
    """The value of a chart under the pointer."""
    page.goto(f"{url}/windows/{window}")
    page.locator("svg.chart").first.hover()


def unfolded(page: Page, url: str) -> None:
    """The first page with all stacks unfolded."""
    page.goto(url)
    page.evaluate("document.querySelectorAll('details.stack').forEach((one) => { one.open = true; })")


SHARED: dict[str, Visit] = {
    "now": at("/"),
    "open": at("/open"),
    "timeline": at("/timeline"),
    "timeline-week": at("/timeline?span=1w"),
    "history": at("/history"),
    "runs": at("/runs"),
    "intents": at("/intents"),
    "savings": at("/savings"),
    "trail": at("/trail"),
    "notices": at("/notices"),
    "tokens": at("/tokens"),
    "system": at("/system"),
}
EVERY_STATE: dict[str, Visit] = {
    "now-unfolded": unfolded,
    "now-search": search,
    "now-no-match": at("/?q=nothing"),
    "more": more_menu,
    "open-filled": at("/open?stack=workshop&services=api,model&ttl=2h&reason=film%20night"),
    "open-wrong": at("/open?stack=workshop&services=apy&ttl=9d"),
    "plan": plan,
    "timeline-tip": bar_tip,
    "trail-facts": facts,
    "trail-event": at("/trail?event=window.stuck"),
    "trail-wrong": at("/trail?event=x"),
    "history-filtered": at("/history?stack=workshop"),
    "history-none": at("/history?actor=no-one"),
    "history-wrong": at("/history?state=x"),
    "notices-pending": at("/notices?state=pending"),
    "notices-given-up": at("/notices?state=given_up"),
    "token-new": new_token,
    "token-wrong": wrong_token,
    "revoke": at("/tokens/revoke?name=admin"),
    "revoke-wake": at("/tokens/revoke?name=proxy"),
    "intent-plan": intent_plan,
    "run-passed": at("/runs/" + "a1" * 8),
    "run-failed": at("/runs/" + "a2" * 8),
    "run-running": at("/runs/" + "a3" * 8),
    "run-queued": at("/runs/" + "a4" * 8),
    "run-cut": at("/runs/" + "a5" * 8),
    "intent-waiting": at("/intent-requests/" + "b1" * 8),
    "intent-building": at("/intent-requests/" + "b2" * 8),
    "intent-passed": at("/intent-requests/" + "b3" * 8),
    "intent-failed": at("/intent-requests/" + "b4" * 8),
    "unknown-address": at("/nothing"),
    "unknown-window": at("/windows/0123456789abcdef"),
    "used-link": at("/extend/unknown"),
}


def windows_of_each_kind(database: Database) -> dict[str, Visit]:
    """The page of one window for each state, status and reason of closing, and its dialogs."""
    with database.read() as session:
        rows = list(session.scalars(select(Window).order_by(Window.created_at.desc())))
    kinds = {_kind(row): row for row in rows}
    visits = {name: at(f"/windows/{row.id}") for name, row in kinds.items()}
    is_open = next(row for row in rows if row.state == State.OPEN and len(row.services) > 1)
    charted = next(row for row in rows if row.state == State.OPEN and row.stack == "homelab")
    failing = next(row for row in rows if row.state == State.OPEN and row.stack == "gpu")
    return visits | {
        "force": at(f"/windows/{is_open.id}/force"),
        "logs": at(f"/windows/{is_open.id}/logs"),
        "window-charts": lambda page, url: chart_value(page, url, charted.id),
        "window-diagnosis": at(f"/windows/{failing.id}"),
        "extend-wrong": lambda page, url: wrong_extension(page, f"{url}/windows/{is_open.id}"),
    }


def wrong_extension(page: Page, address: str) -> None:
    """A window's page after an extension that is refused."""
    page.goto(address)
    page.get_by_label("End in").fill("9 lightyears")
    page.get_by_role("button", name="Extend").click()


def visitor(token: str) -> Visit:
    """The waiting page of a visitor whose proxy has this token."""

    def visit(page: Page, url: str) -> None:
        page.set_extra_http_headers({"Authorization": f"Bearer {token}"})
        page.goto(f"{url}/wake/workshop/database")
        page.set_extra_http_headers({})

    return visit


def wrong_sign_in(page: Page, url: str) -> None:
    """The form after a token that is not known."""
    page.goto(url)
    page.get_by_label("Token").fill("pw_wrong")
    page.get_by_role("button", name="Sign in").click()


def _kind(row: Window) -> str:
    words = ("window", row.state, row.status, row.close_reason, "stuck" if row.stuck else None)
    return "-".join(word for word in words if word)
