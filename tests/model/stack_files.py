"""power.toml and the compose files of a run, as values; some of them cannot be read."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from app.domain.planning import StackSpec
from app.domain.stack_id import StackId
from app.settings import PowerToml, StackToml
from workers.engine.compose import ComposeFiles
from workers.stacks.stack_reader import Rejected, Served


@dataclass
class StackFiles:
    """The definition of each stack; the stacks in `broken` are rejected."""

    stacks: dict[str, StackSpec]
    broken: set[str] = field(default_factory=set)
    version: int = 0

    def write(self, config: Path) -> None:
        self.version += 1
        config.write_text("#" * self.version)

    def change(self, stack: str, spec: StackSpec | None) -> None:
        """Replace the definition by a valid one, or by one that cannot be read if None."""
        if spec is None:
            self.broken.add(stack)
        else:
            self.broken.discard(stack)
            self.stacks[stack] = spec

    def toml(self, _path: Path) -> PowerToml:
        return PowerToml({StackId(name): self._section(spec) for name, spec in self.stacks.items()})

    def _section(self, spec: StackSpec) -> StackToml:
        return StackToml.model_construct(
            project=spec.project,
            node=spec.node,
            core=spec.core,
            directory=Path("/"),
            profiles=[f"{self.version}"],
        )

    def read(self, _path: Path, _toml: PowerToml, name: str, *, keep: Path) -> Served:
        spec = self.stacks[name]
        if name in self.broken:
            digest = f"broken {self.version}"
            raise Rejected(
                StackSpec(StackId(name), spec.project, spec.node, {}, digest=digest), ["a file is missing"]
            )
        place = ComposeFiles(spec.project, keep, ("docker-compose.yml",))
        return Served(spec, place, {"default": f"{spec.project}_default"})

    def fail_on_exit(self, *_: object) -> None:
        raise AssertionError("a worker was refused and would have exited")
