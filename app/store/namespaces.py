"""Named queries about namespaces. They have no table: a namespace is where a stack is."""

from __future__ import annotations

from sqlalchemy.orm import Session

from app.domain.stack_id import DEFAULT_NAMESPACE, namespace_of
from app.store import stacks


def of_stacks(session: Session) -> set[str]:
    """The namespaces, without the default one, of which a stack is published."""
    return {namespace_of(name) for name in stacks.names(session)} - {DEFAULT_NAMESPACE}
