"""Services that fail for a known reason, on real containers: the diagnosis names it, or says "unknown"."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from app.store.tables import Diagnosis
from tests.engine.failing_services import CASES, FailingCase
from tests.engine.stacks import Stack, until


def newest(stack: Stack, service: str = "web") -> Diagnosis | None:
    with stack.database.read() as session:
        rows = session.scalars(select(Diagnosis).where(Diagnosis.service == service).order_by(Diagnosis.id))
        return next(iter(list(rows)[-1:]), None)


def causes(stack: Stack, service: str = "web") -> list[str]:
    with stack.database.read() as session:
        rows = list(
            session.scalars(select(Diagnosis).where(Diagnosis.service == service).order_by(Diagnosis.id))
        )
    return [one["cause"] for one in rows[-1].causes] if rows else []


def opened(stack: Stack, found: FailingCase) -> str:
    stack.write(found.services, tuned={"web": {"ready_timeout": "15s"}})
    stack.define(found.services, **found.more)
    if found.before:
        found.before(stack)
    stack.begin()
    return stack.open(*found.opens)


@pytest.mark.parametrize("name", CASES)
def test_the_cause_is_named(stack: Stack, name: str) -> None:
    found = CASES[name](stack)
    window = opened(stack, found)
    if found.after:
        stack.opened(window)
        found.after(stack)
    if found.closes:
        stack.opened(window)
        stack.close(window)

    until(
        lambda: causes(stack)[:1] == [found.cause], f"{found.cause} is found, not {causes(stack)}", 25, stack
    )
    row = newest(stack)
    assert row
    best = row.causes[0]
    assert found.title in best["title"]
    assert best["rule"]
    assert best["evidence"]
    assert row.window_id == window
    if found.patch:
        assert best["patch"]["file"] == found.patch
