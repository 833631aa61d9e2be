"""Repeats the writes of a job that must not be lost while the database is away."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TypeVar

from sqlalchemy.exc import SQLAlchemyError

log = logging.getLogger(__name__)

RETRY_PAUSE = 1.0
"""Seconds between two tries."""
Result = TypeVar("Result")


def retry_while_away(work: Callable[[], Result], job: str, is_over: Callable[[], bool]) -> Result:
    """Do `work` until the database takes it. Raises its SQLAlchemyError once `is_over` returns True."""
    while True:
        try:
            return work()
        except SQLAlchemyError as error:
            if is_over():
                raise
            log.warning("%s waits for the database: %s", job, str(error).partition("\n")[0])
            time.sleep(RETRY_PAUSE)
