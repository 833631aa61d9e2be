"""Killing a process between any two statements, or letting others act there.

While a stage is set, every function of the product's files that matter here says where
it is before each of its statements. A plan says what happens where: at the n-th
statement that is executed, or when one certain statement is reached for the n-th time.
There the process is killed, or something else happens that is not its doing. Within a
transaction nothing else happens, since there it would have to wait.
"""

from __future__ import annotations

import ast
import gc
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from importlib import import_module
from pathlib import Path
from types import CodeType, FunctionType, TracebackType
from typing import ClassVar

ROOT = Path(__file__).parent.parent.parent
FRONT = (
    "app/usecases/windows/transitions.py",
    "app/usecases/windows/open.py",
    "app/usecases/windows/extend.py",
    "app/usecases/windows/close.py",
    "app/store/windows.py",
    "app/store/audit.py",
    "app/store/database.py",
)
HANDS = (
    "workers/reconcile/attend.py",
    "workers/reconcile/converge.py",
    "workers/reconcile/outdated_calls.py",
    "workers/reconcile/inspect.py",
    "workers/loops/inspections.py",
    "workers/loops/deadline_clock.py",
    "workers/loops/lost_calls.py",
    "workers/loops/stack_files.py",
    "workers/loops/converge_pools.py",
    "workers/loops/stack_loader.py",
    "workers/loops/heartbeat.py",
    "workers/offline/controller.py",
    "workers/offline/recovery.py",
    "workers/state/journal.py",
    "workers/state/snapshot.py",
    "app/usecases/reconciliation/observations.py",
    "app/usecases/reconciliation/power_decisions.py",
    "app/usecases/reconciliation/calls.py",
    "app/usecases/windows/expire.py",
    "app/usecases/nodes/published_stacks.py",
    "app/usecases/windows/settle.py",
    "app/usecases/reconciliation/drift.py",
    "app/usecases/nodes/claims.py",
    "app/usecases/reconciliation/offline_import.py",
)
ENGINE = "the engine"
"""A place beside the files: 1 before a call has done its work, 2 after that, 0 while it is looked at."""
KILL = "kill"
_SAYS = "__point__"

Where = tuple[str, int]
"""A file of the product and a line in it."""


class Killed(BaseException):
    """The process is gone. Nothing in the product catches it, as nothing could."""


@dataclass(frozen=True, slots=True)
class Interruption:
    """What happens, and where: after so many statements, or at the n-th time at one."""

    what: str
    which: int = 0
    """Which of several, for what happens to one of them."""
    after: int = 0
    at: Where | None = None


class Interrupted:
    """A stretch of a process's life with interruptions; the world's own points count as statements too."""

    hit: ClassVar[Counter[Where]] = Counter()
    """How often a process has been killed at each statement, over all runs."""
    reached: ClassVar[Counter[Where]] = Counter()
    """How often a process came to each statement while somebody was after it."""
    _now: ClassVar[Interrupted | None] = None

    def __init__(
        self, plan: Sequence[Interruption], meanwhile: Callable[[str, int], None], calm: Callable[[], bool]
    ) -> None:
        self._left = {one: one.after for one in plan}
        self._meanwhile, self._calm = meanwhile, calm
        self._before: Interrupted | None = None

    def __enter__(self) -> Interrupted:
        self._before, Interrupted._now = Interrupted._now, self
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        Interrupted._now = self._before

    def point(self, where: Where | None = None) -> None:
        for one, left in list(self._left.items()):
            if one.at is not None and one.at != where:
                continue
            if left > 0:
                self._left[one] = left - 1
            elif one.what == KILL:
                self._kill(where)
            elif self._calm() and not _sharing():
                del self._left[one]
                self._others(one)

    def _kill(self, where: Where | None) -> None:
        self._left = {}
        if where:
            self.hit[where] += 1
        raise Killed

    def _others(self, one: Interruption) -> None:
        """What others do meanwhile is not this process's life."""
        Interrupted._now = None
        try:
            self._meanwhile(one.what, one.which)
        finally:
            Interrupted._now = self

    @classmethod
    def current(cls) -> Interrupted | None:
        """Whoever is living just now, if anybody is after them."""
        return cls._now

    @classmethod
    def came_to(cls, name: str, line: int) -> None:
        if cls._now is not None:
            where = (name, line)
            cls.reached[where] += 1
            if cls._now._left:
                cls._now.point(where)


def _sharing() -> bool:
    """Does a process wait here for what another holds? One thread plays them all and would wait for ever."""
    frame = sys._getframe()
    while frame.f_back is not None:
        if frame.f_code.co_name == "_share":
            return True
        frame = frame.f_back
    return False


# Having the product's functions say where they are.


@contextmanager
def points() -> Iterator[None]:
    """For as long as this lasts; the product's code is what it is, with a word before each statement."""
    before: list[tuple[FunctionType, CodeType]] = []
    for name in (*FRONT, *HANDS):
        module = import_module(name.removesuffix(".py").replace("/", "."))
        setattr(module, _SAYS, partial(Interrupted.came_to, name))
        before += _speaking(module.__file__ or "", name)
    try:
        yield
    finally:
        for function, code in before:
            function.__code__ = code


def _speaking(path: str, name: str) -> list[tuple[FunctionType, CodeType]]:
    known = {(one.co_qualname, one.co_firstlineno): one for one in _codes(_compiled(path, name))}
    changed = []
    for one in gc.get_objects():
        if isinstance(one, FunctionType) and one.__code__.co_filename == path:
            place = (one.__code__.co_qualname, one.__code__.co_firstlineno)
            if place in known:
                changed.append((one, one.__code__))
                one.__code__ = known[place]
    return changed


@cache
def _compiled(path: str, name: str) -> CodeType:
    tree = _Saying().visit(ast.parse((ROOT / name).read_text()))
    return compile(ast.fix_missing_locations(tree), path, "exec", dont_inherit=True)


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for one in code.co_consts:
        if isinstance(one, CodeType):
            yield from _codes(one)


class _Saying(ast.NodeTransformer):
    """Puts a word before each statement of a function, and at the end of each `with`, where it is left."""

    def __init__(self) -> None:
        self._inside = 0

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        self._inside += 1
        found = self.generic_visit(node)
        self._inside -= 1
        return found

    def generic_visit(self, node: ast.AST) -> ast.AST:
        super().generic_visit(node)
        if self._inside:
            for part in ("body", "orelse", "finalbody"):
                if isinstance(body := getattr(node, part, None), list):
                    setattr(node, part, [one for of in body for one in _with_word(of)])
            if isinstance(node, ast.With):
                node.body.append(_word(node))
        return node


def _with_word(one: ast.stmt) -> list[ast.stmt]:
    return [_word(one), one] if _is_statement(one) else [one]


def _word(of: ast.stmt) -> ast.stmt:
    said = ast.Call(ast.Name(_SAYS, ast.Load()), [ast.Constant(of.lineno)], [])
    word = ast.copy_location(ast.Expr(said), of)
    word.end_lineno = word.lineno
    return word


def _is_statement(node: ast.stmt) -> bool:
    silent = isinstance(node, ast.FunctionDef | ast.Global | ast.Nonlocal | ast.Try)
    said = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    return not silent and not said


@cache
def statements(files: Sequence[str]) -> list[Where]:
    """Every statement in a function of these files."""
    found = set()
    for name in files:
        functions = [
            one for one in ast.walk(ast.parse((ROOT / name).read_text())) if isinstance(one, ast.FunctionDef)
        ]
        for function in functions:
            found |= {
                (name, one.lineno)
                for one in ast.walk(function)
                if isinstance(one, ast.stmt) and _is_statement(one)
            }
    return sorted(found)
