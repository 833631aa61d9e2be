"""Answers as JSON, compact and without detours."""

from __future__ import annotations

import json as codec
from collections.abc import Mapping
from typing import Any

from flask import Response

_ENCODER = codec.JSONEncoder(separators=(",", ":"))


def json(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return Response(_ENCODER.encode(value), status, headers, content_type="application/json")
