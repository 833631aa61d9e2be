"""Kills a process between any two statements, or lets another process act there.

Within `instrumented`, every function of the listed files reports its position before each
of its statements. A plan says what happens where: at the n-th statement that is executed,
or when one statement is reached for the n-th time. There the process is killed, or
another process acts. No other process acts within a transaction, since it would wait.
"""

from __future__ import annotations

import ast
import gc
import inspect
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
WEB_FILES = (
    "app/usecases/windows/transitions.py",
    "app/usecases/windows/open.py",
    "app/usecases/windows/extend.py",
    "app/usecases/windows/close.py",
    "app/store/windows.py",
    "app/store/audit.py",
    "app/store/database.py",
)
WORKER_FILES = (
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
"""A position outside the files: 0 in an inspection, 1 before a call takes effect, 2 after it."""
KILL = "kill"
_REPORT = "__point__"

Where = tuple[str, int]
"""A file of the product and a line in it."""


class Killed(BaseException):
    """The process is killed. No code of the product catches this exception."""


@dataclass(frozen=True, slots=True)
class Interruption:
    """What happens, and where: after `after` statements, or passes of the statement `at`."""

    what: str
    which: int = 0
    """Selects the window, service or worker that it happens to."""
    after: int = 0
    at: Where | None = None


class Interruptible:
    """A part of a process's run, with interruptions; positions on the host count as statements too."""

    hit: ClassVar[Counter[Where]] = Counter()
    """How often a process has been killed at each statement, over all runs."""
    reached: ClassVar[Counter[Where]] = Counter()
    """How often a process reached each statement within an `Interruptible`."""
    _now: ClassVar[Interruptible | None] = None

    def __init__(
        self, plan: Sequence[Interruption], meanwhile: Callable[[str, int], None], is_idle: Callable[[], bool]
    ) -> None:
        self._left = {one: one.after for one in plan}
        self._meanwhile, self._is_idle = meanwhile, is_idle
        self._before: Interruptible | None = None

    def __enter__(self) -> Interruptible:
        self._before, Interruptible._now = Interruptible._now, self
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        Interruptible._now = self._before

    def point(self, where: Where | None = None) -> None:
        for one, left in list(self._left.items()):
            if one.at is not None and one.at != where:
                continue
            if left > 0:
                self._left[one] = left - 1
            elif one.what == KILL:
                self._kill(where)
            elif self._is_idle() and not _waits_for_lock():
                del self._left[one]
                self._interrupt(one)

    def _kill(self, where: Where | None) -> None:
        self._left = {}
        if where:
            self.hit[where] += 1
        raise Killed

    def _interrupt(self, one: Interruption) -> None:
        """Let another process act, without reports for this one."""
        Interruptible._now = None
        try:
            self._meanwhile(one.what, one.which)
        finally:
            Interruptible._now = self

    @classmethod
    def current(cls) -> Interruptible | None:
        """Return the process part that runs now; None outside of any."""
        return cls._now

    @classmethod
    def record_point(cls, name: str, line: int) -> None:
        if cls._now is not None:
            where = (name, line)
            cls.reached[where] += 1
            if cls._now._left:
                cls._now.point(where)


def _waits_for_lock() -> bool:
    """Does the process wait here for another one? All run in one thread, so the wait would never end."""
    frame = inspect.currentframe()
    while frame is not None:
        if frame.f_code.co_name == "_share":
            return True
        frame = frame.f_back
    return False


# Instrumentation.


@contextmanager
def instrumented() -> Iterator[None]:
    """Insert a report before each statement of the listed files, for as long as the context lasts."""
    before: list[tuple[FunctionType, CodeType]] = []
    for name in (*WEB_FILES, *WORKER_FILES):
        module = import_module(name.removesuffix(".py").replace("/", "."))
        setattr(module, _REPORT, partial(Interruptible.record_point, name))
        before += _instrument(module.__file__ or "", name)
    try:
        yield
    finally:
        for function, code in before:
            function.__code__ = code


def _instrument(path: str, name: str) -> list[tuple[FunctionType, CodeType]]:
    functions = {(one.co_qualname, one.co_firstlineno): one for one in _codes(_compiled(path, name))}
    changed = []
    for one in gc.get_objects():
        if isinstance(one, FunctionType) and one.__code__.co_filename == path:
            place = (one.__code__.co_qualname, one.__code__.co_firstlineno)
            if place in functions:
                changed.append((one, one.__code__))
                one.__code__ = functions[place]
    return changed


@cache
def _compiled(path: str, name: str) -> CodeType:
    tree = _InsertReports().visit(ast.parse((ROOT / name).read_text()))
    return compile(ast.fix_missing_locations(tree), path, "exec", dont_inherit=True)


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for one in code.co_consts:
        if isinstance(one, CodeType):
            yield from _codes(one)


class _InsertReports(ast.NodeTransformer):
    """Inserts a report before each statement of a function and at the end of each `with` block."""

    def __init__(self) -> None:
        self._inside = 0

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        self._inside += 1
        visited = self.generic_visit(node)
        self._inside -= 1
        return visited

    def generic_visit(self, node: ast.AST) -> ast.AST:
        super().generic_visit(node)
        if self._inside:
            for part in ("body", "orelse", "finalbody"):
                if isinstance(body := getattr(node, part, None), list):
                    setattr(node, part, [one for of in body for one in _with_report(of)])
            if isinstance(node, ast.With):
                node.body.append(_report_call(node))
        return node


def _with_report(one: ast.stmt) -> list[ast.stmt]:
    return [_report_call(one), one] if _is_statement(one) else [one]


def _report_call(of: ast.stmt) -> ast.stmt:
    call = ast.Call(ast.Name(_REPORT, ast.Load()), [ast.Constant(of.lineno)], [])
    report = ast.copy_location(ast.Expr(call), of)
    report.end_lineno = report.lineno
    return report


def _is_statement(node: ast.stmt) -> bool:
    without_report = isinstance(node, ast.FunctionDef | ast.Global | ast.Nonlocal | ast.Try)
    docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    return not without_report and not docstring


@cache
def statements(files: Sequence[str]) -> list[Where]:
    """Every statement in a function of these files."""
    lines = set()
    for name in files:
        functions = [
            one for one in ast.walk(ast.parse((ROOT / name).read_text())) if isinstance(one, ast.FunctionDef)
        ]
        for function in functions:
            lines |= {
                (name, one.lineno)
                for one in ast.walk(function)
                if isinstance(one, ast.stmt) and _is_statement(one)
            }
    return sorted(lines)
