"""Several processes that write at once, as a program: `python -m tests.store.writers URL PROCESSES TURNS`.

They part from one process before it has touched the database, so that all it takes to
be a process of the product is paid for once.
"""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime

from app.domain.enums import Event
from app.store import audit
from app.store.database import Database


def write(url: str, name: str, turns: int) -> None:
    database = Database(url)
    for turn in range(turns):
        with database.write() as session:
            audit.record(session, Event.REFUSED, actor=name, now=datetime.now(UTC), turn=turn)
    database.close()


def main(url: str, processes: int, turns: int) -> int:
    """How many of them failed."""
    children = []
    for number in range(processes):
        if child := os.fork():
            children.append(child)
        else:
            write(url, f"writer-{number}", turns)
            return 0
    return sum(os.waitpid(child, 0)[1] != 0 for child in children)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
