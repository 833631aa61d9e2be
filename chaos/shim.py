"""A `docker-compose` that the workers find first: it writes down every call, and whether two met.

`POWER_COMPOSE` names it to them. It lies beside a Python of its own.
Each call takes a lock per engine, project and service, without waiting, and hands it on to
the real program, so it is held for as long as that lives. A call that finds the lock taken
is on record as a second one, and goes on.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

_SCRIPT = """#!/bin/sh
verb= project= service= before= after=
for word in "$@"; do
    case "$before" in -p) project=$word ;; esac
    if [ -n "$after" ]; then service=$word
    elif [ "$word" = -- ]; then after=yes
    elif [ -z "$verb" ]; then case "$word" in up|stop|kill|create|--dry-run) verb=$word ;; esac
    fi
    before=$word
done
# A trial changes nothing, so two may meet.
if [ -n "$verb" ] && [ "$verb" != --dry-run ]; then
    exec 9>>"{locks}/$CHAOS_ENGINE.$project.$service"
    met=alone
    flock -n 9 || met=second
    now=$(date +%s.%N)
    echo "$now $$ $CHAOS_WORKER $project $verb ${service:-ALL} $met" >>"{log}"
fi
exec "{real}" "$@"
"""


@dataclass(frozen=True, slots=True)
class Call:
    """One compose call as it began."""

    at: float
    pid: int
    worker: str
    project: str
    verb: str
    service: str
    alone: bool


class Shim:
    def __init__(self, directory: Path, real: Path) -> None:
        self._log, locks = directory / "calls.log", directory / "shim-locks"
        locks.mkdir(parents=True)
        self._log.touch()
        self.python = _python(directory / "python")
        self.program = self.python.with_name("docker-compose")
        self.program.write_text(
            _SCRIPT.replace("{locks}", str(locks))
            .replace("{log}", str(self._log))
            .replace("{real}", str(real))
        )
        self.program.chmod(0o755)

    def calls(self) -> list[Call]:
        """Every call so far, oldest first."""
        return sorted((_call(line) for line in self._log.read_text().splitlines()), key=lambda call: call.at)


def _python(home: Path) -> Path:
    """This Python with all it has installed, in a place of its own."""
    (home / "bin").mkdir(parents=True)
    for name in ("lib", "pyvenv.cfg"):
        (home / name).symlink_to(Path(sys.prefix) / name)
    python = home / "bin" / "python"
    python.symlink_to(sys.executable)
    return python


def _call(line: str) -> Call:
    at, pid, worker, project, verb, service, met = line.split(" ")
    return Call(float(at), int(pid), worker, project, verb, service, met == "alone")
