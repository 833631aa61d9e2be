"""Handing one notice to one sink: a signed webhook, or whatever Apprise knows."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import os
import time
from collections.abc import Mapping
from typing import Any

import httpx

from app.domain import notices
from app.settings import NoticeToml

TIMEOUT = 5.0
"""Seconds that a sink has to answer."""
_SAID = 300


class Failed(Exception):
    """It was not handed over, for the reason said."""


def send(toml: NoticeToml, notice: str, body: Mapping[str, Any]) -> str:
    """Hand it over; return what the sink answered. Raises Failed."""
    return _webhook(toml, notice, body) if toml.url else _apprise(toml, body)


def _webhook(toml: NoticeToml, notice: str, body: Mapping[str, Any]) -> str:
    content = json.dumps({"id": notice, "title": notices.title(body), **body}).encode()
    headers = {
        "Content-Type": "application/json",
        **signed(secret_of(toml), notice, int(time.time()), content),
    }
    try:
        answer = httpx.post(str(toml.url), content=content, headers=headers, timeout=TIMEOUT)
    except httpx.HTTPError as error:
        raise Failed(f"{type(error).__name__}: {error}"[:_SAID]) from error
    said = f"{answer.status_code} {answer.text[:_SAID]}".strip()
    if not answer.is_success:
        raise Failed(said)
    return said


def secret_of(toml: NoticeToml) -> bytes:
    """The signing secret; `whsec_` announces base64. Raises Failed where there is none."""
    text = toml.secret or os.environ.get(toml.secret_env or "", "")
    if not text:
        raise Failed(f"the environment has no {toml.secret_env} to sign with")
    if not text.startswith("whsec_"):
        return text.encode()
    try:
        return base64.b64decode(text.removeprefix("whsec_"), validate=True)
    except binascii.Error as error:
        raise Failed("the secret begins with whsec_ and is not base64") from error


def signed(secret: bytes, notice: str, at: int, content: bytes) -> dict[str, str]:
    """The headers of Standard Webhooks: HMAC-SHA256 over `id.timestamp.body`."""
    digest = hmac.digest(secret, f"{notice}.{at}.".encode() + content, hashlib.sha256)
    return {
        "webhook-id": notice,
        "webhook-timestamp": str(at),
        "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
    }


def _apprise(toml: NoticeToml, body: Mapping[str, Any]) -> str:
    try:
        from apprise import Apprise
    except ImportError as error:
        raise Failed("Apprise is not installed here: pip install 'power-windows[notices]'") from error
    told = Apprise()
    if not told.add(toml.apprise or ""):
        raise Failed("Apprise does not know an address of this kind")
    if not told.notify(title=notices.title(body), body=notices.text(body)):
        raise Failed("Apprise could not hand it over")
    return "handed over"
