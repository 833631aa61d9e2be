"""The kinds of value in power.toml and in scenario files, each with its bounds."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from app.domain import durations, names


def parse_seconds(value: Any) -> Any:
    """Seconds, from `30s`, `1h30m` or a positive number; raises ValueError."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError("write a duration such as 90, 90s, 30m or 1h30m")
    return durations.parse(value if isinstance(value, str) else repr(value))


def require_boolean(value: Any) -> bool:
    """Raises ValueError for everything but true and false, also for "true" and 1."""
    if not isinstance(value, bool):
        raise ValueError(f"{value!r} is neither true nor false")
    return value


Seconds = Annotated[
    float,
    BeforeValidator(parse_seconds),
    AfterValidator(partial(durations.at_most, durations.LONGEST_DURATION)),
]
CallSeconds = Annotated[Seconds, AfterValidator(partial(durations.at_most, durations.LONGEST_CALL))]
Switch = Annotated[bool, BeforeValidator(require_boolean)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=120)]
QualifiedName = Annotated[
    str, Field(pattern=r"^([a-z][a-z0-9_-]*/)?[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=120)
]
"""A name that may have its namespace in front; `app.settings.namespace_toml` makes them."""
StackName = Annotated[QualifiedName, AfterValidator(names.require_free)]
ProjectName = Annotated[str, AfterValidator(names.require_project), Field(max_length=120)]
ImageReference = Annotated[str, Field(max_length=255), AfterValidator(names.require_image)]
ImagePattern = Annotated[str, Field(max_length=255), AfterValidator(names.require_image_pattern)]
HostName = Annotated[str, Field(max_length=253), AfterValidator(names.require_host)]
ServiceName = Annotated[str, AfterValidator(names.require_service), Field(max_length=120)]
