"""Notices to real receivers, and the rounds of the notifier."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from sqlalchemy import select

from app.host.loop_guard import LoopGuard
from app.settings import NoticeToml
from app.store.database import is_outage
from app.store.tables import Delivery, Notice
from app.usecases import notifications
from tests.engine.stacks import until
from tests.system import System
from workers.loops.notifier import Notifier
from workers.notifications import senders

pytestmark = pytest.mark.integration

SECRET = "whsec_" + base64.b64encode(b"opensesame").decode()
BODY = {"event": "window.stuck", "stack": "studio", "window": "w", "actor": "ada", "facts": {}}


@dataclass
class Receiver:
    """A webhook receiver: what it answers, and what it was sent."""

    answer: int = 200
    hangs: threading.Event | None = None
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    port: int = 0

    @property
    def ids(self) -> list[str]:
        return [headers["webhook-id"] for headers, _body in self.got]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            receiver.got.append(({name.lower(): value for name, value in self.headers.items()}, body))
            if receiver.hangs:
                receiver.hangs.wait(20)
            self.send_response(receiver.answer)
            self.end_headers()
            self.wfile.write(b"said")

        def log_message(self, *_: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    receiver.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield receiver
    if receiver.hangs:
        receiver.hangs.set()
    server.shutdown()
    thread.join()
    server.server_close()


def hook(receiver: Receiver, **more: Any) -> NoticeToml:
    return NoticeToml(url=f"http://127.0.0.1:{receiver.port}/hook", secret=SECRET, **more)


def test_a_webhook_is_signed_as_the_standard_says(receiver: Receiver) -> None:
    assert senders.send(hook(receiver), "n1", BODY) == "200 said"
    ((headers, body),) = receiver.got
    text = f"n1.{headers['webhook-timestamp']}.".encode() + body
    right = base64.b64encode(hmac.digest(b"opensesame", text, hashlib.sha256)).decode()
    assert headers["webhook-signature"] == f"v1,{right}"
    assert json.loads(body) == {**BODY, "id": "n1", "title": json.loads(body)["title"]}
    assert "refuses to stop" in json.loads(body)["title"]


@pytest.mark.parametrize("answer", [302, 404, 500])
def test_any_answer_but_a_yes_has_failed(receiver: Receiver, answer: int) -> None:
    receiver.answer = answer
    with pytest.raises(senders.DeliveryFailed, match=str(answer)):
        senders.send(hook(receiver), "n1", BODY)
    assert len(receiver.got) == 1


def test_a_sink_that_is_away_or_hangs_has_failed(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(senders, "WEBHOOK_TIMEOUT", 0.3)
    receiver.hangs = threading.Event()
    with pytest.raises(senders.DeliveryFailed, match="Timeout"):
        senders.send(hook(receiver), "n1", BODY)
    unreachable = NoticeToml(url="http://127.0.0.1:9/", secret=SECRET)
    with pytest.raises(senders.DeliveryFailed, match="Connect"):
        senders.send(unreachable, "n1", BODY)


def test_a_secret_that_is_missing_or_no_secret_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HOOK_SECRET", raising=False)
    toml = NoticeToml(url="http://127.0.0.1:9/", secret_env="HOOK_SECRET")
    with pytest.raises(senders.DeliveryFailed, match="HOOK_SECRET"):
        senders.secret_of(toml)
    monkeypatch.setenv("HOOK_SECRET", "plain")
    assert senders.secret_of(toml) == b"plain"
    with pytest.raises(senders.DeliveryFailed, match="base64"):
        senders.secret_of(NoticeToml(url="http://127.0.0.1:9/", secret="whsec_***"))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_apprise_sends_readable_text(receiver: Receiver) -> None:
    body = {
        **BODY,
        "event": "window.ending",
        "services": ["forge"],
        "deadline": "soon",
        "extend_url": "http://x/e",
    }
    senders.send(NoticeToml(apprise=f"json://127.0.0.1:{receiver.port}/"), "n1", body)
    ((_headers, sent),) = receiver.got
    assert "one tap: http://x/e" in json.loads(sent)["message"]
    assert "ends soon (forge)" in json.loads(sent)["title"]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_an_address_that_apprise_does_not_know_says_so(receiver: Receiver) -> None:
    with pytest.raises(senders.DeliveryFailed, match="does not know"):
        senders.send(NoticeToml(apprise="nosuch://x"), "n1", BODY)


# The notifier.


@pytest.fixture
def notifier(
    system: System, receiver: Receiver, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[Notifier]:
    monkeypatch.setattr(system.database, "now", lambda: system.now)
    context = SimpleNamespace(
        database=system.database,
        node="local",
        stacks={"studio": None},
        snapshot=SimpleNamespace(away=False),
        guard=LoopGuard(is_outage),
    )
    loading = SimpleNamespace(notices={"ops": hook(receiver, events=["window.opening"])})
    notifier = Notifier(cast(Any, context), cast(Any, loading), None, tmp_path)
    notifier.process_outbox()
    yield notifier
    until(lambda: notifier.busy == 0, "nothing is being sent", 30)


def states(system: System) -> list[tuple[str, int]]:
    with system.database.read() as session:
        return [(one.state, one.attempts) for one in session.scalars(select(Notice).order_by(Notice.id))]


def tries(system: System) -> int:
    with system.database.read() as session:
        return len(list(session.scalars(select(Delivery))))


def test_a_notice_is_sent_once(system: System, notifier: Notifier, receiver: Receiver) -> None:
    system.open("forge")
    notifier.process_outbox()
    until(lambda: states(system) == [("delivered", 1)], "delivered", 20)
    system.tick(100)
    notifier.process_outbox()
    assert len(receiver.got) == tries(system) == 1


def test_a_receiver_that_was_down_gets_it_when_it_is_back(
    system: System, notifier: Notifier, receiver: Receiver
) -> None:
    receiver.answer = 503
    system.open("forge")
    notifier.process_outbox()
    until(lambda: tries(system) == 1, "tried", 20)
    notifier.process_outbox()
    assert states(system) == [("pending", 1)]
    receiver.answer = 200
    system.tick(11)
    notifier.process_outbox()
    until(lambda: states(system) == [("delivered", 2)], "delivered", 20)
    assert len(set(receiver.ids)) == 1


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_what_was_sent_and_not_recorded_is_sent_again_under_the_same_id(
    system: System, notifier: Notifier, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("workers.loops.notifier.notifications.record_attempt", killed)
        system.open("forge")
        notifier.process_outbox()
        until(lambda: len(receiver.got) == 1, "sent", 20)
        until(lambda: states(system) == [("pending", 1)], "claimed", 20)
        until(lambda: notifier.busy == 0, "let go of", 20)
    system.tick(31)
    notifier.process_outbox()
    until(lambda: states(system) == [("delivered", 2)], "delivered", 20)
    assert len(receiver.ids) == 2
    assert len(set(receiver.ids)) == 1


def test_a_sink_that_hangs_delays_no_other_notice(
    system: System, notifier: Notifier, receiver: Receiver
) -> None:
    receiver.hangs = threading.Event()
    for service in ("forge", "mill", "db", "job", "api"):
        system.open(service)
    for _ in range(3):
        notifier.process_outbox()
    until(lambda: len(receiver.got) == 2, "one sink has its share", 20)
    system.close(system.open("forge"))
    assert system.trail()
    assert len(receiver.got) == notifier.busy == 2


def test_a_sink_that_is_named_no_longer_is_given_up_in_the_end(
    system: System, notifier: Notifier, receiver: Receiver
) -> None:
    system.open("forge")
    with system.database.write() as session:
        for one in notifier.sinks():
            notifications.collect_notices(session, one, system.now)
    notifier.loading.notices.clear()
    notifier.process_outbox()
    until(lambda: tries(system) == 1, "tried", 20)
    with system.database.read() as session:
        assert "no notices.ops any more" in session.scalars(select(Delivery)).one().said
    assert receiver.got == []
