"""The web console: pages for people, on the same use cases as the API.

A server runs `create_app`: `gunicorn "app.web.console:create_app()"` serves the API and the pages.
The modules are imported when it is called.
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
    """The API and the console; an argument that is None is taken from the environment."""
    from app import web
    from app.web.console.site import mount_console

    return mount_console(web.create_app(settings, database, dispatch))
