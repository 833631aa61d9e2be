"""The REST front. `create_app` is what a server runs: `gunicorn "app.web:create_app()"`.

Nothing is imported until it is called, so that who only wants the server's command
line does not load Flask.
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
    """The front, with whatever is not given taken from the environment."""
    from app.web.application import build

    return build(settings, database, dispatch)
