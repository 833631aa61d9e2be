"""Rules about the words of this repository: who does what, and what a name holds."""

from __future__ import annotations

import ast
import re

from tests.test_repository_rules import HERE, TRACKED

# Written in pieces, so that this file does not break its own rule.
VAGUE_PEOPLE = re.compile(
    r"(?:\b|_)("
    + "|".join(["some" + "body", "no" + "body", "any" + "body", "every" + "body", "who" + "ever"])
    + r")s?(?:\b|_)",
    re.IGNORECASE,
)
VAGUE_LOCALS = {"found", "said", "told", "kept", "got"}
PLAIN_WORDS = [
    name
    for name in TRACKED
    if name.endswith(".py") and name.startswith(("app/", "workers/", "client/", "tests/", "chaos/", "bench/"))
]


def test_sentences_name_their_subject() -> None:
    """A reader has to know who does it: the worker, the client, a caller, another process."""
    vague = [
        f"{name}:{number}: {line.strip()}"
        for name in PLAIN_WORDS
        for number, line in enumerate((HERE / name).read_text().splitlines(), 1)
        if VAGUE_PEOPLE.search(line)
    ]
    assert not vague, f"name the worker, client, caller or process that is meant: {vague}"


def test_locals_are_named_for_what_they_hold() -> None:
    """Each of `VAGUE_LOCALS` says how a value was got, not what it is."""
    vague = {
        name: locals_of_file
        for name in PLAIN_WORDS
        if (locals_of_file := _vague_locals(ast.parse((HERE / name).read_text())))
    }
    assert not vague, f"name these locals for what they hold: {vague}"


def _vague_locals(tree: ast.AST) -> list[str]:
    """Parameters and variables of functions with one of these names; attributes of classes may have them."""
    names = [
        (node.arg, node.lineno) if isinstance(node, ast.arg) else (node.id, node.lineno)
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        for node in ast.walk(function)
        if isinstance(node, ast.arg) or (isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store))
    ]
    return sorted({f"{name} (line {line})" for name, line in names if name in VAGUE_LOCALS})


def test_vague_locals_are_detected() -> None:
    code = """
class Answer:
    said: str = ""
def one(told): return [found for found in told]
def two():
    with open() as kept: good = kept
    if (got := good): return lambda said: got
"""
    assert [one.split()[0] for one in _vague_locals(ast.parse(code))] == [
        *("found", "got", "kept", "said", "told"),
    ]


# Metaphors and personification that test names once had.
PRIVATE_WORDS = re.compile(r"_(told|house|stranger|hands|eyes|postman|doorbell)(_|$)|(?<!_by)_hand(_|$)")


def test_names_of_tests_use_the_words_of_the_field() -> None:
    names = [
        f"{name}: {node.name}"
        for name in PLAIN_WORDS
        if name.startswith("tests/")
        for node in ast.parse((HERE / name).read_text()).body
        if isinstance(node, ast.FunctionDef)
        and node.name.startswith("test_")
        and PRIVATE_WORDS.search(node.name)
    ]
    assert not names, f"name the worker, person, client or report that is meant: {names}"
