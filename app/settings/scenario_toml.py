"""Scenario files, checked by Pydantic and frozen into one `Scenario` value.

The command reads a file and the web server reads the same document as JSON, so both check it here.
Every fault becomes one line that names the source, the step and the key, and says what would be right.
"""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
)

from app.domain import durations, scenarios
from app.domain.scenarios import CHECK_TYPES, Check, CheckKind, ExecCheck, Metric, Scenario, ScenarioStep
from app.settings.errors import ConfigError
from app.settings.power_toml import Seconds, ServiceName, parse_seconds

LARGEST_SCENARIO = 48 * 1024
"""Bytes of a scenario file, at most; a request's body holds 64 KiB."""
LONGEST_PATTERN = 500
"""Characters of a pattern, at most."""


def _storable(text: str) -> str:
    if "\0" in text:
        raise ValueError("must not contain a NUL character")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError("must be well-formed Unicode") from error
    return text


def _pattern(text: str) -> str:
    try:
        re.compile(text)
    except (re.error, RecursionError, OverflowError) as error:
        raise ValueError(f"is no regular expression: {error}") from error
    return text


TextLine = Annotated[str, Field(max_length=2000), AfterValidator(_storable)]
Pattern = Annotated[str, Field(min_length=1, max_length=LONGEST_PATTERN), AfterValidator(_storable),
                    AfterValidator(_pattern)]  # fmt: skip
StepName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$", max_length=60)]
Pause = Annotated[
    float, BeforeValidator(parse_seconds), AfterValidator(partial(durations.at_most, scenarios.LONGEST_TRY))
]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class HttpToml(_Strict):
    """`[steps.NAME.http]`."""

    url: TextLine
    method: Annotated[str, Field(pattern="^[A-Z]{1,20}$")] = "GET"
    headers: dict[TextLine, TextLine] = {}
    body: Annotated[str, Field(max_length=16000), AfterValidator(_storable)] | None = None
    status: int = Field(default=200, ge=100, le=599)
    expect_headers: dict[TextLine, TextLine] = {}
    json_values: dict[TextLine, Any] = Field(default={}, alias="json")
    pattern: Pattern | None = None
    verify: bool = True
    ca: Annotated[str, Field(max_length=20000), AfterValidator(_storable)] | None = None

    @field_validator("url")
    @classmethod
    def _reachable(cls, url: str) -> str:
        try:
            parts = urlsplit(url)
            host, _ = parts.hostname, parts.port
        except ValueError as error:
            raise ValueError(f"is no URL: {error}") from error
        if parts.scheme not in {"http", "https"} or not host:
            raise ValueError("must begin with http:// or https:// and name a host")
        if any(ord(letter) <= 32 or ord(letter) == 127 for letter in url):
            raise ValueError("must contain no space or control character")
        return url

    @field_validator("headers")
    @classmethod
    def _sendable(cls, headers: dict[str, str]) -> dict[str, str]:
        for name, value in headers.items():
            if not name.isascii() or not name.replace("-", "").replace("_", "").isalnum():
                raise ValueError(f"{name!r} is no name of a header")
            if not value.isprintable():
                raise ValueError(f"the value of {name} must be printable")
        return headers

    @field_validator("json_values")
    @classmethod
    def _plain(cls, values: dict[str, Any]) -> dict[str, Any]:
        for path, value in values.items():
            if not isinstance(value, str | int | float | bool | None) or value in {math.inf, -math.inf}:
                raise ValueError(f"{path}: compare with text, a number, true or false")
        return values

    @field_validator("ca")
    @classmethod
    def _certificates(cls, text: str | None) -> str | None:
        if text is not None and "-----BEGIN CERTIFICATE-----" not in text:
            raise ValueError("must be certificates in PEM, or in a file the path of such a file")
        return text


class TcpToml(_Strict):
    """`[steps.NAME.tcp]`."""

    host: Annotated[str, Field(min_length=1, max_length=253), AfterValidator(_storable)] = "127.0.0.1"
    port: int = Field(ge=1, le=65535)


class ExecToml(_Strict):
    """`[steps.NAME.exec]`."""

    service: ServiceName
    argv: list[TextLine] = Field(min_length=1, max_length=100)
    exit_code: int = Field(default=0, ge=0, le=255)
    pattern: Pattern | None = None


class LogToml(_Strict):
    """`[steps.NAME.log]`."""

    service: ServiceName
    pattern: Pattern
    seen: bool = True


class MetricToml(_Strict):
    """`[steps.NAME.metric]`."""

    service: ServiceName
    metric: Metric
    at_most: float = Field(ge=0, allow_inf_nan=False)


class FileToml(_Strict):
    """`[steps.NAME.file]`."""

    service: ServiceName
    path: TextLine
    exists: bool = True
    pattern: Pattern | None = None

    @field_validator("path")
    @classmethod
    def _absolute(cls, path: str) -> str:
        if not path.startswith("/"):
            raise ValueError("must be an absolute path, such as /etc/hostname")
        return path


_CHECKS: Mapping[CheckKind, type[_Strict]] = {
    CheckKind.HTTP: HttpToml,
    CheckKind.TCP: TcpToml,
    CheckKind.EXEC: ExecToml,
    CheckKind.LOG: LogToml,
    CheckKind.METRIC: MetricToml,
    CheckKind.FILE: FileToml,
}


class StepToml(_Strict):
    """`[steps.NAME]`. Times are seconds."""

    http: HttpToml | None = None
    tcp: TcpToml | None = None
    exec: ExecToml | None = None
    log: LogToml | None = None
    metric: MetricToml | None = None
    file: FileToml | None = None
    retries: int = Field(default=0, ge=0, le=scenarios.MOST_RETRIES)
    every: Pause = 1.0
    timeout: Pause = 10.0
    depends_on: list[StepName] = Field(default=[], max_length=scenarios.MOST_STEPS)


class ScenarioToml(_Strict):
    """The file as it is written. `ttl` is in seconds."""

    name: StepName
    stack: Annotated[str, Field(min_length=1, max_length=120), AfterValidator(_storable)] | None = None
    services: list[ServiceName] = Field(min_length=1, max_length=500)
    ttl: Seconds | None = None
    fresh: bool = False
    steps: dict[StepName, StepToml] = Field(default={}, max_length=scenarios.MOST_STEPS)


def read_scenario(path: Path) -> dict[str, Any]:
    """Read and check a scenario file; return its document, with the certificates it names in their places.

    Raises ConfigError with one line per fault.
    """
    try:
        raw = path.read_bytes()
        if len(raw) > LARGEST_SCENARIO:
            raise ConfigError([f"{path}: is over {LARGEST_SCENARIO} bytes"])
        document = tomllib.loads(raw.decode("utf-8-sig"))
    except OSError as error:
        raise ConfigError([f"{path}: cannot be read: {error.strerror}"]) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigError([f"{path}: is not TOML: {error}"]) from error
    _inline_certificates(path, document)
    parse_scenario(document, str(path))
    return document


def _inline_certificates(path: Path, document: dict[str, Any]) -> None:
    """Put the text of each `ca` file in the place of its path, which is relative to the scenario."""
    steps = document.get("steps")
    for name, step in steps.items() if isinstance(steps, dict) else ():
        http = step.get("http") if isinstance(step, dict) else None
        if not isinstance(http, dict):
            continue
        named = http.get("ca")
        if not isinstance(named, str) or "-----BEGIN" in named:
            continue
        try:
            http["ca"] = (path.absolute().parent / named).read_text()
        except (OSError, UnicodeDecodeError, ValueError) as error:
            raise ConfigError([f"{path}: steps.{name}.http.ca: cannot be read: {error}"]) from error


def parse_scenario(document: Any, source: str) -> Scenario:
    """The scenario that a document describes; raises ConfigError, with `source` before each fault."""
    try:
        read = ScenarioToml.model_validate(document)
    except ValidationError as error:
        raise ConfigError([f"{source}: {_line(fault)}" for fault in error.errors()]) from error
    except RecursionError as error:
        raise ConfigError([f"{source}: is nested too deeply"]) from error
    faults = _faults(read)
    if faults:
        raise ConfigError([f"{source}: {one}" for one in faults])
    steps = {name: _step(name, step) for name, step in read.steps.items()}
    return Scenario(read.name, tuple(read.services), steps, read.stack, read.ttl, read.fresh)


def _faults(read: ScenarioToml) -> list[str]:
    """What no single value shows: checks, names of other steps, cycles."""
    found = []
    for name, step in read.steps.items():
        kinds = _kinds(step)
        if len(kinds) != 1:
            has = f"has {' and '.join(kinds)}" if kinds else "has no check"
            found.append(f"steps.{name}: {has}; write one of {', '.join(CheckKind)}")
        found += [
            f"steps.{name}.depends_on: {other!r} is no step{scenarios.suggestion(other, read.steps)}"
            for other in step.depends_on
            if other not in read.steps
        ]
        if step.every < scenarios.SHORTEST_PAUSE:
            found.append(f"steps.{name}.every: is too short; at least {scenarios.SHORTEST_PAUSE:g} s")
    cycle = scenarios.find_cycle({name: step.depends_on for name, step in read.steps.items()})
    if cycle:
        found.append(f"steps.{cycle[0]}.depends_on: is a cycle: {' -> '.join(cycle)}")
    return found


def _kinds(step: StepToml) -> list[CheckKind]:
    return [kind for kind in CheckKind if getattr(step, kind) is not None]


def _step(name: str, step: StepToml) -> ScenarioStep:
    [kind] = _kinds(step)
    given = getattr(step, kind).model_dump(by_alias=True)
    if "argv" in given:
        given["argv"] = tuple(given["argv"])
    check = CHECK_TYPES[kind](**given)
    return ScenarioStep(
        name, kind, check, step.retries, step.every, step.timeout, tuple(dict.fromkeys(step.depends_on))
    )


def as_document(scenario: Scenario) -> dict[str, Any]:
    """The scenario as plain values that `parse_scenario` reads, with every default in it."""
    steps = {
        step.name: {
            str(step.kind): _plain_check(step.check),
            "retries": step.retries,
            "every": step.every,
            "timeout": step.timeout,
            "depends_on": list(step.depends_on),
        }
        for step in scenario.steps.values()
    }
    plain = {"name": scenario.name, "services": list(scenario.services), "fresh": scenario.fresh}
    chosen = {"stack": scenario.stack, "ttl": scenario.ttl}
    return {**plain, **{name: value for name, value in chosen.items() if value is not None}, "steps": steps}


def _plain_check(check: Check) -> dict[str, Any]:
    plain = {name: value for name, value in asdict(check).items() if value is not None}
    return plain | {"argv": list(check.argv)} if isinstance(check, ExecCheck) else plain


def _line(fault: Any) -> str:
    parts = [part for part in fault["loc"] if part != "[key]"]
    where = ".".join(str(part) for part in parts if not isinstance(part, int)) or "the document"
    if fault["type"] == "extra_forbidden":
        known = _known_keys(parts[:-1])
        return f"{where}: is not a key here{scenarios.suggestion(str(parts[-1]), known)}"
    if fault["type"] == "missing":
        return f"{where}: is missing"
    entry = f"{str(fault['input'])[:80]!r}: " if parts and isinstance(parts[-1], int) else ""
    return f"{where}: {entry}{fault['msg'].removeprefix('Value error, ')}"


def _known_keys(above: list[Any]) -> set[str]:
    """The keys of the table at this place of a document."""
    if not above:
        return set(ScenarioToml.model_fields)
    model = StepToml if len(above) == 2 else _CHECKS.get(above[-1], StepToml)
    return {field.alias or name for name, field in model.model_fields.items()}
