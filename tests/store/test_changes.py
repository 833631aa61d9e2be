"""A version that changes with every commit, and only then."""

from __future__ import annotations

from app.store import tokens
from app.store.changes import ChangeCounter
from app.store.database import Database
from tests.system import NOON


def test_a_version_stays_until_something_is_committed(database: Database) -> None:
    changes = ChangeCounter(database)
    first = changes.version()
    assert changes.version() == first

    with database.write() as session:
        tokens.create(session, "ada", NOON)
        session.flush()
        before_the_commit = changes.version()
    after = changes.version()
    assert after not in {first, before_the_commit}
    assert changes.version() == after


def test_a_change_that_was_rolled_back_may_cost_a_look_but_hides_none(database: Database) -> None:
    changes = ChangeCounter(database)
    try:
        with database.write() as session:
            tokens.create(session, "ada", NOON)
            session.flush()
            raise RuntimeError("on second thoughts")
    except RuntimeError:
        before = changes.version()
    with database.write() as session:
        tokens.create(session, "grace", NOON)
    assert changes.version() != before
