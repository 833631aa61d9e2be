"""All routes of the API, in the order of the specification, and the specification made from them."""

from __future__ import annotations

from functools import cache
from typing import Any

from app.web.api import (
    audit,
    docs,
    events,
    health,
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


@cache
def specification() -> dict[str, Any]:
    """Return the OpenAPI document of all routes."""
    return openapi.specification(ROUTES)
