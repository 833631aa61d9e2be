"""Send one notice to one sink: a signed webhook, or any service that Apprise supports.

The exchange itself is made by a process of its own, `workers.notifications.delivery`, which
has one deadline for all of it. What a sink answers is cut, and its address taken out, before
this process sees it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from typing import Any

from app.domain import notifications, redaction, untrusted_text
from app.settings import NoticeToml
from workers.engine import child_processes

WEBHOOK_TIMEOUT = 5.0
"""Seconds for the whole exchange with a webhook: name, connection, TLS, request and answer."""
APPRISE_TIMEOUT = 12.0
"""Seconds for the same by Apprise, some of whose sinks need several requests."""
_START = 10.0
"""Seconds that the process may need besides."""
_SAID = 300


class DeliveryFailed(Exception):
    """It was not handed over, for the reason said."""


def send(toml: NoticeToml, notice: str, body: Mapping[str, Any]) -> str:
    """Send the notice and return the sink's answer. Raises DeliveryFailed."""
    return _deliver(_webhook(toml, notice, body) if toml.url else _apprise(toml, body))


def _webhook(toml: NoticeToml, notice: str, body: Mapping[str, Any]) -> dict[str, Any]:
    content = json.dumps({"id": notice, "title": notifications.title(body), **body})
    headers = {
        "Content-Type": "application/json",
        **signature_headers(secret_of(toml), notice, int(time.time()), content.encode()),
    }
    return {"url": toml.url, "headers": headers, "content": content, "seconds": WEBHOOK_TIMEOUT}


def _apprise(toml: NoticeToml, body: Mapping[str, Any]) -> dict[str, Any]:
    text = {"title": notifications.title(body), "body": notifications.text(body)}
    return {"apprise": toml.apprise, **text, "seconds": APPRISE_TIMEOUT}


def _deliver(order: Mapping[str, Any]) -> str:
    """Have the order carried out; return what came of it. Raises DeliveryFailed."""
    code, printed = _run(json.dumps(order), order["seconds"])
    if code == -signal.SIGALRM:
        raise DeliveryFailed(f"Timeout: the exchange was not over after {order['seconds']:g} s")
    try:
        answer = json.loads(printed)
        ok, reply = bool(answer["ok"]), str(answer["said"])
    except (ValueError, KeyError, TypeError):
        raise DeliveryFailed(f"the process that sends ended with {code} and no answer") from None
    reply = untrusted_text.shorten(untrusted_text.storable(redaction.redact(reply)), _SAID)
    if not ok:
        raise DeliveryFailed(reply)
    return reply


def _run(order: str, seconds: float) -> tuple[int, str]:
    """One process for one order: its exit code and what it printed. Raises DeliveryFailed."""
    child = subprocess.Popen(
        (*child_processes.dying_with_us(), sys.executable, "-m", "workers.notifications.delivery"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=_environment(),
        start_new_session=True,
    )
    try:
        printed, _ = child.communicate(order, timeout=seconds + _START)
        return child.returncode, printed
    except subprocess.TimeoutExpired:
        raise DeliveryFailed(f"Timeout: no end after {seconds + _START:g} s") from None
    finally:
        child_processes.kill_family(child)
        child.communicate()


def _environment() -> dict[str, str]:
    python = {name: value for name, value in os.environ.items() if name.startswith("PYTHON")}
    return child_processes.environment(os.environ) | python


def secret_of(toml: NoticeToml) -> bytes:
    """The signing secret; `whsec_` announces base64. Raises DeliveryFailed where there is none."""
    text = toml.secret or os.environ.get(toml.secret_env or "", "")
    if not text:
        raise DeliveryFailed(f"the environment has no {toml.secret_env} to sign with")
    if not text.startswith("whsec_"):
        return text.encode()
    try:
        return base64.b64decode(text.removeprefix("whsec_"), validate=True)
    except binascii.Error as error:
        raise DeliveryFailed("the secret begins with whsec_ and is not base64") from error


def signature_headers(secret: bytes, notice: str, at: int, content: bytes) -> dict[str, str]:
    """The headers of Standard Webhooks: HMAC-SHA256 over `id.timestamp.body`."""
    digest = hmac.digest(secret, f"{notice}.{at}.".encode() + content, hashlib.sha256)
    return {
        "webhook-id": notice,
        "webhook-timestamp": str(at),
        "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
    }
