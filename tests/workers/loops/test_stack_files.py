"""A window that is opened right after an edit of its stack's files waits until they are read."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any, cast

import pytest

from app.domain.stack_id import StackId
from app.store.database import Database
from workers.loops import stack_files
from workers.loops.stack_files import StackFiles
from workers.state.context import WorkerContext
from workers.state.identity import Identity
from workers.state.inspection_queue import Trigger

STUDIO = StackId("studio")


class Loading:
    """Files that have changed or not, of which none is read."""

    engine_fault = ""
    changed = False

    def has_changed(self, _stack: StackId) -> bool:
        return self.changed

    def read_changes(self) -> set[StackId]:
        return set()


class Loops:
    """The heartbeat, the clock and the inspections: only what is marked is remembered."""

    def __init__(self) -> None:
        self.marked: list[StackId] = []

    def mark(self, stack: StackId, _services: Iterable[str] | None, _trigger: Trigger) -> None:
        self.marked.append(stack)

    def know_engine(self) -> None:
        """No engine is asked."""


def test_windows_wait_for_changed_files_and_go_on_once_they_are_read(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loading, loops = Loading(), cast(Any, Loops())
    context = WorkerContext(database, cast(Any, None), Identity(tmp_path, "local"), "local", tmp_path)
    files = StackFiles(context, cast(Any, loading), loops, loops, loops, stopping=threading.Event())
    assert not context.reads_files_first(STUDIO)

    loading.changed = True
    assert context.reads_files_first(STUDIO)
    files.check()
    assert loops.marked == []

    loading.changed = False
    files.check()
    files.check()
    assert loops.marked == [STUDIO]
    assert not context.reads_files_first(STUDIO)

    # Files that keep changing hold a window only so long.
    loading.changed = True
    assert context.reads_files_first(STUDIO)
    monkeypatch.setattr(stack_files, "LONGEST_HOLD", 0.0)
    files.check()
    files.check()
    assert loops.marked == [STUDIO, STUDIO]
    assert not context.reads_files_first(STUDIO)
