"""What the doctor has run, since only the standalone may run processes: a program, and how it answered."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from app.host import compose_binaries
from app.standalone import children
from app.standalone.broker import server_binary

# The worker's own client: its address, its API version, and whether the engine answers in it.
_ASK_ENGINE = """
import sys
from workers.engine import negotiation
from workers.engine.client import Engine
engine = Engine(timeout=5)
try:
    agreed = engine.agreement()
    engine.id()
except negotiation.Unable as error:
    sys.exit(negotiation.why(error))
print(f"Docker {agreed.release} at {engine.endpoint}")
print(f"API {agreed.api}; the engine speaks {agreed.least} to {agreed.most}, the worker {negotiation.SPOKEN}")
"""


@dataclass(frozen=True)
class ProbeResult:
    """How a program answered."""

    returncode: int | None
    """None where the program is not there or did not answer in time."""
    stdout: str = ""
    stderr: str = ""


def ask(
    *argv: str,
    environ: Mapping[str, str] | None = None,
    seconds: float = 20.0,
    folder: Path | None = None,
) -> ProbeResult:
    """Run a program for at most so many seconds; returns how it answered.

    It runs in `folder`, by default where nothing of the user's folder is imported.
    """
    try:
        done = subprocess.run(
            argv,
            env=None if environ is None else dict(environ),
            cwd=folder or children.root(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return ProbeResult(None, stderr=f"no answer within {seconds:g} s")
    except OSError as error:
        return ProbeResult(None, stderr=error.strerror or str(error))
    return ProbeResult(done.returncode, done.stdout, done.stderr)


def engine(environ: Mapping[str, str]) -> tuple[bool, str]:
    """Whether the worker can serve the engine, and what it says or why not, in one line."""
    answer = ask(sys.executable, "-c", _ASK_ENGINE, environ=environ, seconds=30.0)
    if answer.returncode == 0:
        return True, ", ".join(answer.stdout.split("\n")).strip(", ")
    return False, (answer.stderr.strip() or "no answer").splitlines()[-1]


def compose() -> tuple[str, str] | None:
    """Return the Compose that a worker would run, and its version; None where there is none."""
    usable = compose_binaries.first_usable(os.environ, Path(sys.executable), _compose_version)
    return (" ".join(usable[0]), usable[1]) if usable else None


def _compose_version(argv: tuple[str, ...]) -> str | None:
    answer = ask(*argv, "version", "--short")
    return answer.stdout if answer.returncode == 0 else None


def compose_fault() -> str:
    """Why the Compose binary beside this Python is not used; empty where it may be."""
    return compose_binaries.fault(Path(sys.executable))


def server() -> str:
    """The embedded broker's program and version. Raises NoServer, or OSError where it does not run."""
    binary = str(server_binary())
    answer = ask(binary, "--version")
    if answer.returncode != 0:
        raise OSError(f"{binary} does not run: {answer.stderr.strip()}")
    version = re.search(r"v=(\S+)", answer.stdout)
    return f"{Path(binary).name} {version[1] if version else ''}".strip()
