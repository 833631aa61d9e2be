"""Named queries about stacks and nodes."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.domain.refusals import StackNeeded, UnknownStack
from app.store.tables import Node, Stack


def every(session: Session) -> list[Stack]:
    return list(session.scalars(select(Stack).order_by(Stack.name)))


def names(session: Session) -> list[str]:
    return list(session.scalars(select(Stack.name).order_by(Stack.name)))


def named(session: Session, name: str) -> Stack | None:
    return session.get(Stack, name)


def chosen(session: Session, name: str | None) -> Stack:
    """The stack of that name, or the only one there is; raises UnknownStack or StackNeeded."""
    if name is None:
        return _only(session)
    found = session.get(Stack, name)
    if found is None:
        raise UnknownStack(name, names(session))
    return found


def _only(session: Session) -> Stack:
    found = every(session)
    if len(found) != 1:
        raise StackNeeded(stack.name for stack in found)
    return found[0]


def nodes(session: Session) -> list[Node]:
    return list(session.scalars(select(Node).order_by(Node.name)))
