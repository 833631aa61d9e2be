"""A worker and a beat survive any answer of their broker, and drop forged messages."""

from __future__ import annotations

import contextlib
import secrets
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from celery import Celery

from tests.deadline import until
from tests.workers.broker.brokers import Clients, Server, started

pytestmark = pytest.mark.integration

LONG = 60.0


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Clients]]:
    with started(tmp_path_factory.mktemp("broker")) as running:
        yield running


@pytest.fixture
def server(pair: tuple[Server, Clients]) -> Server:
    return pair[0]


@pytest.fixture
def clients(pair: tuple[Server, Clients]) -> Clients:
    return pair[1]


def is_consuming(client: Any) -> bool:
    return any(one["cmd"] == "brpop" for one in client.client_list())


def read_only(client: Any) -> None:
    client.execute_command("REPLICAOF", "127.0.0.1", "1")


def hang_up(client: Any) -> None:
    client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")


def no_memory(client: Any) -> None:
    client.config_set("maxmemory", 1)
    hang_up(client)


def other_password(client: Any) -> None:
    client.config_set("requirepass", "another")
    hang_up(client)


def few_clients(client: Any) -> None:
    client.config_set("maxclients", 1)
    hang_up(client)


def wrong_type(client: Any) -> None:
    client.rename("power", "kept") if client.exists("power") else None
    client.set("power", "no list")


def no_permission(client: Any) -> None:
    client.execute_command("ACL", "SETUSER", "default", "-brpop", "-ping", "-lpush")


ANSWERS: dict[str, tuple[Callable[[Any], object], Callable[[Any], object] | None]] = {
    "NOREPLICAS": (
        lambda client: client.config_set("min-replicas-to-write", 1),
        lambda client: client.config_set("min-replicas-to-write", 0),
    ),
    "READONLY": (read_only, lambda client: client.execute_command("REPLICAOF", "NO", "ONE")),
    "OOM": (no_memory, lambda client: client.config_set("maxmemory", 0)),
    "WRONGPASS": (other_password, None),
    "max number of clients": (few_clients, lambda client: client.config_set("maxclients", 1000)),
    "WRONGTYPE": (wrong_type, lambda client: client.delete("power")),
    "NOPERM": (
        no_permission,
        lambda client: client.execute_command("ACL", "SETUSER", "default", "+brpop", "+ping", "+lpush"),
    ),
}


@pytest.mark.parametrize("answer", ANSWERS)
def test_a_broker_that_answers_with_an_error_ends_no_process(
    server: Server, clients: Clients, answer: str
) -> None:
    breaks, mends = ANSWERS[answer]
    with server.client() as client:
        before = {name: clients.said(name).count("the broker cannot be used") for name in clients.processes}
        breaks(client)
        try:
            for name, errors_before in before.items():
                until(
                    lambda name=name, errors_before=errors_before: (  # type: ignore[misc]
                        clients.said(name).count("the broker cannot be used") > errors_before
                    ),
                    f"{name} says that the broker cannot be used",
                    within=LONG,
                )
            assert clients.running()
        finally:
            if mends:
                mends(client)
            else:
                with server.client("another") as admin:
                    admin.config_set("requirepass", server.broker.password)
        swept = clients.said().count("power.sweep")
        until(lambda: clients.said().count("power.sweep") > swept, "a sweep comes through", within=LONG)
    assert clients.running()
    assert "Unrecoverable" not in clients.said()


POISON = {
    "no JSON": b"not json",
    "no text": b"\xff\xfe\x00",
    "a number": b"5",
    "a list": b"[1, 2]",
    "nothing in it": b"{}",
    "no fields": b'{"body": "e30=", "headers": {}, "properties": {}}',
    "another type": b'{"__type__": "uuid", "__value__": 5}',
    "too deep": b"[" * 100_000,
    "huge": b'{"body": "' + b"A" * 5_000_000 + b'"}',
    "unknown task": (
        b'{"body": "W1tdLCB7fSwge31d", "content-type": "application/json", "content-encoding": "utf-8", '
        b'"headers": {"task": "power.nothing", "id": "1"}, "properties": {"delivery_tag": "1", '
        b'"body_encoding": "base64", "delivery_info": {"exchange": "", "routing_key": "power"}}}'
    ),
}
DATA = POISON["unknown task"].replace(b"power.nothing", b"power.sweep")
POISON["application/data"] = DATA.replace(b"application/json", b"application/data")
POISON["an unknown encoding"] = DATA.replace(b"utf-8", b"utf-17")
POISON["no base64"] = DATA.replace(b"W1tdLCB7fSwge31d", b"!!!")
POISON["too many arguments"] = DATA.replace(b"W1tdLCB7fSwge31d", b"W1sxLDIsM10sIHt9LCB7fV0=")


@pytest.mark.parametrize("poison", POISON)
@pytest.mark.parametrize("queue", ["power", "power.local"])
def test_forged_messages_are_dropped_and_touch_nothing_else(
    server: Server, clients: Clients, queue: str, poison: str
) -> None:
    before, tags = clients.said(), list[str]()
    with server.client() as client:
        # Around it lie messages that are in order, and that are taken all the same.
        for push in (client.lpush, client.rpush):
            tags.append(secrets.token_hex(8))
            push(queue, DATA.replace(b'"delivery_tag": "1"', f'"delivery_tag": "{tags[-1]}"'.encode()))
            push(queue, POISON[poison])
        until(lambda: client.llen(queue) == 0, f"{queue} is empty")
        until(
            lambda: clients.said().count("dropped a message") == before.count("dropped a message") + 2, "told"
        )
        until(lambda: not any(client.hmget("unacked", tags)), "the others are acknowledged")
    assert clients.running()
    after = clients.said().removeprefix(before)
    assert "Traceback" not in after
    assert "cannot be used" not in after


def test_what_is_kept_of_unacknowledged_messages_may_be_forged(server: Server, clients: Clients) -> None:
    forged = {"one": "garbage", "two": "[5, 6, 7]", "three": '[{}, "", "power"]', "four": "null"}
    with server.client() as client:
        client.hset("unacked", mapping=forged)
        client.zadd("unacked_index", dict.fromkeys(forged, 1))
        until(
            lambda: not set(client.hkeys("unacked")) & {tag.encode() for tag in forged}, "dropped", within=30
        )
    assert clients.running()


def test_no_message_can_end_a_worker(server: Server, clients: Clients) -> None:
    app = Celery("foreign", broker=server.broker.url, set_as_current=False)

    with server.client() as client, contextlib.closing(app):
        app.control.broadcast("shutdown")
        app.control.broadcast("pool_shrink", arguments={"n": 39})
        assert not app.control.ping(timeout=1)
        assert client.pubsub_numpat() == 0
    assert clients.running()


def test_connections_that_fail_leave_nothing_behind(server: Server, clients: Clients) -> None:
    def flap(times: int) -> None:
        with server.client() as client:
            for _ in range(times):
                until(lambda: is_consuming(client), "the worker consumes", within=LONG)
                hang_up(client)
            until(lambda: is_consuming(client), "the worker consumes", within=LONG)

    flap(3)
    before = {name: clients.descriptors(name) for name in clients.processes}
    flap(6)
    after = {name: clients.descriptors(name) for name in clients.processes}
    # Each connection has several descriptors; those of the last few are closed when Python collects them.
    assert all(after[name] <= before[name] + 20 for name in before), (before, after)


def test_a_worker_begins_and_ends_without_a_broker(tmp_path: Path) -> None:
    server = Server(tmp_path / "data")
    clients = Clients(tmp_path, server)
    clients.start()
    try:
        for name in clients.processes:
            until(lambda name=name: "cannot be used" in clients.said(name), name, within=LONG)  # type: ignore[misc]
        server.start()
        until(lambda: "power.sweep" in clients.said(), "a sweep comes through", within=LONG)
        server.end(signal.SIGKILL)
        assert clients.running()
        assert clients.stop() == {"worker": 0, "beat": 0}
    finally:
        clients.stop()
        server.end()
