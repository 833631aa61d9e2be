"""Which stack a request means that names services and no stack."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from app.domain.errors import NoStackHasAll, ServicesOfNoStack, StackNeeded
from app.domain.planning import StackSpec
from app.domain.stack_id import StackId


def choose_stack(stacks: Collection[StackSpec], services: Iterable[str]) -> StackId:
    """The name of the only stack that has all these services.

    A stack that allows them goes before one that only defines them. Raises StackNeeded where several stacks
    qualify or no service is named, NoStackHasAll where the services are on different stacks, and
    ServicesOfNoStack where a name is on none.
    """
    names = set(services)
    if not names:
        raise StackNeeded(stack.name for stack in stacks)
    allowing = [stack.name for stack in stacks if names <= set(stack.allowed)]
    candidates = allowing or [stack.name for stack in stacks if names <= stack.services.keys()]
    if not candidates:
        _refuse(stacks, names)
    if len(candidates) > 1:
        raise StackNeeded(candidates, names)
    return candidates[0]


def _refuse(stacks: Iterable[StackSpec], names: Iterable[str]) -> None:
    stacks = list(stacks)
    places = {name: [stack.name for stack in stacks if name in stack.services] for name in names}
    if missing := [name for name, having in places.items() if not having]:
        raise ServicesOfNoStack(missing, {name for stack in stacks for name in stack.allowed})
    raise NoStackHasAll(places)
