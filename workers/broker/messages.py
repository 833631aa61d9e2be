"""What a message in our queues looks like, and which messages are refused.

Any client of the broker can push any message into a queue. This module therefore checks each message
before Celery reads it, and passes on only the fields it knows. A forged time limit, callback or delay
is dropped.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from app import task_queue, tracing

MAX_BODY_LENGTH = 64 * 1024
"""Characters that a message body may have; ours have a few hundred."""
MAX_ID_LENGTH = 200
"""Characters that an id may have: of a window, a node, a task, a delivery."""
ARGUMENTS: dict[str, tuple[int, int]] = {
    task_queue.OPEN: (1, 1),
    task_queue.CLOSE: (1, 1),
    task_queue.SWEEP: (0, 0),
    task_queue.RESYNC: (0, 1),
    task_queue.READ_LOGS: (1, 1),
    task_queue.RUN_SCENARIO: (1, 1),
}
"""How many ids each task takes, at least and at most; a task of an optional feature adds its own."""

_TEXTS = ("lang", "root_id", "parent_id", "argsrepr", "kwargsrepr", "origin", tracing.HEADER)
_ENCODINGS = (None, "utf-8", "base64")


class RefusedMessage(Exception):
    """The message is none of ours, for the reason given."""


def validate(raw: object) -> dict[str, Any]:
    """The message as it may be passed on. Raises Refused."""
    message = _mapping(raw, "the message")
    properties = _mapping(message.get("properties"), "its properties")
    headers = _mapping(message.get("headers"), "its headers")
    name = headers.get("task")
    if not isinstance(name, str) or name not in ARGUMENTS:
        raise RefusedMessage(f"unknown task {_excerpt(name)}")
    if headers.get("compression"):
        raise RefusedMessage("it is compressed")
    _check_body(name, _body(message, properties.get("body_encoding")))
    return {
        "body": message["body"],
        "content-type": "application/json",
        "content-encoding": "utf-8",
        "headers": _headers(name, headers),
        "properties": _properties(properties),
    }


def is_ours(queue: str) -> bool:
    """Is this a queue of tasks, rather than of events or replies?"""
    return queue == task_queue.SHARED_QUEUE or queue.startswith(f"{task_queue.SHARED_QUEUE}.")


def _headers(name: str, headers: Mapping[str, Any]) -> dict[str, Any]:
    texts = {key: headers[key][:MAX_BODY_LENGTH] for key in _TEXTS if isinstance(headers.get(key), str)}
    return {
        **texts,
        "task": name,
        "id": _identifier(headers.get("id"), "the task id"),
        "expires": _moment(headers.get("expires")),
        "retries": 0,
        "ignore_result": True,
    }


def _properties(properties: Mapping[str, Any]) -> dict[str, Any]:
    info = _mapping(properties.get("delivery_info"), "its delivery_info")
    exchange, key = info.get("exchange"), info.get("routing_key")
    if not isinstance(exchange, str) or not isinstance(key, str):
        raise RefusedMessage("its delivery_info names no exchange and routing key")
    correlation, priority = properties.get("correlation_id"), properties.get("priority")
    return {
        "delivery_tag": _identifier(properties.get("delivery_tag"), "the delivery tag"),
        "delivery_info": {"exchange": exchange, "routing_key": key},
        "delivery_mode": 2,
        "body_encoding": properties.get("body_encoding"),
        "correlation_id": correlation if isinstance(correlation, str) else None,
        "priority": priority if isinstance(priority, int) else 0,
    }


def _body(message: Mapping[str, Any], encoding: object) -> object:
    """The arguments, decoded as the content type and the encodings say."""
    if message.get("content-type") != "application/json":
        raise RefusedMessage(f"content type {_excerpt(message.get('content-type'))} is not application/json")
    if str(message.get("content-encoding")).lower() != "utf-8":
        raise RefusedMessage(f"content encoding {_excerpt(message.get('content-encoding'))} is not utf-8")
    if encoding not in _ENCODINGS:
        raise RefusedMessage(f"body encoding {_excerpt(encoding)} is not base64")
    body = message.get("body")
    if not isinstance(body, str):
        raise RefusedMessage("it has no body")
    if len(body) > MAX_BODY_LENGTH:
        raise RefusedMessage(f"its body has {len(body)} characters, {MAX_BODY_LENGTH} at most are read")
    try:
        text = base64.b64decode(body, validate=True).decode() if encoding == "base64" else body
        return json.loads(text)
    except (binascii.Error, ValueError, RecursionError) as error:
        raise RefusedMessage(f"its body cannot be read: {error}") from error


def _check_body(name: str, body: object) -> None:
    if not isinstance(body, list) or len(body) != 3:
        raise RefusedMessage("its body is not a list of arguments, named arguments and options")
    given, named, options = body
    least, most = ARGUMENTS[name]
    if not isinstance(given, list) or not least <= len(given) <= most:
        raise RefusedMessage(f"{name} takes {least if least == most else f'{least} to {most}'} arguments")
    if named != {}:
        raise RefusedMessage(f"{name} takes no named arguments")
    for one in given:
        if one is not None or least:
            _identifier(one, "an argument")
    if not isinstance(options, dict) or any(options.values()):
        raise RefusedMessage("it carries callbacks")


def _identifier(value: object, what: str) -> str:
    if not isinstance(value, str) or not value or len(value) > MAX_ID_LENGTH or not value.isprintable():
        raise RefusedMessage(f"{what} {_excerpt(value)} is no id")
    return value


def _moment(value: object) -> str | None:
    if value is None:
        return None
    try:
        return datetime.fromisoformat(str(value)).isoformat()
    except ValueError as error:
        raise RefusedMessage(f"its expiry {_excerpt(value)} is no time") from error


def _mapping(value: object, what: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise RefusedMessage(f"{what} is no JSON object")
    return value


def _excerpt(value: object) -> str:
    """A few characters of it, on one line."""
    return repr(value)[:80]
