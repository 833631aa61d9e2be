"""Writes suggested patches: to a file, or as a commit on a new git branch. No file in use is changed."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterable
from pathlib import Path

from power_windows.errors import PowerError, WrongUsage
from power_windows.payloads import SuggestedPatch

_SECONDS = 60.0
_AUTHOR = ("-c", "user.name=Power Windows", "-c", "user.email=power-windows@localhost")
_MOST_FILES = 100


class GitFailed(PowerError):
    """Git refused; the message has its own words."""


def write_patch(folder: Path, name: str, patch: SuggestedPatch) -> Path:
    """Write a patch as NAME.patch, or NAME-2.patch where there is one with other content; return its path."""
    for number in range(1, _MOST_FILES):
        path = folder / f"{name}{'' if number == 1 else f'-{number}'}.patch"
        try:
            with path.open("x") as opened:
                opened.write(patch["diff"])
        except FileExistsError:
            if path.read_text(errors="replace") != patch["diff"]:
                continue
        return path
    raise WrongUsage(f"{folder} has {_MOST_FILES} files {name}-N.patch; remove some")


def commit_to_branch(name: str, patches: Iterable[SuggestedPatch]) -> str:
    """Commit patches to a new branch of the repository that has their files; return the commit's id.

    The work tree of the repository stays as it is: the commit is made in a work tree of its own.
    """
    listed = list(patches)
    roots = {_git(Path(one["directory"]), "rev-parse", "--show-toplevel").strip() for one in listed}
    if len(roots) != 1:
        raise WrongUsage("the patches are for files of several git repositories; name one service")
    root = Path(roots.pop())
    with tempfile.TemporaryDirectory(prefix="power-branch-") as folder:
        tree = Path(folder, "tree")
        _git(root, "worktree", "add", "-q", "-b", name, str(tree), "HEAD")
        try:
            for one in listed:
                inside = Path(one["directory"]).resolve().relative_to(root.resolve())
                _git(tree, "apply", "--index", f"--directory={inside}", "-", given=one["diff"])
            message = "Apply the change that power diagnose suggests"
            _git(tree, *_AUTHOR, "commit", "-q", "--no-verify", "-m", message)
            return _git(tree, "rev-parse", "HEAD").strip()
        except GitFailed:
            _git(root, "worktree", "remove", "--force", str(tree))
            _git(root, "branch", "-q", "-D", name)
            raise
        finally:
            if tree.exists():
                _git(root, "worktree", "remove", "--force", str(tree))


def _git(folder: Path, *words: str, given: str = "") -> str:
    command = ("git", "-C", str(folder), *words)
    try:
        answer = subprocess.run(
            command, input=given, capture_output=True, text=True, timeout=_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise GitFailed(f"git cannot be run: {error}") from error
    if answer.returncode:
        raise GitFailed(f"git {words[0]}: {answer.stderr.strip()}")
    return answer.stdout
