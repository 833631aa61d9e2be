"""Searches text for a regular expression in a process of its own, which is killed when it takes too long.

Python's matcher keeps the interpreter's lock, so a pattern that backtracks without end would stop
every thread of the worker.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys

from workers.engine import child_processes

SEARCH_TIMEOUT = 3.0
"""Seconds that one search may take."""
EXCERPT = 200
"""Characters of a match that are returned."""
_SEARCH = (
    "import json, re, sys; asked = json.load(sys.stdin); "
    "match = re.search(asked['pattern'], asked['text'], re.MULTILINE); "
    "json.dump(match and match[0][:asked['excerpt']], sys.stdout)"
)


class SearchFailed(Exception):
    """The pattern took too long, or the search could not be made."""


def find_pattern(pattern: str, text: str) -> str | None:
    """The beginning of the first match, or None; `^` and `$` match at each line. Raises SearchFailed."""
    asked = json.dumps({"pattern": pattern, "text": text, "excerpt": EXCERPT})
    command = (*child_processes.dying_with_us(), sys.executable, "-I", "-S", "-c", _SEARCH)
    try:
        done = subprocess.run(
            command,
            input=asked,
            capture_output=True,
            text=True,
            timeout=SEARCH_TIMEOUT,
            check=False,
            env=child_processes.environment(os.environ),
        )
    except subprocess.TimeoutExpired as error:
        raise SearchFailed(f"the search for {pattern!r} took over {SEARCH_TIMEOUT:g} s") from error
    except OSError as error:
        raise SearchFailed(f"the search for {pattern!r} could not be made: {error}") from error
    if done.returncode != 0:
        raise SearchFailed(f"the search for {pattern!r} failed: {done.stderr.strip().rpartition(chr(10))[2]}")
    line: str | None = json.loads(done.stdout)
    return line
