"""What the files of a container say: the one that runs first, and whose its volumes are."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator

from app.domain.diagnosis.evidence import EntryEvidence
from workers.engine import container_files
from workers.engine.client import Engine
from workers.engine.diagnosis_facts import InspectedContainer

_PATH = re.compile(r"(/[^\s'\":,()]+)")
_INTERPRETERS = re.compile(r"(?:^|/)(?:sh|bash|dash|ash|env)$")
_MOST_MOUNTS, _MOST_PATHS = 8, 3


def entry(engine: Engine, inspected: InspectedContainer) -> EntryEvidence:
    """The file that runs first: the script where a shell is given one, else the program itself.

    Raises EngineRefused or Away, as all of this module.
    """
    argv = inspected.argv
    first = argv[0]
    if _INTERPRETERS.search(first) and len(argv) > 1 and re.fullmatch(r"[\w./-]*/[\w./-]+", argv[1]):
        first = argv[1]
    if not first:
        return EntryEvidence()
    if "/" in first:
        path = posixpath.join(inspected.working_dir, first)
        return container_files.describe_entry(engine, inspected.id, path)
    for folder in inspected.environment.get("PATH", "/usr/local/bin:/usr/bin:/bin").split(":"):
        described = container_files.describe_entry(engine, inspected.id, posixpath.join(folder, first))
        if described.kind != "missing":
            return described
    return EntryEvidence(first, "missing")


def foreign_mounts(engine: Engine, inspected: InspectedContainer, refused: Iterable[str]) -> tuple[str, ...]:
    """Mounts that belong to another user than the process runs as, or in which a path of these lines does.

    `refused`: the lines of the log that speak of permissions.
    """
    uid = _uid(engine, inspected)
    if uid is None:
        return ()
    named = {path for line in refused for path in _PATH.findall(line)}
    return tuple(
        mount for mount in _destinations(inspected) if _owners(engine, inspected.id, mount, named) - {uid}
    )


def _destinations(inspected: InspectedContainer) -> list[str]:
    return [str(one.get("Destination")) for one in inspected.mounts[:_MOST_MOUNTS]]


def _owners(engine: Engine, container: str, mount: str, named: Iterable[str]) -> set[int]:
    inside = [path for path in sorted(named) if path.startswith(f"{mount.rstrip('/')}/")][:_MOST_PATHS]
    return set(_present(container_files.read_head(engine, container, path) for path in (mount, *inside)))


def _present(files: Iterable[container_files.FileHead | None]) -> Iterator[int]:
    return (file.uid for file in files if file is not None)


def _uid(engine: Engine, inspected: InspectedContainer) -> int | None:
    """Return the user id that a container runs as; None if it is unknown."""
    name = inspected.user.partition(":")[0] or "0"
    if name.isdigit():
        return int(name)
    file = container_files.read_head(engine, inspected.id, "/etc/passwd")
    lines = file.head.decode(errors="replace").splitlines() if file else []
    parts = [line.split(":") for line in lines if line.startswith(f"{name}:")]
    return int(parts[0][2]) if parts and len(parts[0]) > 2 and parts[0][2].isdigit() else None
