"""A refusal of the API, said to a person.

The API names the field, the limit and what was allowed (RFC 9457 problems);
this adds the name that was probably meant, and picks the kind of error.
"""

import difflib
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

import httpx

from power_windows.errors import Failed, NotFound, PowerError, Refused, Unreachable
from power_windows.printable import printable_line, printable_lines

# The service is there but its database or what stands before it is not: as good as out of reach.
_AWAY = {HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT}
_STANDARD = {"type", "title", "status", "detail", "instance", "field", "errors"}
# The service is there and broken: nothing that another address would mend.
_FAULT = "/problems/fault"


def failure(response: httpx.Response, asked: Iterable[str] = ()) -> PowerError:
    """The failure that a response stands for; `asked` are the names that the request held."""
    problem = _problem(response)
    if problem is None:
        return _stranger(response)
    said = "\n".join(_lines(problem, response, asked))
    return _kind(response.status_code, problem)(said, problem, response.status_code)


def _kind(status: int, problem: dict[str, Any]) -> type[PowerError]:
    if problem.get("type") == _FAULT:
        return Failed
    if status in _AWAY:
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


def _stranger(response: httpx.Response) -> PowerError:
    reason = printable_line(response.reason_phrase)
    said = f"{response.request.url} answered {response.status_code} {reason}".rstrip()
    return Unreachable(f"{said}, which is not how Power Windows answers; is POWER_URL right?")


def _lines(problem: dict[str, Any], response: httpx.Response, asked: Iterable[str]) -> list[str]:
    sentence = str(problem.get("detail") or problem.get("title") or response.reason_phrase)
    more = [*_meant(problem.get("allowed"), asked), *_unsaid(problem, sentence)]
    lines = [printable_lines(sentence), *map(printable_line, more)]
    if response.status_code == HTTPStatus.UNAUTHORIZED:
        lines.append(
            "set POWER_TOKEN to a token of this service; a standalone keeps its own in its data directory"
        )
    if after := response.headers.get("retry-after"):
        lines.append(f"try again in {printable_line(after)} s")
    return lines


def _meant(allowed: Any, asked: Iterable[str]) -> list[str]:
    """A guess for each name that was asked for and is not there."""
    if not isinstance(allowed, list):
        return []
    names = [str(name) for name in allowed]
    guesses = ((name, difflib.get_close_matches(name, names, n=1)) for name in asked if name not in names)
    return [f"did you mean {guess[0]!r} instead of {name!r}?" for name, guess in guesses if guess]


def _unsaid(problem: dict[str, Any], sentence: str) -> list[str]:
    """What the problem carries beyond its sentence, one line each."""
    extra = {name: _plain(value) for name, value in problem.items() if name not in _STANDARD}
    return [f"  {name}: {text}" for name, text in extra.items() if text and text not in sentence]


def _plain(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(_plain(item) for item in value)
    if isinstance(value, dict):
        return ", ".join(f"{name} {_plain(item)}" for name, item in value.items())
    if isinstance(value, float):
        return f"{value:g}"
    return "" if value is None else str(value)
