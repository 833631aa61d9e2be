"""A window that ended before there was a word for it says the same in one word, and back."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sqlalchemy as sa

import migrations
from app.domain.enums import CloseReason
from app.usecases.windows.transitions import CLOCK_ACTOR
from app.usecases.windows.transitions import SYSTEM_ACTOR as ACTOR
from tests.databases import Databases
from tests.migrations import rows
from tests.system import NOON

# What it said; whether it was forced; who is on record for it; the word and the actor that follow.
ENDED = [
    ("its time was up", False, CLOCK_ACTOR, "expired", CLOCK_ACTOR),
    ("its time was up", False, None, "expired", CLOCK_ACTOR),
    ("nothing came up: forge: No such image", False, ACTOR, "failed", ACTOR),
    ("nothing came up: forge: No such image", False, None, "failed", ACTOR),
    ("waited in vain for node gpu, which is away", False, ACTOR, "lost", ACTOR),
    ("stack 'vx11' was rejected by its worker: no file", False, ACTOR, "lost", ACTOR),
    (
        "forge of stack 'vx11' may not be powered; allowed are mill",
        False,
        ACTOR,
        "failed",
        ACTOR,
    ),
    ("closed by ada", False, "ada", "manual", "ada"),
    ("closed by ada.b-2", False, None, "manual", "ada.b-2"),
    ("the batch is done", False, "ada", "manual", "ada"),
    ("the batch is done", False, None, "manual", None),
    ("its time was up, I think", False, "ada", "manual", "ada"),
    ("nothing came up: so I leave", False, "ada", "manual", "ada"),
    ("forced by grace; still owing an off: forge", True, "grace", "forced", "grace"),
    ("forced by grace: now, please", True, None, "forced", "grace"),
    ("forced by grace, with node gpu away; still owing an off: forge", True, None, "forced", "grace"),
    (None, False, None, None, None),
]


@pytest.fixture(params=Databases.KINDS)
def older(request: pytest.FixtureRequest, databases: Databases) -> Iterator[str]:
    url = databases.empty(request.param)
    migrations.upgrade(url, "0014")
    yield url
    databases.release(url, migrated=False)


def fill(url: str) -> None:
    with sa.create_engine(url, poolclass=sa.NullPool).begin() as connection:
        tables = sa.MetaData()
        tables.reflect(connection)
        for number, (sentence, forced, actor, _word, _by) in enumerate(ENDED):
            window = tables.tables["windows"]
            plain = {column.name: rows.value(column, number) for column in window.columns}
            row = plain | {"id": f"w{number}", "close_reason": sentence, "forced": forced}
            connection.execute(window.insert().values(row))
            if actor:
                # What was begun by one and forced by another is the other's.
                first = {"event": "window.closing", "actor": "first"}
                last = {"event": "window.closing", "actor": actor}
                system = {"event": "window.closed", "actor": ACTOR}
                for seq, entry in enumerate((first, last, system)):
                    columns = {"chain": f"c{number}", "seq": seq, "window_id": f"w{number}", "at": NOON}
                    empty = {"facts": "{}", "prev": "", "hash": "", **columns}
                    connection.execute(tables.tables["audit"].insert().values(empty | entry))


def test_old_sentences_are_put_in_a_word_and_kept(older: str) -> None:
    fill(older)

    migrations.upgrade(older)

    windows = {row["id"]: row for row in rows.kept(older)["windows"]}
    for number, (sentence, _forced, _actor, word, by) in enumerate(ENDED):
        row = windows[f"w{number}"]
        assert (row["close_reason"], row["closed_by"], row["close_detail"]) == (word, by, sentence), sentence
    assert {row["close_reason"] for row in windows.values()} <= {None, *CloseReason}

    migrations.downgrade(older, "0014")
    back = {row["id"]: row["close_reason"] for row in rows.kept(older)["windows"]}
    assert back == {f"w{number}": sentence for number, (sentence, *_) in enumerate(ENDED)}
