"""Values of a row's enum columns are compared by equality, never by identity."""

from __future__ import annotations

import ast
import re

import pytest

from app.store.tables import EnumColumn, Table
from tests.test_repository_rules import HERE, OURS

ROWS = {mapper.class_.__name__ for mapper in Table.registry.mappers}
WORDS = {
    column.key
    for mapper in Table.registry.mappers
    for column in mapper.column_attrs
    if isinstance(column.columns[0].type, EnumColumn)
}
ROW_NAMES = {"row", "window", "lease", "call"}
"""What a row is called where nothing says what it is."""


def _is_row(node: ast.expr, annotations: dict[str, str]) -> bool:
    """Does this expression stand for a row, by its annotation or else by its name?"""
    if isinstance(node, ast.Subscript):
        # What is looked up may come from the database, but for the services of a definition.
        return not (isinstance(node.value, ast.Attribute) and node.value.attr == "services")
    if isinstance(node, ast.Call):
        return True
    if not isinstance(node, ast.Name):
        return False
    annotation = annotations.get(node.id)
    if annotation is None:
        return node.id in ROW_NAMES
    return bool(ROWS & set(re.findall(r"\w+", annotation)))


def _identities(tree: ast.AST) -> list[str]:
    """Comparisons by identity with a closed word of a row."""
    comparisons = []
    for function in [one for one in ast.walk(tree) if isinstance(one, ast.FunctionDef)]:
        arguments = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
        annotations = {one.arg: ast.unparse(one.annotation) for one in arguments if one.annotation}
        for node in ast.walk(function):
            if not isinstance(node, ast.Compare) or not isinstance(node.ops[0], ast.Is | ast.IsNot):
                continue
            sides = [node.left, *node.comparators]
            if any(isinstance(side, ast.Constant) for side in sides):
                continue
            for side in sides:
                if (
                    isinstance(side, ast.Attribute)
                    and side.attr in WORDS
                    and _is_row(side.value, annotations)
                ):
                    comparisons.append(ast.unparse(node))
    return comparisons


@pytest.mark.parametrize("name", [one for one in OURS if not one.startswith("app/domain/")])
def test_words_of_a_row_are_never_compared_by_identity(name: str) -> None:
    """A row that was not read back yet holds whatever was assigned, which may be a plain string."""
    assert not _identities(ast.parse((HERE / name).read_text()))


def test_comparisons_by_identity_are_found() -> None:
    code = """
def one(row: Service, begun: Begun): return row.power is not Power.UNKNOWN, begun.action is Action.UP
def two(window): return window.state is State.OPEN, window.status is None
def three(call: RunningCall): return call.action is Action.KILL
def four(rows): return rows["forge"].power is Power.ON, session.get(Service, 1).role is Role.CORE
"""
    assert _identities(ast.parse(code)) == [
        "row.power is not Power.UNKNOWN",
        "window.state is State.OPEN",
        "rows['forge'].power is Power.ON",
        "session.get(Service, 1).role is Role.CORE",
    ]
