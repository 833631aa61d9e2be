"""The console: pages and forms as a browser sends them, on both databases."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app.settings import Settings
from app.store import tokens
from app.store.database import Database
from app.web.console import create_app
from app.web.console.sessions import SIGN_IN_COOKIE
from tests.system import System
from tests.web.caller import Remembering


@dataclass
class Browser:
    """The browser of one user. Forms send what the pages contain."""

    client: FlaskClient
    csrf: str = ""

    @classmethod
    def signed_in(cls, app: Flask, token: str) -> Browser:
        browser = cls(app.test_client())
        assert browser.sign_in(token).status_code == 303
        browser.csrf = _hidden("csrf", browser.get("/").text)
        return browser

    def sign_in(self, token: str, **more: str) -> TestResponse:
        nonce = _hidden("nonce", self.client.get("/sign-in").text)
        assert self.client.get_cookie(SIGN_IN_COOKIE)
        return self.client.post("/sign-in", data={"nonce": nonce, "token": token, **more})

    def get(self, path: str, **rest: Any) -> TestResponse:
        return self.client.get(path, **rest)

    def post(self, path: str, **form: Any) -> TestResponse:
        return self.client.post(path, data={"csrf": self.csrf, **form})

    def opened(self, *services: str, **more: str) -> str:
        """A window's id, opened by the form."""
        form = {"step": "open", "service": [f"studio/{one}" for one in services], "ttl": "10m", **more}
        answer = self.post("/open", **form)
        assert answer.status_code == 303, answer.text
        return answer.location.rpartition("/")[2]


def _hidden(name: str, page: str) -> str:
    match = re.search(f'name="{name}" value="([^"]*)"', page)
    assert match, page
    return match[1]


@pytest.fixture
def app(settings: Settings, database: Database, broker: Remembering, system: System) -> Iterator[Flask]:
    """The console, in place of the API alone."""
    application = create_app(settings, database, broker)
    yield application
    application.extensions["power-windows"].event_feed.stop()


@pytest.fixture
def ada(app: Flask, token: str) -> Browser:
    return Browser.signed_in(app, token)


@pytest.fixture
def grace(app: Flask, system: System) -> Browser:
    with system.database.write() as session:
        text = tokens.create(session, "grace", system.now)
    return Browser.signed_in(app, text)
