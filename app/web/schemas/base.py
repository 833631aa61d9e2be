"""Types that requests and responses share: text, names, durations, times, pages."""

from __future__ import annotations

import math
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from app.domain import names
from app.domain.errors import BadTTL
from app.domain.stack_id import NAMESPACE_PATTERN
from app.domain.untrusted_text import require_storable
from app.usecases.windows.open import is_positive

LONGEST_REASON = 500
"""Characters of a reason."""


DEFAULT_LIMIT = 500
"""Items on a page, at most."""


_SHOWN = 40


def _seconds(given: Any) -> float:
    if not is_positive(given):
        raise BadTTL(given if isinstance(given, int | float | None) else str(given)[:_SHOWN])
    try:
        return float(given)
    except OverflowError:
        raise BadTTL(math.inf) from None


Text = Annotated[str, AfterValidator(require_storable)]


BoundedName = Annotated[Text, Field(min_length=1, max_length=120)]


TOKEN_NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,79}$"
TokenName = Annotated[str, Field(pattern=TOKEN_NAME_PATTERN), AfterValidator(names.require_free)]


NamespaceName = Annotated[str, Field(pattern=NAMESPACE_PATTERN)]


Reason = Annotated[Text, Field(max_length=LONGEST_REASON)]


LengthSeconds = Annotated[
    float,
    BeforeValidator(_seconds),
    WithJsonSchema({"type": "number", "exclusiveMinimum": 0, "description": "Seconds."}),
]


Timestamp = Annotated[
    str,
    Field(
        pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$",
        description="ISO 8601 in UTC with milliseconds.",
        json_schema_extra={"format": "date-time"},
    ),
]


Limit = Annotated[int, Field(ge=1, le=DEFAULT_LIMIT, description="Items on a page.")]


Cursor = Annotated[
    Text,
    Field(max_length=1000, description="The `next` of the page before, sent back unchanged."),
]


class RequestModel(BaseModel):
    """A body or query of a request; unknown fields are refused."""

    model_config = ConfigDict(extra="forbid")


class Query(RequestModel):
    """The query parameters of a request."""


class AnswerModel(BaseModel):
    """The body of a response."""

    model_config = ConfigDict(extra="forbid", strict=True)
