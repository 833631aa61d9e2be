"""The path under which people reach the service, such as `/power`, where a setting names it.

A proxy may send requests with the prefix or without it. Both are served, and every address that an answer
contains begins with the prefix.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from app.settings.trusted_proxies import set_prefix


class PrefixedApplication:
    """A WSGI application under a prefix; the prefix that a trusted proxy names for a request comes first."""

    def __init__(self, application: Callable[..., Any], prefix: str) -> None:
        self._application, self._prefix = application, prefix

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Any:
        if not environ.get("SCRIPT_NAME"):
            set_prefix(environ, self._prefix)
        return self._application(environ, start)
