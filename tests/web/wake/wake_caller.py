"""A caller by a wake token, and what the tests of the waiting page read."""

from __future__ import annotations

from typing import Any

from flask import Flask

from app.domain.stack_id import StackId
from app.store import windows as rows
from app.store.tables import Window
from app.usecases import wake as waking
from tests.system import System
from tests.web.caller import Answer, Caller

FORGE = "/wake/studio/forge"
HTML = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


def bound(app: Flask, system: System, service: str = "forge", name: str = "door") -> Caller:
    with system.database.write() as session:
        text = waking.create(
            session, name, stack=StackId("studio"), service=service, ttl_sec=None, actor="ada", now=system.now
        )
    return Caller.of(app, text)


def windows(system: System) -> list[Window]:
    with system.database.read() as session:
        return rows.page(session)


def kind(answer: Answer) -> tuple[int, str]:
    return answer.status_code, answer.json["type"].rpartition("/")[2]


def made(app: Flask, api: Caller, **more: Any) -> Caller:
    """A token that is made by the API."""
    body = {"name": "own", "wake": {"stack": "studio", "service": "forge"}, **more}
    answer = api.post("/tokens", body)
    assert answer.status_code == 201, answer.text
    return Caller.of(app, answer.json["token"])
