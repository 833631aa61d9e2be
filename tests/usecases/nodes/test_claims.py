"""Several nodes: which one may claim what."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from sqlalchemy import select

from app.domain.enums import Event
from app.domain.nodes import AWAY_AFTER, Heartbeat
from app.domain.planning import StackSpec
from app.domain.stack_id import StackId
from app.store import audit
from app.store.database import Database
from app.store.tables import Entry
from app.usecases.nodes import claims
from app.usecases.nodes.claims import NodeTaken, StackTaken
from app.usecases.windows import close as closing
from tests.simultaneous import together
from tests.system import System, studio
from tests.usecases.nodes.heartbeats import appear, go_away, no_worker_is_dead, sign


def refused(system: System, mine: Heartbeat) -> str:
    with pytest.raises(NodeTaken) as taken:
        appear(system, mine)
    return str(taken.value)


def said(system: System, event: Event) -> list[dict[str, object]]:
    query = select(Entry).where(Entry.event == event).order_by(Entry.id)
    with system.database.read() as session:
        return [json.loads(one.facts) for one in session.scalars(query)]


def test_a_node_is_claimed_once_and_put_on_record(system: System) -> None:
    appear(system, sign(system))
    appear(system, sign(system))
    appear(system, sign(system, "w2"))

    (claimed,) = said(system, Event.NODE_CLAIMED)
    assert (claimed["node"], claimed["engine"], claimed["before"]) == ("local", "E1", None)


def test_a_node_with_another_engine_is_refused_by_name(system: System) -> None:
    appear(system, sign(system))

    fault = refused(system, sign(system, "w2", engine_id="E2"))

    for word in ("'local'", "w1", "E1", "E2", "POWER_NODE"):
        assert word in fault


def test_an_engine_under_another_name_is_refused_by_name(system: System) -> None:
    appear(system, sign(system))

    fault = refused(system, sign(system, "w2", "attic"))

    for word in ("'attic'", "'local'", "w1", "E1"):
        assert word in fault


def test_another_lock_directory_is_refused(system: System) -> None:
    appear(system, sign(system))

    assert "lock directory" in refused(system, sign(system, "w2", locks_id="L2"))


def test_an_engine_that_has_not_answered_yet_is_judged_when_it_has(system: System) -> None:
    appear(system, sign(system))
    appear(system, sign(system, "w2", engine_id=""))

    assert "E2" in refused(system, sign(system, "w2", engine_id="E2"))


def test_a_name_passes_on_from_one_who_is_dead_by_its_lock(system: System) -> None:
    appear(system, sign(system))

    appear(system, sign(system, "w2", engine_id="E2"), dead=lambda worker: worker == "w1")

    assert [(one["before"], one["engine"]) for one in said(system, Event.NODE_CLAIMED)] == [
        (None, "E1"),
        ("E1", "E2"),
    ]


def test_a_name_passes_on_from_a_silent_worker_and_not_back(system: System) -> None:
    """Who was frozen meanwhile finds its place taken."""
    appear(system, sign(system))
    system.now += AWAY_AFTER
    appear(system, sign(system, "w2", engine_id="E2", locks_id="L2"))

    assert "w2" in refused(system, sign(system))


def test_of_many_claims_at_once_one_wins(database: Database) -> None:
    system = System(database)

    def claim(number: int) -> str:
        try:
            appear(system, sign(system, f"w{number}", engine_id=f"E{number}"))
        except NodeTaken:
            return "refused"
        return "won"

    outcomes = together(8, claim)

    assert sorted(outcomes) == ["refused"] * 7 + ["won"]
    assert len(said(system, Event.NODE_CLAIMED)) == 1


def take(system: System, spec: StackSpec, mine: Heartbeat) -> None:
    with system.database.write() as session:
        claims.claim_stack(
            session, spec, mine, key="power.toml: stacks.x", dead=no_worker_is_dead, now=system.now
        )


def test_a_stack_that_another_node_serves_is_refused_by_name(system: System) -> None:
    appear(system, sign(system))

    with pytest.raises(StackTaken) as taken:
        take(system, replace(studio(), node="attic"), sign(system, "w2", "attic", engine_id="E2"))

    for word in ("power.toml", "'studio'", "'local'", "w1"):
        assert word in str(taken.value)


def test_a_project_under_another_name_on_the_same_node_is_refused_by_name(system: System) -> None:
    appear(system, sign(system))

    with pytest.raises(StackTaken) as taken:
        take(system, replace(studio(), name=StackId("other")), sign(system, "w2", stacks=[]))

    for word in ("stacks.x.project", "'studio'", "'local'"):
        assert word in str(taken.value)


def test_two_workers_of_a_node_serve_the_same_stack(system: System) -> None:
    appear(system, sign(system))
    take(system, studio(), sign(system, "w2"))


def test_a_stack_does_not_move_while_it_has_windows_or_owes_an_off(system: System) -> None:
    window = system.open("forge")
    go_away(system)
    moved, mine = replace(studio(), node="attic"), sign(system, "w2", "attic", engine_id="E2")

    with pytest.raises(StackTaken) as taken:
        take(system, moved, mine)
    assert "--force" in str(taken.value)

    with system.database.write() as session:
        closing.close(session, window, actor="ada", now=system.now, force=True)
    with pytest.raises(StackTaken) as taken:
        take(system, moved, mine)
    for word in ("power.toml", "'studio'", "forge", "'local'", "another name"):
        assert word in str(taken.value)
    system.work()
    take(system, moved, mine)


def test_refused_claims_are_on_record(system: System) -> None:
    with system.database.write() as session:
        claims.record_refused_claim(session, sign(system), ["no"], system.now)
    (entry,) = said(system, Event.NODE_REFUSED)
    assert entry["faults"] == ["no"]
    with system.database.read() as session:
        assert all(proof.ok for proof in audit.verify(session))
