"""Parse requests: bytes to JSON to a validated model, with each fault named.

A request that cannot be parsed is answered with 400, one with invalid values with 422.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from typing import Any, TypeVar

from flask import Request
from pydantic import BaseModel, ValidationError
from werkzeug.exceptions import RequestEntityTooLarge

from app.domain.errors import Unknown
from app.web import problems
from app.web.problems import ApiError
from app.web.schemas.base import TOKEN_NAME_PATTERN

Model = TypeVar("Model", bound=BaseModel)

LONGEST_PREFERRED_WAIT = 60.0
LONGEST_ID = 32
"""Characters of the id of a window, a run or a request, at most."""
_WAIT = re.compile(r"wait\s*=\s*\"?(\d{1,9})\"?", re.ASCII)
_KEY = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]{0,253}[\x21-\x7e])?", re.ASCII)
_DIGITS = 400
"""A whole number with more digits is over every limit."""


def body(request: Request, model: type[Model]) -> Model:
    """The body as a model; raises ApiError, or a Refusal of one of its values."""
    return validate(model, _json(request))


def _json(request: Request) -> Any:
    raw = request.get_data(cache=False)
    # Flask cuts a chunked body silently at MAX_CONTENT_LENGTH, which is one byte more than BODY.
    if len(raw) > problems.BODY:
        raise RequestEntityTooLarge
    if not raw.strip():
        return {}
    if not request.is_json:
        media_type = request.mimetype or "nothing"
        raise ApiError(
            problems.UNREADABLE,
            f"send the body as application/json, not {media_type}",
            allowed=["application/json"],
        )
    try:
        return json.loads(raw.decode(), parse_int=_parse_integer)
    except UnicodeDecodeError as error:
        raise ApiError(
            problems.UNREADABLE, f"the body is not UTF-8: byte {error.start} is {error.reason}"
        ) from error
    except ValueError as error:
        raise ApiError(problems.UNREADABLE, f"the body is not JSON: {error}") from error
    except RecursionError as error:
        raise ApiError(problems.UNREADABLE, "the body is nested too deeply") from error


def _parse_integer(digits: str) -> int | float:
    return int(digits) if len(digits) <= _DIGITS else math.inf


def query(request: Request, model: type[Model]) -> Model:
    """The query as a model; raises ApiError, also for a parameter that is given twice."""
    for name, values in request.args.lists():
        if len(values) > 1:
            raise ApiError(
                problems.INVALID, f"{name}: is given {len(values)} times; once is enough", field=name
            )
    return validate(model, request.args.to_dict())


def validate(model: type[Model], given: Any) -> Model:
    """The values as a model; raises ApiError that names each invalid field."""
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


_PATTERNS = {
    TOKEN_NAME_PATTERN: "begin with a letter or a digit; use letters, digits, dots, dashes and "
    "underscores, 80 at most"
}
"""What a text has to be like, by the pattern that it does not match."""


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
    if one["type"] == "string_pattern_mismatch" and (rule := _PATTERNS.get(one["ctx"]["pattern"])):
        return {"field": field, "detail": rule}
    return {"field": field, "detail": one["msg"].removeprefix("Value error, ")}


def check_id(given: str, unknown: Callable[[str], Unknown]) -> None:
    """Raise `unknown` for text that cannot be the id of a row; some databases fail on it."""
    if len(given) > LONGEST_ID or not (given.isascii() and given.isalnum()):
        raise unknown(given[:LONGEST_ID])


def wait(request: Request) -> float | None:
    """Seconds of `Prefer: wait=N`, 60 at most; None for any other preference (RFC 7240)."""
    for preference in ",".join(request.headers.getlist("Prefer")).split(","):
        # Parameters of the preference follow a semicolon, and `wait` has none.
        match = _WAIT.fullmatch(preference.partition(";")[0].strip().lower())
        if match:
            return min(float(match[1]), LONGEST_PREFERRED_WAIT)
    return None


def key(request: Request) -> str | None:
    """The Idempotency-Key, None without one; raises ApiError for an invalid one."""
    given = request.headers.get("Idempotency-Key")
    if given is None:
        return None
    if not _KEY.fullmatch(given):
        allowed = "must be 1 to 255 printable ASCII characters"
        raise ApiError(
            problems.INVALID, f"Idempotency-Key: {allowed}", field="Idempotency-Key", allowed=allowed
        )
    return given
