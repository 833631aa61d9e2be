"""Error responses of the API as errors of `power_windows.errors`.

The API sends the field, the limit and the allowed values (RFC 9457 problems). This module writes them
as text, adds a similar name where a name is unknown, and chooses the class of the error.
"""

import difflib
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

import httpx

from power_windows.errors import Failed, NotFound, PowerError, Refused, Unreachable
from power_windows.printable import printable_line, printable_lines

# The server answers, and its database or the proxy in front of it does not.
_AWAY_STATUSES = {HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT}
_STANDARD_FIELDS = {"type", "title", "status", "detail", "instance", "field", "errors"}
# The sentences of these problems have all facts already, in words.
_COMPLETE_TYPES = {
    "/problems/ttl-too-long",
    "/problems/no-stack-has-all",
    "/problems/unknown-services",
    "/problems/unknown-intent",
    "/problems/services-of-no-stack",
}
# An error inside the server, with any status: another address would not help.
_FAULT_TYPE = "/problems/fault"


def failure(response: httpx.Response, requested: Iterable[str] = ()) -> PowerError:
    """Return the error for a response that is no success; `requested` are the names in the request."""
    problem = _problem(response)
    if problem is None:
        return _foreign_answer(response)
    message = "\n".join(_message_lines(problem, response, requested))
    return _error_class(response.status_code, problem)(message, problem, response.status_code)


def _error_class(status: int, problem: dict[str, Any]) -> type[PowerError]:
    if problem.get("type") == _FAULT_TYPE:
        return Failed
    if status in _AWAY_STATUSES:
        return Unreachable
    if status == HTTPStatus.NOT_FOUND:
        return NotFound
    return Refused if status < HTTPStatus.INTERNAL_SERVER_ERROR else Failed


def _problem(response: httpx.Response) -> dict[str, Any] | None:
    if "json" not in response.headers.get("content-type", ""):
        return None
    try:
        problem = response.json()
    except ValueError:
        return None
    return problem if isinstance(problem, dict) else None


def _foreign_answer(response: httpx.Response) -> PowerError:
    """Return the error for a response that no Power Windows server sends."""
    reason = printable_line(response.reason_phrase)
    answer = f"{response.request.url} answered {response.status_code} {reason}".rstrip()
    return Unreachable(f"{answer}, which is not how Power Windows answers; is POWER_URL right?")


def _message_lines(problem: dict[str, Any], response: httpx.Response, requested: Iterable[str]) -> list[str]:
    sentence = str(problem.get("detail") or problem.get("title") or response.reason_phrase)
    more = [*_suggestions(problem.get("allowed"), requested), *_further_fields(problem, sentence)]
    lines = [printable_lines(sentence), *map(printable_line, more)]
    if response.status_code == HTTPStatus.UNAUTHORIZED:
        lines.append(
            "set POWER_TOKEN to a token of this service; a standalone keeps its own in its data directory"
        )
    if after := response.headers.get("retry-after"):
        lines.append(f"try again in {printable_line(after)} s")
    return lines


def _suggestions(allowed: Any, requested: Iterable[str]) -> list[str]:
    """Return a line for each requested name that is not allowed and similar to one that is."""
    if not isinstance(allowed, list):
        return []
    names = [str(name) for name in allowed]
    guesses = ((name, difflib.get_close_matches(name, names, n=1)) for name in requested if name not in names)
    return [f"did you mean {guess[0]!r} instead of {name!r}?" for name, guess in guesses if guess]


def _further_fields(problem: dict[str, Any], sentence: str) -> list[str]:
    """Return a line for each field of the problem whose value is not in its sentence."""
    if problem.get("type") in _COMPLETE_TYPES:
        return []
    extra = {name: _plain(value) for name, value in problem.items() if name not in _STANDARD_FIELDS}
    return [f"  {name}: {text}" for name, text in extra.items() if text and text not in sentence]


def _plain(value: Any) -> str:
    """Return a JSON value as text for people; None is empty."""
    if isinstance(value, list):
        return ", ".join(_plain(item) for item in value)
    if isinstance(value, dict):
        return ", ".join(f"{name} {_plain(item)}" for name, item in value.items())
    if isinstance(value, float):
        return f"{value:g}"
    return "" if value is None else str(value)
