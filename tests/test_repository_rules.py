"""Rules of this repository that no linter checks."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

import celeryconfig

HERE = Path(__file__).parent.parent
TRACKED = subprocess.run(
    ["git", "ls-files"], cwd=HERE, capture_output=True, text=True, check=True
).stdout.splitlines()
OURS = [
    name
    for name in TRACKED
    if name.startswith(("app/", "workers/", "client/power_windows/")) and name.endswith(".py")
]
# Written in pieces, so that this file does not break its own rule.
REGISTRIES = ["py" + "pi.org", "python" + "hosted", "deb." + "debian", "npm" + "js"]


def test_no_package_registry_is_named_anywhere() -> None:
    named = [
        (name, host)
        for name in TRACKED
        if (path := HERE / name).is_file()
        for host in REGISTRIES
        if host in path.read_text(errors="ignore")
    ]
    assert not named


def test_versions_are_pinned_by_name_alone() -> None:
    pins = (HERE / "constraints.txt").read_text().split()
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9._+!-]+", pin) for pin in pins)


def test_what_is_installed_has_checksums_and_the_versions_of_constraints() -> None:
    """After a change of pyproject.toml or constraints.txt: bin/lock."""
    locked = (HERE / "requirements.lock").read_text()
    pins = {
        name.lower().replace("_", "-"): version
        for name, version in _pins((HERE / "constraints.txt").read_text())
    }
    locked_versions = {name.replace("_", "-"): version for name, version in _pins(locked)}
    assert {
        name: version for name, version in locked_versions.items() if pins.get(name, version) != version
    } == {}
    assert locked_versions.keys() - pins.keys() <= {"setuptools", "pywin32", "cffi", "pycparser"}
    blocks = re.split(r"\n(?=\S)", locked.strip())
    assert all(re.search(r" --hash=sha256:[0-9a-f]{64}", block) for block in blocks)
    assert "://" not in locked


def _pins(text: str) -> list[tuple[str, str]]:
    return re.findall(r"^([A-Za-z0-9._-]+)==([A-Za-z0-9._+!-]+)", text, re.MULTILINE)


def test_the_broker_stays_at_the_versions_that_survive_its_loss() -> None:
    pins = (HERE / "constraints.txt").read_text().split()
    assert {"celery==5.6.3", "kombu==5.7.0"} <= set(pins)


@pytest.mark.parametrize("name", OURS)
def test_every_module_says_what_it_is_for(name: str) -> None:
    tree = ast.parse((HERE / name).read_text())
    assert ast.get_docstring(tree) or not tree.body


@pytest.mark.parametrize("name", OURS)
def test_functions_are_short(name: str) -> None:
    tree = ast.parse((HERE / name).read_text())
    functions = [one for one in ast.walk(tree) if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef)]
    lengths = {one.name: (one.end_lineno or one.lineno) - one.lineno for one in functions}
    long = {name: lines for name, lines in lengths.items() if lines > 45}
    assert not long


PARTICIPLE = 0
"""How many functions are a bare participle: only ever fewer."""


@pytest.mark.parametrize("name", [one for one in TRACKED if one.endswith(".py")])
def test_files_are_short(name: str) -> None:
    assert len((HERE / name).read_text().splitlines()) <= 320


PRIVATE_ATTRIBUTES = 3
"""How many uses of private attributes are left in tests: only ever fewer."""


def test_tests_use_no_private_attributes() -> None:
    """A test that reads `name._attribute` breaks at every change inside the product."""
    uses = [
        f"{name}:{node.lineno}: {ast.unparse(node)}"
        for name in TRACKED
        if name.startswith("tests/") and name.endswith(".py")
        for node in ast.walk(ast.parse((HERE / name).read_text()))
        if isinstance(node, ast.Attribute) and _is_private_use(node)
    ]
    assert len(uses) <= PRIVATE_ATTRIBUTES, uses


def _is_private_use(node: ast.Attribute) -> bool:
    """Is this `name._attribute`, where `name` is neither `self`, `cls` nor a class?"""
    if not node.attr.startswith("_") or node.attr.startswith("__"):
        return False
    owner = node.value
    return not (isinstance(owner, ast.Name) and (owner.id in {"self", "cls"} or owner.id[0].isupper()))


@pytest.mark.parametrize("name", OURS)
def test_everything_public_says_what_it_means(name: str) -> None:
    tree = ast.parse((HERE / name).read_text())
    assert [one.name for one in _public(tree) if not ast.get_docstring(one)] == []


def _public(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.ClassDef]:
    """Public classes, functions and methods, in the order of the file."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            yield node
            if isinstance(node, ast.ClassDef):
                yield from _public(node)


ENTITIES = {
    *(
        "Call",
        "Cause",
        "Chain",
        "Delivery",
        "Diagnosis",
        "Drift",
        "Entry",
        "Health",
        "Notice",
        "Plan",
        "Service",
        "Stack",
        "SuggestedPatch",
        "Token",
    ),
    *("Intent", "IntentPlan", "IntentRequest", "BuildOutput", "ServiceBuild", "IntentCheck", "PlannedBuild"),
    *("Verdict", "Window", "Run", "RunStep", "State", "Status", "Power"),
}
"""One thing in several forms: its row, what the API answers, the client's payload and its value."""


def test_one_name_has_one_meaning() -> None:
    """Two public classes or constants of one name would have to be told apart by where they are."""
    places: dict[str, list[str]] = {}
    for name in OURS:
        for defined in _public_names(ast.parse((HERE / name).read_text())):
            places.setdefault(defined, []).append(name)
    assert {
        name: modules for name, modules in places.items() if len(modules) > 1 and name not in ENTITIES
    } == {}


def _public_names(tree: ast.Module) -> Iterator[str]:
    """Classes and constants at the top of a module, without the `routes` and `pages` of route modules."""
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            names = [node.name]
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names = [one.id for target in targets for one in ast.walk(target) if isinstance(one, ast.Name)]
        else:
            continue
        yield from (one for one in names if not one.startswith("_") and one not in {"log", "routes", "pages"})


PARTICIPLES = re.compile(
    r"_*(\w+ed|held|told|kept|shown|said|seen|known|made|taken|gone|done|found|left|begun|lost)"
)
VERBS = {"embed", "exceed", "feed", "need", "proceed", "seed"}


def test_no_more_functions_are_a_bare_participle() -> None:
    """`told` says neither what is done nor what is returned."""
    participles = [
        f"{name}: {node.name}"
        for name in OURS
        for node in ast.walk(ast.parse((HERE / name).read_text()))
        if isinstance(node, ast.FunctionDef)
        and PARTICIPLES.fullmatch(node.name)
        and "_" not in node.name.strip("_")
        and node.name.strip("_") not in VERBS
        and not any("property" in ast.unparse(one) for one in node.decorator_list)
    ]
    assert len(participles) <= PARTICIPLE


def test_only_json_crosses_the_queue() -> None:
    assert celeryconfig.accept_content == ["json"]
    assert celeryconfig.task_serializer == celeryconfig.result_serializer == "json"


def test_the_broker_waits_longer_than_the_longest_task() -> None:
    visible = celeryconfig.broker_transport_options["visibility_timeout"]
    assert isinstance(visible, int)
    assert visible >= 180
    assert celeryconfig.worker_prefetch_multiplier == 1
    assert celeryconfig.task_acks_late
    assert celeryconfig.task_reject_on_worker_lost


def test_beat_never_lets_ticks_pile_up() -> None:
    for entry in celeryconfig.beat_schedule.values():
        options = entry["options"]
        assert isinstance(options, dict)
        assert options["expires"]
        assert options["queue"] == "power"


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
