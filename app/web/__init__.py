"""The REST API as a WSGI application. A server runs `create_app`: `gunicorn "app.web:create_app()"`.

The modules are imported when it is called, so that a program that only needs the server's command line
does not load Flask.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flask import Flask

    from app.settings import Settings
    from app.store.database import Database
    from app.task_queue import Dispatch


def create_app(
    settings: Settings | None = None, database: Database | None = None, dispatch: Dispatch | None = None
) -> Flask:
    """The API; an argument that is None is taken from the environment."""
    from app.web.application import build

    return build(settings, database, dispatch)
