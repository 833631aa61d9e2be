"""PostgreSQL with timeouts.

A stopped server or a silent network sends neither an answer nor an end, and the driver would wait for
ever. Here a connection to a server that is silent for too long is closed, since the result of its
statement is unknown, and the pool drops all its connections.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import psycopg
from psycopg.errors import _WaitTimeout
from sqlalchemy import Engine, create_engine, event, text
from sqlalchemy.orm import Session

PING = 3.0
"""Seconds that a server may be silent when it is only asked whether it is there."""
CONNECT = 5
"""Seconds that connecting may take."""
LONG_STATEMENT_SECONDS = 60.0
"""Seconds that a server may be silent over the few statements that may take long."""

_TAKE_YOUR_TIME = text("SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0")


class PatientConnection(psycopg.Connection[Any]):
    """A connection that gives up after `patience` seconds without an answer from the server."""

    patience = PING

    def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
        """Wait for an answer; raises OperationalError where none comes in time."""
        try:
            return super().wait(gen, interval, timeout=self.patience if timeout is None else timeout)
        except _WaitTimeout as error:
            self.pgconn.finish()
            silent = f"the server has not answered for {self.patience:g} s; the connection was given up"
            raise psycopg.OperationalError(silent) from error


def engine(url: str, patience: float) -> Engine:
    """An engine whose connections give up after `patience` seconds, and whose server does so soon after."""
    created = create_engine(
        url,
        pool_size=8,
        max_overflow=56,
        pool_timeout=patience,
        pool_pre_ping=True,
        connect_args={
            "connect_timeout": CONNECT,
            "keepalives_idle": 10,
            "keepalives_interval": 3,
            "keepalives_count": 3,
            "tcp_user_timeout": round(patience * 1000),
        },
    )
    event.listen(created, "do_connect", partial(_connect, _limits(patience)))
    event.listen(created, "checkout", partial(_in_use, patience))
    event.listen(created, "checkin", _at_rest)
    return created


def lift_timeout(session: Session) -> None:
    """Lift the time limit of the statements in this transaction to LONG_STATEMENT_SECONDS."""
    session.execute(_TAKE_YOUR_TIME)
    connection: Any = session.connection().connection.dbapi_connection
    connection.patience = LONG_STATEMENT_SECONDS


def _limits(patience: float) -> str:
    limits = {
        # A statement that waits for a lock longer than its caller waits fails, with an error of its own.
        "lock_timeout": 0.8 * patience,
        "statement_timeout": patience,
        # A process that was frozen in the middle of a transaction does not block the others.
        "idle_in_transaction_session_timeout": 2 * patience,
    }
    return " ".join(f"-c {name}={round(seconds * 1000)}" for name, seconds in limits.items())


def _connect(
    limits: str, _dialect: Any, _record: Any, arguments: list[Any], options: dict[str, Any]
) -> PatientConnection:
    # What the address itself says comes last, and so prevails.
    merged = f"{limits} {options.pop('options', '')}".strip()
    return PatientConnection.connect(*arguments, **options, options=merged)


def _in_use(patience: float, connection: PatientConnection, _record: Any, _proxy: Any) -> None:
    connection.patience = patience


def _at_rest(connection: PatientConnection | None, _record: Any) -> None:
    if connection is not None:
        connection.patience = PING
