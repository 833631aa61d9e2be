"""Answers as JSON, and the content type of answers with a JSON value in each line."""

from __future__ import annotations

import json as codec
from collections.abc import Mapping
from typing import Any

from flask import Response

from app.web.viewing import current_viewer

NDJSON = "application/x-ndjson"
_ENCODER = codec.JSONEncoder(separators=(",", ":"))


def json(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """An answer with `value` as compact JSON, with names as the caller writes them."""
    return Response(
        _ENCODER.encode(current_viewer().shorten_answer(value)),
        status,
        headers,
        content_type="application/json",
    )
