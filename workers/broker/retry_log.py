"""When a broker that failed is tried again, and how often that is logged."""

from __future__ import annotations

import logging
import time

from app.domain import backoff

log = logging.getLogger(__name__)

FIRST_PAUSE, LONGEST_PAUSE = 0.2, 5.0
"""Seconds until the broker is tried again, doubled while it keeps failing."""
WELL = 10.0
"""Seconds of service after which a failure counts as the first one."""
REMIND = 60.0
"""Seconds after which the same trouble is logged again."""


class BrokerRetries:
    """The failures in a row of one connection; one line is logged for each new reason, and one a minute."""

    def __init__(self, meanwhile: str) -> None:
        self._meanwhile = meanwhile
        self._failures = 0
        self._reason = ""
        self._logged_at = 0.0

    def record_failure(self, error: Exception, *, after: float = 0.0) -> float:
        """Note a failure after so many seconds of service; return the seconds to wait."""
        self._failures = 1 if after > WELL else self._failures + 1
        self._log(f"{type(error).__name__}: {one_line(error)}")
        return backoff.seconds(self._failures, FIRST_PAUSE, LONGEST_PAUSE)

    def record_success(self) -> None:
        """Record that the connection works: the next failure is the first of a new series."""
        self._failures = 0

    def _log(self, reason: str) -> None:
        now = time.monotonic()
        if reason != self._reason or self._failures == 1 or now - self._logged_at >= REMIND:
            self._reason, self._logged_at = reason, now
            log.warning(
                "the broker cannot be used and is tried again every %g s at most; %s: %s",
                LONGEST_PAUSE,
                self._meanwhile,
                reason,
            )


def one_line(error: object) -> str:
    """The text of an error on one line, cut to 300 characters."""
    return " ".join(str(error).split())[:300]
