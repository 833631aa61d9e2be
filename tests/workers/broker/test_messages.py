"""Which messages reach Celery: ours, with what is read of them; everything else is refused with a reason."""

from __future__ import annotations

import base64
import inspect
import json
from collections.abc import Callable
from typing import Any

import pytest

from app import task_queue
from workers.broker import messages
from workers.broker.messages import RefusedMessage
from workers.celery import app

Change = Callable[[dict[str, Any]], object]


def body(*parts: object) -> str:
    return base64.b64encode(json.dumps(list(parts)).encode()).decode()


def message(name: str = task_queue.OPEN, *arguments: object) -> dict[str, Any]:
    """What Celery itself puts into a queue."""
    options = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}
    return {
        "body": body(list(arguments) or ["w1"], {}, options),
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": {
            "lang": "py",
            "task": name,
            "id": "f0e1",
            "shadow": None,
            "eta": None,
            "expires": None,
            "retries": 0,
            "timelimit": [None, None],
            "argsrepr": "w1 studio: forge",
            "origin": "gen1@here",
            "stamped_headers": None,
            "stamps": {},
        },
        "properties": {
            "correlation_id": "f0e1",
            "delivery_mode": 2,
            "delivery_info": {"exchange": "", "routing_key": "power.local"},
            "priority": 0,
            "body_encoding": "base64",
            "delivery_tag": "a1b2",
        },
    }


def test_what_celery_sends_is_passed_on() -> None:
    valid = messages.validate(message())

    assert valid["body"] == message()["body"]
    assert {key: valid["headers"][key] for key in ("task", "id", "argsrepr")} == {
        "task": task_queue.OPEN,
        "id": "f0e1",
        "argsrepr": "w1 studio: forge",
    }
    assert valid["properties"]["delivery_tag"] == "a1b2"


def test_the_arguments_are_those_of_the_tasks() -> None:
    app.loader.import_default_modules()
    for name, (least, most) in messages.ARGUMENTS.items():
        parameters = inspect.signature(app.tasks[name].run).parameters.values()
        needed = [one for one in parameters if one.default is inspect.Parameter.empty]
        assert (len(needed), len(parameters)) == (least, most), name
    assert set(task_queue.NAMES) == messages.ARGUMENTS.keys()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda one: one.pop("properties"), "properties"),
        (lambda one: one.update(properties=[]), "properties"),
        (lambda one: one["properties"].pop("delivery_tag"), "delivery tag"),
        (lambda one: one["properties"].update(delivery_tag={}), "delivery tag"),
        (lambda one: one["properties"].pop("delivery_info"), "delivery_info"),
        (lambda one: one["properties"].update(delivery_info={"exchange": ""}), "routing key"),
        (lambda one: one["properties"].update(body_encoding="rot13"), "body encoding"),
        (lambda one: one["properties"].update(body_encoding=["base64"]), "body encoding"),
        (lambda one: one.pop("headers"), "headers"),
        (lambda one: one.update(headers="power.sweep"), "headers"),
        (lambda one: one["headers"].pop("task"), "unknown task None"),
        (lambda one: one["headers"].update(task="celery.backend_cleanup"), "unknown task"),
        (lambda one: one["headers"].update(task=["power.sweep"]), "unknown task"),
        (lambda one: one["headers"].update(id=5), "task id"),
        (lambda one: one["headers"].update(id="x" * 1000), "task id"),
        (lambda one: one["headers"].update(compression="bzip2"), "compressed"),
        (lambda one: one["headers"].update(expires="soon"), "expiry"),
        (lambda one: one.update({"content-type": "application/data"}), "content type"),
        (lambda one: one.update({"content-type": "application/x-python-serialize"}), "content type"),
        (lambda one: one.update({"content-encoding": "utf-17"}), "content encoding"),
        (lambda one: one.pop("content-encoding"), "content encoding"),
        (lambda one: one.pop("body"), "no body"),
        (lambda one: one.update(body=["w1"]), "no body"),
        (lambda one: one.update(body="not base64!"), "cannot be read"),
        (lambda one: one.update(body=base64.b64encode(b"not json").decode()), "cannot be read"),
        (lambda one: one.update(body=base64.b64encode(b"\xff\xfe").decode()), "cannot be read"),
        (lambda one: one.update(body=base64.b64encode(b"[" * 40_000).decode()), "cannot be read"),
        (lambda one: one.update(body="A" * 10_000_000), "at most"),
        (lambda one: one.update(body=body("w1")), "list of arguments"),
        (lambda one: one.update(body=body({"w1": 1}, {}, {})), "takes 1 arguments"),
        (lambda one: one.update(body=body([], {}, {})), "takes 1 arguments"),
        (lambda one: one.update(body=body(["w1", "w2"], {}, {})), "takes 1 arguments"),
        (lambda one: one.update(body=body(["w1"], {"window_id": "w1"}, {})), "named arguments"),
        (lambda one: one.update(body=body(["w1"], None, {})), "named arguments"),
        (lambda one: one.update(body=body([["w1"]], {}, {})), "an argument"),
        (lambda one: one.update(body=body([None], {}, {})), "an argument"),
        (lambda one: one.update(body=body(["w\x00"], {}, {})), "an argument"),
        (lambda one: one.update(body=body(["\ud800"], {}, {})), "an argument"),
        (lambda one: one.update(body=body(["w" * 10_000], {}, {})), "an argument"),
        (lambda one: one.update(body=body(["w1"], {}, {"callbacks": [{"task": "x"}]})), "callbacks"),
        (lambda one: one.update(body=body(["w1"], {}, 5)), "callbacks"),
    ],
)
def test_what_is_no_message_of_ours_is_refused_and_says_why(change: Change, reason: str) -> None:
    changed = message()
    change(changed)

    with pytest.raises(RefusedMessage, match=reason) as refused:
        messages.validate(changed)

    assert len(str(refused.value)) < 300
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("value", [None, 5, "w1", [], [1, 2], True])
def test_what_is_no_message_at_all_is_refused(value: object) -> None:
    with pytest.raises(RefusedMessage):
        messages.validate(value)


@pytest.mark.parametrize(
    "header",
    [
        {"eta": "9999-12-31T00:00:00"},
        {"timelimit": "soon"},
        {"retries": "many"},
        {"stamped_headers": ["a"], "stamps": 5},
        {"group": {}, "root_id": [], "shadow": "x\ny", "argsrepr": 5},
    ],
)
def test_an_unused_field_is_left_out(header: dict[str, Any]) -> None:
    """A forged delay would hold a message for ever, a forged time limit would break its request."""
    sent_message = message()
    sent_message["headers"].update(header)

    headers = messages.validate(sent_message)["headers"]

    assert not header.keys() & headers.keys() - {"retries"}
    assert headers["retries"] == 0


def test_only_queues_of_tasks_are_checked() -> None:
    assert [messages.is_ours(one) for one in ("power", "power.local", "powerful", "celeryev.1")] == [
        True,
        True,
        False,
        False,
    ]
