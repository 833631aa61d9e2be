"""Who gets in, with what cookie, and whose forms are taken."""

from __future__ import annotations

import pytest
from flask import Flask

from app.domain.enums import Event
from app.store import tokens
from app.web.console import sessions
from tests.system import System
from tests.web.console.conftest import Browser

PAGES = ["/", "/open", "/timeline", "/savings", "/trail", "/windows/0123456789abcdef"]
FORMS = ["/open", "/windows/0123456789abcdef/close", "/windows/0123456789abcdef/extend", "/sign-out"]


@pytest.mark.integration
@pytest.mark.parametrize("path", PAGES)
def test_a_visitor_without_a_session_signs_in_and_returns(app: Flask, token: str, path: str) -> None:
    browser = Browser(app.test_client())

    turned = browser.get(path)
    assert (turned.status_code, turned.location.partition("?")[0]) == (303, "/sign-in")

    assert browser.sign_in(token, next=path).location == path


@pytest.mark.parametrize("path", ["/parts/home", "/live", "/parts/windows/0123456789abcdef"])
def test_a_fragment_without_a_session_asks_to_sign_in(app: Flask, path: str) -> None:
    assert app.test_client().get(path).status_code == 401


def test_the_cookie_is_signed_and_out_of_reach_and_is_not_the_token(app: Flask, token: str) -> None:
    answer = Browser(app.test_client()).sign_in(token)
    cookie = next(one for one in answer.headers.getlist("Set-Cookie") if one.startswith(sessions.COOKIE))

    assert {"HttpOnly", "SameSite=Lax", "Path=/"} <= set(cookie.split("; "))
    assert token not in cookie
    assert "Secure" not in cookie


def test_behind_a_proxy_with_tls_the_cookie_is_secure(app: Flask, token: str) -> None:
    client = app.test_client()
    page = client.get("/sign-in", headers={"X-Forwarded-Proto": "https"})
    assert "Secure" in page.headers["Set-Cookie"]


@pytest.mark.parametrize("text", ["", "pw_wrong", "\0", "é", "x" * 5000])
def test_a_token_that_is_not_known_opens_nothing(app: Flask, text: str) -> None:
    browser = Browser(app.test_client())
    answer = browser.sign_in(text)
    assert (answer.status_code, browser.get("/").status_code) == (401, 303)


def test_a_sign_in_form_from_elsewhere_is_not_taken(app: Flask, token: str) -> None:
    client = app.test_client()
    assert client.post("/sign-in", data={"token": token}).status_code == 403
    client.get("/sign-in")
    assert client.post("/sign-in", data={"token": token, "nonce": "guessed"}).status_code == 403


@pytest.mark.parametrize(
    "going", ["//evil.example/", "https://evil.example", "/\\evil.example", "javascript:x", ""]
)
def test_a_sign_in_redirects_to_this_site_only(app: Flask, token: str, going: str) -> None:
    assert Browser(app.test_client()).sign_in(token, next=going).location == "/"


@pytest.mark.integration
@pytest.mark.parametrize("csrf", ["", "0" * 64, "é"])
@pytest.mark.parametrize("path", FORMS)
def test_a_form_without_the_sessions_word_does_nothing(
    ada: Browser, system: System, path: str, csrf: str
) -> None:
    before = system.trail()
    answer = ada.client.post(path, data={"csrf": csrf, "step": "open", "service": "studio/forge"})
    assert (answer.status_code, system.trail()) == (403, before)


def test_anothers_word_does_not_count(ada: Browser, grace: Browser) -> None:
    assert ada.csrf != grace.csrf
    assert ada.client.post("/open", data={"csrf": grace.csrf, "step": "open"}).status_code == 403


@pytest.mark.parametrize(
    "cookie", ["", "x", "a.b.c", "é.b.c", "eyJuYW1lIjoiYWRhIn0.aaa.bbb", "." * 900, "x" * 3000]
)
def test_a_made_up_session_is_none(app: Flask, token: str, cookie: str) -> None:
    client = app.test_client()
    answer = client.get("/", headers={"Cookie": f"{sessions.COOKIE}={cookie}".encode().decode("latin-1")})
    assert answer.status_code == 303


def test_a_session_for_another_name_is_none(app: Flask, ada: Browser, grace: Browser) -> None:
    mine, hers = (one.client.get_cookie(sessions.COOKIE) for one in (ada, grace))
    assert mine
    assert hers
    mixed = hers.value.partition(".")[0] + "." + mine.value.partition(".")[2]
    client = app.test_client()
    assert client.get("/", headers={"Cookie": f"{sessions.COOKIE}={mixed}"}).status_code == 303


def test_a_session_ends_with_its_token(ada: Browser, system: System) -> None:
    assert ada.get("/").status_code == 200
    with system.database.write() as session:
        tokens.create(session, "ada", system.now)
    assert ada.get("/").status_code == 303


def test_who_signs_out_is_out(ada: Browser) -> None:
    assert ada.post("/sign-out").status_code == 303
    assert ada.get("/").status_code == 303


def test_every_page_forbids_scripts_of_others_and_frames(ada: Browser) -> None:
    for path in [*PAGES, "/sign-in", "/assets/console.js"]:
        policy = ada.get(path).headers["Content-Security-Policy"]
        assert "script-src 'self'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
    assert "<script>" not in ada.get("/").text


def test_what_is_done_is_on_record_under_the_tokens_name(ada: Browser, system: System) -> None:
    window = ada.opened("forge", reason="to see")
    system.work()
    ada.post(f"/windows/{window}/close")
    actors = {entry.event: entry.actor for entry in system.entries(window)}
    assert (actors[Event.WINDOW_OPENING], actors[Event.WINDOW_CLOSING]) == ("ada", "ada")


@pytest.mark.parametrize(
    "name",
    ["console.js", "events.js", "console.css", "theme.js", "htmx.min.js", "icon.svg", "htmx-LICENSE.txt"],
)
def test_what_pages_need_is_in_the_package(app: Flask, name: str) -> None:
    assert app.test_client().get(f"/assets/{name}").status_code == 200


@pytest.mark.parametrize("name", ["../site.py", "..%2fsite.py", "nothing.js"])
def test_and_nothing_else_is_to_be_had(app: Flask, name: str) -> None:
    assert app.test_client().get(f"/assets/{name}").status_code in {303, 404}
