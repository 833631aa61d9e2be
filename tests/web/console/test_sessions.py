"""Sessions end everywhere, expire, are bounded, and cannot be made from a copy of the database."""

from __future__ import annotations

import hashlib
import json
import threading
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import func, select

from app.store import sessions as rows
from app.store import tokens
from app.store.tables import ConsoleSession, Table, Token
from app.usecases import restore
from app.web.console import sessions
from tests.system import System
from tests.usecases.test_notifications import collect, link_of, sink
from tests.web.console.conftest import Browser


def copied(app: Flask, browser: Browser, name: str = sessions.COOKIE) -> Browser:
    """Another browser with the same cookie."""
    cookie = browser.client.get_cookie(name)
    assert cookie
    other = Browser(app.test_client(), browser.csrf)
    other.client.set_cookie(name, cookie.value)
    return other


def everything(system: System) -> str:
    """All that a copy of the database says."""
    with system.database.read() as session:
        contents = {
            name: [list(map(str, row)) for row in session.execute(table.select())]
            for name, table in Table.metadata.tables.items()
        }
    return json.dumps(contents)


@pytest.mark.integration
def test_a_copied_cookie_ends_at_sign_out_with_its_stream(app: Flask, ada: Browser) -> None:
    other = copied(app, ada)
    assert other.get("/").status_code == 200
    stream = other.get("/live")
    lines = iter(stream.response)
    next(lines)
    reader = threading.Thread(target=lambda: list(lines), daemon=True)
    reader.start()

    ada.post("/sign-out")

    reader.join(10)
    assert not reader.is_alive()
    assert other.get("/").status_code == 303
    assert other.get("/live").status_code == 401


@pytest.mark.parametrize("change", ["revoked", "replaced"])
def test_a_session_and_its_stream_end_with_the_token(
    app: Flask, ada: Browser, system: System, change: str
) -> None:
    lines = iter(ada.get("/live").response)
    next(lines)
    with system.database.write() as session:
        if change == "revoked":
            tokens.revoke(session, session.get_one(Token, "ada"), actor="grace", now=system.now)
        else:
            tokens.create(session, "ada", system.now)
    assert ada.get("/").status_code == 303
    reader = threading.Thread(target=lambda: list(lines), daemon=True)
    reader.start()
    reader.join(10)
    assert not reader.is_alive()


def test_signing_out_ends_one_session_and_not_the_others(app: Flask, ada: Browser, token: str) -> None:
    elsewhere = Browser.signed_in(app, token)
    ada.post("/sign-out")
    assert elsewhere.get("/").status_code == 200


def test_a_session_ends_after_twelve_hours_and_its_row_goes(
    app: Flask, ada: Browser, system: System, token: str
) -> None:
    system.now += timedelta(hours=11, minutes=59)
    assert ada.get("/").status_code == 200
    system.now += timedelta(minutes=2)
    assert ada.get("/").status_code == 303
    Browser.signed_in(app, token)
    with system.database.read() as session:
        assert session.scalar(select(func.count()).select_from(ConsoleSession)) == 1


def test_sessions_of_one_token_are_bounded_and_the_oldest_ends(
    ada: Browser, system: System, token: str
) -> None:
    with system.database.write() as session:
        for _ in range(rows.MOST_SESSIONS):
            system.now += timedelta(seconds=1)
            bearer = tokens.bearer(session, token)
            assert bearer
            rows.begin(session, bearer, system.now)
    with system.database.read() as session:
        assert session.scalar(select(func.count()).select_from(ConsoleSession)) == rows.MOST_SESSIONS
    assert ada.get("/").status_code == 303


def test_nothing_in_the_database_signs_a_user_in(
    app: Flask, ada: Browser, system: System, token: str
) -> None:
    one = sink(before="1m")
    collect(system, one)
    system.open("forge", ttl=600)
    system.tick(590)
    link, copy = link_of(system, one), everything(system)
    cookie = ada.client.get_cookie(sessions.COOKIE)
    assert cookie

    for secret in (cookie.value, ada.csrf, token, link):
        assert secret not in copy
    with system.database.read() as session:
        digests = [row.digest for row in session.scalars(select(ConsoleSession))]
        digests += [row.digest for row in session.scalars(select(Token))]
    for text in digests:
        guess = app.test_client()
        for made in (text, hashlib.sha256(f"console session {text}".encode()).hexdigest()):
            guess.set_cookie(sessions.COOKIE, made)
            assert guess.get("/").status_code == 303
            assert (
                guess.get("/api/v1/windows", headers={"Authorization": f"Bearer {made}"}).status_code == 401
            )


def test_a_restored_backup_brings_no_session_back(ada: Browser, system: System) -> None:
    with system.database.write() as session:
        restore.mark_restored(session, actor="ada", now=system.now)
    assert ada.get("/").status_code == 303


def test_over_https_cookies_are_secure_and_of_this_host_alone(app: Flask, token: str) -> None:
    https = {"base_url": "https://power.example"}
    client = app.test_client()
    page = client.get("/sign-in", **https)
    nonce = page.text.partition('name="nonce" value="')[2].partition('"')[0]
    answer = client.post("/sign-in", data={"nonce": nonce, "token": token}, **https)
    for cookie in [*page.headers.getlist("Set-Cookie"), *answer.headers.getlist("Set-Cookie")]:
        assert cookie.startswith("__Host-power_")
        assert {"Secure", "HttpOnly", "Path=/"} <= set(cookie.split("; "))
        assert "Domain" not in cookie
    assert client.get("/", **https).status_code == 200
    # What another host of the domain could set, without the prefix, counts for nothing.
    secure_cookie = client.get_cookie("__Host-" + sessions.COOKIE, domain="power.example")
    assert secure_cookie
    other = app.test_client()
    header = {"Cookie": f"{sessions.COOKIE}={secure_cookie.value}"}
    assert other.get("/", headers=header, **https).status_code == 303


@pytest.mark.parametrize(
    "going", ["//[", "/\\[", "///evil.example", "http://[", "/%\0", "/\n/evil.example", "/\t"]
)
def test_an_address_that_cannot_be_read_leads_home(app: Flask, token: str, going: str) -> None:
    browser = Browser(app.test_client())
    assert browser.get("/sign-in", query_string={"next": going}).status_code == 200
    assert browser.sign_in(token, next=going).location == "/"
