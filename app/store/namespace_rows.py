"""Sessions that have the rows of one namespace only.

A limited session adds the namespace to every SELECT, UPDATE and DELETE of a mapped class, in subqueries and
joins too. So a row of another namespace looks like one that does not exist, and both take the same
statements.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import ColumnElement, event, func
from sqlalchemy.orm import ORMExecuteState, Session, with_loader_criteria

from app.domain.stack_id import prefix_of
from app.store.tables import (
    Call,
    ChainHead,
    Diagnosis,
    Entry,
    IdempotencyKey,
    IntentRequest,
    Lease,
    Notice,
    NoticePlace,
    Sample,
    ScenarioRun,
    Service,
    ServiceBuild,
    Stack,
    Table,
    Token,
    Wake,
    Window,
)

NAMESPACE_COLUMNS: Mapping[type[Table], Any] = {
    Stack: Stack.name,
    Service: Service.stack,
    Window: Window.stack,
    Lease: Lease.stack,
    Call: Call.stack,
    Diagnosis: Diagnosis.stack,
    Sample: Sample.stack,
    ScenarioRun: ScenarioRun.stack,
    IntentRequest: IntentRequest.stack,
    ServiceBuild: ServiceBuild.stack,
    Entry: Entry.chain,
    ChainHead: ChainHead.chain,
    Token: Token.name,
    Wake: Wake.token,
    IdempotencyKey: IdempotencyKey.token,
    Notice: Notice.sink,
    NoticePlace: NoticePlace.sink,
}
"""The column of each class whose text form says to which namespace a row belongs."""


def limit_session(session: Session, namespace: str) -> None:
    """Leave in this session the rows of one namespace, which is not the default one."""
    options = list(_criteria(prefix_of(namespace)))

    def limit(state: ORMExecuteState) -> None:
        if (state.is_select or state.is_update or state.is_delete) and not state.is_column_load:
            state.statement = state.statement.options(*options)

    event.listen(session, "do_orm_execute", limit)


def _criteria(prefix: str) -> Iterator[Any]:
    for table, column in NAMESPACE_COLUMNS.items():
        yield with_loader_criteria(table, _begins(column, prefix))


def _begins(column: Any, prefix: str) -> ColumnElement[bool]:
    """Begins the text so? Not by LIKE, which on SQLite ignores the case of letters."""
    return func.substr(column, 1, len(prefix)) == prefix
