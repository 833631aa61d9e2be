"""Reading what a request carries: bytes to JSON to a checked value, each fault named.

What cannot be read at all is 400; what reads well and cannot be meant is 422.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import re
from datetime import datetime
from typing import Any, TypeVar

from flask import Request
from pydantic import BaseModel, ValidationError
from werkzeug.exceptions import RequestEntityTooLarge

from app.web import problems
from app.web.problems import ApiError

Model = TypeVar("Model", bound=BaseModel)

LONGEST_PREFERRED_WAIT = 60.0
_WAIT = re.compile(r"wait\s*=\s*\"?(\d{1,9})\"?", re.ASCII)
_KEY = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]{0,253}[\x21-\x7e])?", re.ASCII)
_DIGITS = 400
"""A whole number with more digits than this is over every limit there is."""


def body(request: Request, model: type[Model]) -> Model:
    """The checked body; raises Turned, or a Refusal that the body's meaning calls for."""
    return validate(model, _json(request))


def _json(request: Request) -> Any:
    raw = request.get_data(cache=False)
    # A chunked body is cut at the server's limit without a word, so the limit is one byte beyond ours.
    if len(raw) > problems.BODY:
        raise RequestEntityTooLarge
    if not raw.strip():
        return {}
    if not request.is_json:
        said = request.mimetype or "nothing"
        raise ApiError(
            problems.UNREADABLE,
            f"send the body as application/json, not {said}",
            allowed=["application/json"],
        )
    try:
        return json.loads(raw.decode(), parse_int=_whole)
    except UnicodeDecodeError as error:
        raise ApiError(
            problems.UNREADABLE, f"the body is not UTF-8: byte {error.start} is {error.reason}"
        ) from error
    except ValueError as error:
        raise ApiError(problems.UNREADABLE, f"the body is not JSON: {error}") from error
    except RecursionError as error:
        raise ApiError(problems.UNREADABLE, "the body is nested too deeply") from error


def _whole(digits: str) -> int | float:
    return int(digits) if len(digits) <= _DIGITS else math.inf


def query(request: Request, model: type[Model]) -> Model:
    """The checked query; a parameter that is given twice is told rather than guessed at."""
    for name, values in request.args.lists():
        if len(values) > 1:
            raise ApiError(
                problems.INVALID, f"{name}: is given {len(values)} times; once is enough", field=name
            )
    return validate(model, request.args.to_dict())


def validate(model: type[Model], given: Any) -> Model:
    """The values as a model; raises the problem that names each field."""
    try:
        return model.model_validate(given)
    except ValidationError as error:
        raise _invalid(model, error) from error


def _invalid(model: type[BaseModel], error: ValidationError) -> ApiError:
    faults = [_fault(model, one) for one in error.errors(include_url=False, include_input=False)]
    detail = "; ".join(f"{fault['field']}: {fault['detail']}" for fault in faults[:10])
    allowed = (
        list(model.model_fields) if any(one["type"] == "extra_forbidden" for one in error.errors()) else None
    )
    return ApiError(
        problems.INVALID,
        detail,
        field=faults[0]["field"],
        allowed=allowed,
        errors=faults[:10] if len(faults) > 1 else None,
    )


def _fault(model: type[BaseModel], one: Any) -> dict[str, str]:
    field = ".".join(str(part) for part in one["loc"])[:120] or "body"
    if one["type"] == "extra_forbidden":
        return {
            "field": field,
            "detail": f"is not known here; known are {', '.join(model.model_fields) or 'none'}",
        }
    if one["type"] == "missing":
        return {"field": field, "detail": "is missing"}
    if one["type"] in {"model_type", "model_attributes_type"}:
        return {"field": field, "detail": "must be a JSON object"}
    return {"field": field, "detail": one["msg"].removeprefix("Value error, ")}


def wait(request: Request) -> float | None:
    """Seconds of `Prefer: wait=N`, 60 at most; a preference that cannot be read is none (RFC 7240)."""
    for preference in ",".join(request.headers.getlist("Prefer")).split(","):
        # What follows a semicolon are parameters of the preference, and `wait` has none.
        match = _WAIT.fullmatch(preference.partition(";")[0].strip().lower())
        if match:
            return min(float(match[1]), LONGEST_PREFERRED_WAIT)
    return None


def key(request: Request) -> str | None:
    """The Idempotency-Key; raises Turned for one that cannot be kept."""
    given = request.headers.get("Idempotency-Key")
    if given is None:
        return None
    if not _KEY.fullmatch(given):
        said = "must be 1 to 255 printable ASCII characters"
        raise ApiError(problems.INVALID, f"Idempotency-Key: {said}", field="Idempotency-Key", allowed=said)
    return given


def cursor(*place: Any) -> str:
    """A place in a list, as text that is only to be given back."""
    text = json.dumps(place, separators=(",", ":"), default=datetime.isoformat)
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def place(given: str, field: str, *shape: type[Any]) -> tuple[Any, ...]:
    """What a cursor stands for, in the shape it was made from; raises Turned for any other text."""
    try:
        padded = given + "=" * (-len(given) % 4)
        parts = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        if not isinstance(parts, list) or len(parts) != len(shape):
            raise ValueError("another shape")
        return tuple(_part(part, kind) for part, kind in zip(parts, shape, strict=True))
    except (ValueError, binascii.Error, TypeError, RecursionError) as error:
        detail = f"{field}: is not a cursor that was given out here; begin without one"
        raise ApiError(problems.INVALID, detail, field=field) from error


def _part(part: Any, kind: type[Any]) -> Any:
    if kind is datetime:
        moment = datetime.fromisoformat(part)
        if moment.tzinfo is None or not 1970 < moment.year < 9000:
            raise ValueError("no such time")
        return moment
    if not isinstance(part, kind) or isinstance(part, bool):
        raise TypeError("another kind")
    if isinstance(part, int) and not 0 <= part < 2**62:
        raise ValueError("out of range")
    if isinstance(part, str) and "\0" in part:
        raise ValueError("no text of ours")
    return part.encode().decode() if isinstance(part, str) else part
