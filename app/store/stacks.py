"""Named queries about stacks and nodes."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.domain import stack_choice
from app.domain.errors import UnknownStack
from app.domain.stack_id import StackId, namespace_of
from app.store.tables import Node, Stack


def every(session: Session) -> list[Stack]:
    """All stacks, by name."""
    return list(session.scalars(select(Stack).order_by(Stack.name)))


def names(session: Session) -> list[StackId]:
    """The names of all stacks, sorted."""
    return list(session.scalars(select(Stack.name).order_by(Stack.name)))


def stack_by_name(session: Session, name: StackId) -> Stack | None:
    """The stack of this name, or None."""
    return session.get(Stack, name)


def chosen(
    session: Session, name: StackId | None, services: Iterable[str] = (), *, keep: bool = False
) -> Stack:
    """The stack of that name; without a name the only stack there is, or the only one with these services.

    With `keep`, no worker publishes it anew before this transaction ends. Raises UnknownStack, StackNeeded,
    NoStackHasAll or ServicesOfNoStack.
    """
    stack = _only(session, services) if name is None else session.get(Stack, name)
    if stack is None:
        raise UnknownStack(str(name), names(session))
    if keep:
        session.refresh(stack, with_for_update={"read": True})
    return stack


def keep(session: Session, name: StackId) -> None:
    """Lock the stack's row, so that no worker publishes it anew before this transaction ends."""
    session.get(Stack, name, with_for_update={"read": True}, populate_existing=True)


def lock_stack(session: Session, name: StackId) -> Stack | None:
    """The stack of that name; nothing is opened on it before this transaction ends."""
    return session.get(Stack, name, with_for_update=True, populate_existing=True)


def _only(session: Session, services: Iterable[str]) -> Stack:
    stacks = {stack.name: stack for stack in every(session)}
    # What an operator says without a namespace is about the default one, if that has a stack.
    stacks = {name: stack for name, stack in stacks.items() if not namespace_of(name)} or stacks
    if len(stacks) == 1:
        return next(iter(stacks.values()))
    return stacks[stack_choice.choose_stack([stack.spec for stack in stacks.values()], services)]


def node(session: Session, name: str) -> Node | None:
    """The node of this name, or None."""
    return session.get(Node, name)


def nodes(session: Session) -> list[Node]:
    """All nodes, by name."""
    return list(session.scalars(select(Node).order_by(Node.name)))
