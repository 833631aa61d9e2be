"""A token of one namespace gets the same answers whether another namespace is there or not.

Every route of the server, API and console, is called with ids, names and filters of the other namespace, in
a world that has it and in one that has not. Status, headers, body and number of SQL statements have to agree.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import product
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app.web import log_reading, request_parsing, response_cache
from app.web.console.sessions import COOKIE
from tests.databases import Databases
from tests.web.namespaces.worlds import KEY, World, make_world, numbered

pytestmark = pytest.mark.integration

ABSENT = "f" * 16


@dataclass(frozen=True)
class Asked:
    """One request of the holder of a token of the first namespace."""

    method: str
    path: str
    json: Any = None
    form: dict[str, Any] | None = None
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Answered:
    """All that the caller can see of an answer, and how many statements it took."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    statements: int


@pytest.fixture(params=Databases.KINDS)
def worlds(
    request: pytest.FixtureRequest, databases: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[World, World]]:
    """The first namespace alone, and both."""
    monkeypatch.setattr(log_reading, "ANSWER_TIMEOUT", 0.01)
    # Values are cached by their age too, which would make the statements depend on the time.
    monkeypatch.setattr(response_cache, "time", SimpleNamespace(monotonic=lambda: 0.0))
    monkeypatch.setattr(request_parsing, "LONGEST_PREFERRED_WAIT", 0.0)
    urls = [databases.migrated(request.param) for _ in range(2)]
    ways = [databases.way(url) for url in urls]
    alone = make_world(ways[0], tmp_path, monkeypatch, with_second=False)
    both = make_world(ways[1], tmp_path, monkeypatch, with_second=True)
    yield alone, both
    for world, url in zip((alone, both), urls, strict=True):
        world.app.extensions["power-windows"].event_feed.stop()
        databases.release(url)


def test_no_route_shows_anything_of_another_namespace(
    worlds: tuple[World, World], monkeypatch: pytest.MonkeyPatch
) -> None:
    for world in worlds:
        numbered(monkeypatch, "s")
        sign_in(world)
    different, statuses = [], Counter[int]()
    for number, asked in enumerate(requests(worlds[1])):
        answers = []
        for world in worlds:
            numbered(monkeypatch, f"c{number}n")
            answers.append(answer(world, asked))
        statuses[answers[0].status] += 1
        if answers[0] != answers[1]:
            different.append(f"{asked}: {difference(*answers)}")
    assert not different, "\n".join(different[:20])
    # What is the caller's own is answered, and what is not is not there.
    assert statuses[200] > 50, statuses
    assert statuses[404] > 50, statuses
    assert not statuses.keys() & {401, 500}, statuses


def test_what_another_namespace_does_meanwhile_does_not_show(
    worlds: tuple[World, World], monkeypatch: pytest.MonkeyPatch
) -> None:
    for world in worlds:
        numbered(monkeypatch, "s")
        sign_in(world)
        for number in range(3):
            if world.second:
                numbered(monkeypatch, f"o{number}n")
                for _ in range(number + 2):
                    world.second.work_on()
            numbered(monkeypatch, f"f{number}n")
            world.first.work_on()
    different, statuses = [], Counter[int]()
    for number, asked in enumerate(own_readings(worlds[1])):
        answers = []
        for world in worlds:
            numbered(monkeypatch, f"c{number}n")
            answers.append(answer(world, asked))
        statuses[answers[0].status] += 1
        if answers[0] != answers[1]:
            different.append(f"{asked}: {difference(*answers)}")
    assert not different, "\n".join(different[:20])
    assert statuses[200] > 40, statuses


def own_readings(world: World) -> Iterator[Asked]:
    """Every reading of what is the caller's own, and of lists; `/events` from the beginning of its chains."""
    assert world.second
    others = (world.second.window, world.second.run, world.second.notice, world.second.wish, ABSENT)
    for asked in requests(world):
        path = asked.path.partition("?")[0]
        foreign = any(word in asked.path for word in (*others, "vault", "gold", "nowhere", "team_b", "house"))
        if asked.method == "GET" and not foreign and path not in _NOT_OWN:
            yield asked
    wish = f"/api/v1/intent-requests/{world.first.wish}/output"
    yield from (Asked("GET", f"{wish}?{query}") for query in ("limit=2", "after=1", "after=3000000"))
    stream = "/api/v1/events?last_event_id=team_a/studio:1,team_a/house:0"
    yield Asked("GET", stream)


_NOT_OWN = {"/system", "/parts/system", "/live"}


def difference(alone: Answered, both: Answered) -> str:
    """What differs, in one line."""
    if alone.status != both.status or alone.statements != both.statements:
        counts = f"{alone.statements} {both.statements} statements"
        return f"{alone.status} {both.status}, {counts}, {both.body[:300]!r}"
    pairs = enumerate(zip(alone.body, both.body, strict=False))
    at = next((at for at, (one, other) in pairs if one != other), 0)
    bodies = (one.body[max(0, at - 200) : at + 200] for one in (alone, both))
    return f"{set(alone.headers) ^ set(both.headers)} at {at}: {next(bodies)!r} {next(bodies)!r}"


def requests(world: World) -> Iterator[Asked]:
    """Every method of every route with ids and names of both namespaces, and of none."""
    rules = [rule for rule in world.app.url_map.iter_rules() if rule.rule not in _WITHOUT_ROWS]
    for rule in sorted(rules, key=lambda rule: (rule.rule, sorted(rule.methods or ()))):
        choices = [_values(world, rule.rule, name) for name in sorted(rule.arguments)]
        for values in product(*choices):
            named = dict(zip(sorted(rule.arguments), values, strict=True))
            path = _PART.sub(partial(_value_of, named), rule.rule)
            for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
                yield from _of_method(world, method, path)


_PART = re.compile(r"<(?:\w+:)?(\w+)>")


def _value_of(named: dict[str, str], part: re.Match[str]) -> str:
    return named[part[1]]


def _values(world: World, rule: str, name: str) -> list[str]:
    first, second = world.first, world.second
    assert second
    ids = {
        "window": [second.window, ABSENT, first.window],
        "run": [second.run, ABSENT, first.run],
        "notice": [second.notice, ABSENT, first.notice],
        "request_id": [second.wish, ABSENT, first.wish],
    }
    if name in ids:
        return ids[name]
    if name == "name" and "tokens" in rule:
        return ["team_b/ci", "team_b/door", "nothing", "gold"]
    if name in {"name", "stack"}:
        return ["vault", "team_b/vault", "nowhere", "studio"]
    return {"service": ["forge", "gold"], "form": ["json"], "text": ["x" * 43], "intent": ["translate"]}[name]


def _of_method(world: World, method: str, path: str) -> Iterator[Asked]:
    second = world.second
    assert second
    if method in {"GET", "DELETE"}:
        for query in ("", *_FILTERS.get(path, ())):
            yield Asked(method, f"{path}?{query.replace('WINDOW', second.window)}".rstrip("?"))
        return
    for body in _BODIES.get(path.removeprefix("/api/v1"), [{}, {"ttl_sec": 100}]):
        if path.startswith(("/api/", "/madre/")):
            headers = {"Idempotency-Key": KEY} if path.endswith("/windows") else {}
            filled = {name: second.window if value == "WINDOW" else value for name, value in body.items()}
            yield Asked(method, path, json=filled, headers=headers)
    for form in _FORMS.get(path, [{}, {"ttl": "10m"}]):
        if not path.startswith(("/api/", "/madre/", "/sign-")):
            yield Asked(method, path, form=form)


_WITHOUT_ROWS = {"/assets/<name>", "/docs", "/openapi.json", "/sign-in", "/sign-out", "/healthz"}
_STACKS = ("stack=vault", "stack=team_b/vault")
_FILTERS = {
    "/api/v1/windows": (*_STACKS, "state=open", "limit=1"),
    "/api/v1/runs": (*_STACKS, "limit=1"),
    "/api/v1/stacks": ("limit=1",),
    "/api/v1/notices": ("limit=1",),
    "/api/v1/audit": ("window=WINDOW", "actor=team_b/ci", "limit=2"),
    "/api/v1/events": ("last_event_id=team_b/vault:1,team_a/studio:1", "last_event_id=house:1"),
    "/trail": (*_STACKS, "window=WINDOW", "actor=team_b/ci"),
    "/timeline": ("span=1w",),
    "/open": _STACKS,
}
_SCENARIO = {"name": "x", "services": ["forge"], "steps": {}}
_BODIES: dict[str, list[dict[str, Any]]] = {
    "/windows": [
        {"services": ["forge"], "stack": "vault"},
        {"services": ["forge"], "stack": "team_b/vault"},
        {"services": ["gold"]},
        {"services": ["gold"], "stack": "studio"},
        {"services": ["mill"]},
    ],
    "/runs": [{"scenario": _SCENARIO | {"stack": name}} for name in ("vault", "team_b/vault", "studio")],
    "/tokens": [
        {"name": "ci", "wake": {"stack": "vault", "service": "forge"}},
        {"name": "x", "wake": {"stack": "team_b/vault", "service": "gold"}},
        {"name": "x", "namespace": "team_b"},
        {"name": "x", "namespace": "nowhere"},
        {"name": "gold", "wake": {"stack": "studio", "service": "mill"}},
    ],
    "/madre/power/window/open": [{"services": ["gold"]}, {"services": ["mill"]}],
    "/madre/power/window/close": [{"window_id": "WINDOW"}, {"window_id": ABSENT}, {}],
}
_FORMS: dict[str, list[dict[str, Any]]] = {
    "/open": [
        {"service": "vault/gold", "stack": "vault", "ttl": "10m"},
        {"service": "team_b/vault/gold", "stack": "team_b/vault", "step": "open"},
        {"service": "studio/db", "stack": "studio", "step": "open", "ttl": "10m"},
    ]
}


def answer(world: World, asked: Asked) -> Answered:
    """What the server answers to the holder of the first namespace's token, who is signed in too."""
    client = FlaskClient(world.app)
    token = world.first.wake_token if asked.path.startswith("/wake/") else world.first.token
    headers = {"Authorization": f"Bearer {token}"} | asked.headers
    form = None if asked.form is None else asked.form | {"csrf": world.signed_in[1]}
    client.set_cookie(COOKIE, world.signed_in[0])
    with world.counting() as statements:
        response = client.open(asked.path, method=asked.method, json=asked.json, data=form, headers=headers)
        body = _first_chunk(response) if response.is_streamed else response.data
        response.close()
    shown = tuple(sorted((name, value) for name, value in response.headers if name not in {"Date"}))
    # On PostgreSQL a cached value expires with any transaction of the server, which both worlds share.
    is_counted = world.database.sqlite and asked.path.partition("?")[0] not in _COUNTED_FOR_ALL
    count = len(statements) if is_counted else 0
    return Answered(response.status_code, shown, body, count)


_COUNTED_FOR_ALL = ("/metrics", "/live", "/api/v1/events")
"""What reads the database for all callers together, and then shows each its own."""


def _first_chunk(response: TestResponse) -> bytes:
    """What a stream begins with; the rest may come much later."""
    chunk: Any = next(iter(response.response), b"")
    return chunk.encode() if isinstance(chunk, str) else bytes(chunk)


def sign_in(world: World) -> None:
    """Sign in to the console with the first namespace's token."""
    client = FlaskClient(world.app)
    nonce = _hidden("nonce", client.get("/sign-in").text)
    answered = client.post("/sign-in", data={"nonce": nonce, "token": world.first.token})
    assert answered.status_code == 303, answered.text
    cookie = client.get_cookie(COOKIE)
    assert cookie
    world.signed_in = (cookie.value, _hidden("csrf", client.get("/").text))


def _hidden(name: str, page: str) -> str:
    match = re.search(f'name="{name}" value="([^"]*)"', page)
    assert match, page
    return match[1]
