"""The tables of a scenario file as Pydantic models, each with the bounds of its values."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from functools import partial
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, field_validator

from app.domain import durations, scenarios
from app.domain.scenarios import CheckKind, Metric
from app.domain.untrusted_text import require_storable
from app.settings.toml_values import ImageReference, Seconds, ServiceName, parse_seconds

LONGEST_CHECK_PATTERN = 500
"""Characters of a pattern, at most."""


def _pattern(text: str) -> str:
    try:
        re.compile(text)
    except (re.error, RecursionError, OverflowError) as error:
        raise ValueError(f"is no regular expression: {error}") from error
    return text


TextLine = Annotated[str, Field(max_length=2000), AfterValidator(require_storable)]
Pattern = Annotated[
    str,
    Field(min_length=1, max_length=LONGEST_CHECK_PATTERN),
    AfterValidator(require_storable),
    AfterValidator(_pattern),
]
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
    body: Annotated[str, Field(max_length=16000), AfterValidator(require_storable)] | None = None
    status: int = Field(default=200, ge=100, le=599)
    expect_headers: dict[TextLine, TextLine] = {}
    json_values: dict[TextLine, Any] = Field(default={}, alias="json")
    pattern: Pattern | None = None
    verify: bool = True
    ca: Annotated[str, Field(max_length=20000), AfterValidator(require_storable)] | None = None

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
        if parts.username is not None or parts.password is not None:
            raise ValueError("must have no user and password, which a report would show; use headers")
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

    host: Annotated[str, Field(min_length=1, max_length=253), AfterValidator(require_storable)] = "127.0.0.1"
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


CHECK_TABLES: Mapping[CheckKind, type[BaseModel]] = {
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
    stack: Annotated[str, Field(min_length=1, max_length=120), AfterValidator(require_storable)] | None = None
    services: list[ServiceName] = Field(min_length=1, max_length=500)
    ttl: Seconds | None = None
    fresh: bool = False
    images: dict[ServiceName, ImageReference] = Field(default={}, max_length=100)
    steps: dict[StepName, StepToml] = Field(default={}, max_length=scenarios.MOST_STEPS)
