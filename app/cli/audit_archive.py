"""`power audit archive`: export old entries and windows, and print the files that were written."""

from __future__ import annotations

from pathlib import Path

from app.archive import export
from app.cli import environment, output


def run(before: float, directory: Path, *, packed: bool, as_json: bool) -> None:
    """Archive what is older than `before` seconds. Raises Failed or Unreachable."""
    files = export.export(environment.load().database_url, before, directory, packed=packed)
    if as_json:
        output.dump({"files": files})
    elif not files:
        output.say("nothing is that old")
    else:
        for one in files:
            output.say(f"{one['file']}  {one['says']}")
