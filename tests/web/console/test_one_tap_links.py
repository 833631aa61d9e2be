"""One-tap links: looking does nothing, the button acts once, nothing is a 500."""

from __future__ import annotations

from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.system import System
from tests.usecases.test_notifications import collect, link_of, sink


@pytest.fixture
def visitor(app: Flask) -> FlaskClient:
    """A visitor without a session, such as the reader of a mail."""
    return app.test_client()


def test_looking_changes_nothing_and_the_button_extends_once(system: System, visitor: FlaskClient) -> None:
    one = sink(before="1m")
    collect(system, one)
    window = system.open("forge", ttl=600)
    system.tick(590)
    path, before = f"/extend/{link_of(system, one)}", system.window(window).deadline
    for _ in range(3):
        page = visitor.get(path)
        assert visitor.head(path).status_code == page.status_code == 200
        assert "Extend this window?" in page.text
        assert page.headers["Cache-Control"] == "no-store"
    assert system.window(window).deadline == before

    taken = visitor.post(path)

    assert (taken.status_code, "Extended" in taken.text) == (200, True)
    assert system.window(window).deadline == before + timedelta(seconds=600)
    assert visitor.post(path).status_code == visitor.get(path).status_code == 409


def test_a_link_to_what_is_over_says_so(system: System, visitor: FlaskClient) -> None:
    one = sink(before="1m")
    collect(system, one)
    window = system.open("forge", ttl=600)
    system.tick(590)
    path = f"/extend/{link_of(system, one)}"
    system.close(window)
    answer = visitor.post(path)
    assert (answer.status_code, "Nothing was done" in answer.text) == (410, True)


@pytest.mark.parametrize("text", ["x", "%00", "a.b.c", "é", "x" * 3000])
def test_nonsense_is_no_link(visitor: FlaskClient, text: str) -> None:
    assert visitor.get(f"/extend/{text}").status_code == 404
    assert visitor.post(f"/extend/{text}").status_code == 404
