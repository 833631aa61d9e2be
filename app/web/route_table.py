"""All routes of the API, in the order of the specification, and the specification made from them."""

from __future__ import annotations

from functools import cache
from typing import Any

from app.domain.features import FEATURE_NAMES, Features
from app.web.api import (
    audit,
    docs,
    events,
    health,
    intents,
    logs,
    notifications,
    openapi,
    original_surface,
    runs,
    stacks,
    summary,
    tokens,
    windows,
)
from app.web.routes import ApiRoute
from app.web.wake import forward_auth

_MODULES = (
    windows,
    runs,
    logs,
    stacks,
    summary,
    audit,
    notifications,
    events,
    tokens,
    forward_auth,
    health,
    docs,
    original_surface,
)
ROUTES: list[ApiRoute] = [route for module in _MODULES for route in module.routes.all]
"""The routes that are always served."""
EVERY_FEATURE = Features(**dict.fromkeys(FEATURE_NAMES, True))


def routes_of(features: Features) -> list[ApiRoute]:
    """The routes that are served with these features; one that is off adds none."""
    return [*ROUTES, *(intents.routes.all if features.intents else ())]


@cache
def specification(features: Features) -> dict[str, Any]:
    """Return the OpenAPI document of the routes that are served with these features."""
    return openapi.specification(routes_of(features))
