"""A suggested patch is made from the real file, and a throw-away project proves that it cures."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from app.cli import patch_files, patch_trial
from app.domain.stack_id import StackId
from examples.vx11 import image
from power_windows.payloads import SuggestedPatch
from tests.engine.small_images import ensure_image
from tests.engine.stacks import Definition, Stack, docker, running, until
from tests.engine.test_diagnosis import newest

DOCKERFILE = f"""# The image of web.
FROM {image.NAME}
WORKDIR /app
COPY main.py /app/main.py
ENTRYPOINT ["python3", "/app/main.py"]
"""


def built(stack: Stack, dockerfile: str = DOCKERFILE) -> Definition:
    (stack.directory / "Dockerfile").write_text(dockerfile)
    (stack.directory / "main.py").write_text("import signal, switch\nswitch.run()\n")
    (stack.directory / "switch").mkdir()
    (stack.directory / "switch" / "__init__.py").write_text("import signal\ndef run(): signal.pause()\n")
    port = {"ports": ["127.0.0.1:0:8080"], "volumes": ["kept:/data"]}
    return {"build": {"context": ".", "network": "none"}, "stop_grace_period": "1s", **port}


def first_cause(stack: Stack, cause: str) -> dict[str, Any]:
    def found() -> dict[str, Any] | None:
        row = newest(stack)
        return row.causes[0] if row and row.causes[0]["cause"] == cause else None

    answer = until(found, f"{cause} is found", 25, stack)
    assert answer
    return answer


def patch_of(stack: Stack, cause: str) -> SuggestedPatch:
    patch = first_cause(stack, cause)["patch"]
    assert patch
    return SuggestedPatch(file=patch["file"], diff=patch["diff"], directory=patch["directory"])


def left_over() -> str:
    label = "label=com.docker.compose.project"
    names = docker("ps", "-a", "--filter", label, "--format", "{{.Names}}").splitlines()
    volumes = docker("volume", "ls", "--format", "{{.Name}}").splitlines()
    images = docker("image", "ls", "--format", "{{.Repository}}").splitlines()
    return " ".join(
        one for one in (*names, *volumes, *images) if one.startswith(f"{patch_trial.PREFIX}{os.getpid()}-")
    )


@pytest.fixture
def broken(stack: Stack) -> Stack:
    services = {"web": built(stack)}
    stack.write(services)
    stack.define(services, volumes={"kept": {}})
    stack.by_hand("build", "web")
    return stack.begin()


def test_the_patch_copies_the_module_and_cures(broken: Stack) -> None:
    broken.open("web")

    patch = patch_of(broken, "missing-module")

    assert "+COPY switch /app/switch/" in patch["diff"].splitlines()
    before = (broken.directory / "Dockerfile").read_text()
    result = patch_trial.try_patch(broken.config, StackId("studio"), "web", "missing-module", patch)
    assert result.cured, result.why
    assert (broken.directory / "Dockerfile").read_text() == before
    assert left_over() == ""
    docker("image", "rm", "-f", f"{broken.project}-web")


def test_a_patch_that_does_not_cure_is_said_not_to(broken: Stack) -> None:
    broken.open("web")
    patch = patch_of(broken, "missing-module")
    wrong = patch["diff"].replace("COPY switch /app/switch/", "LABEL of=nothing")

    result = patch_trial.try_patch(
        broken.config, StackId("studio"), "web", "missing-module", SuggestedPatch(**{**patch, "diff": wrong})
    )

    assert (result.cured, "ended with exit code 1" in result.why) == (False, True)
    assert left_over() == ""
    docker("image", "rm", "-f", f"{broken.project}-web")


def test_a_signal_that_a_shell_does_not_pass_on_is_cured_by_an_init(stack: Stack) -> None:
    slow = {**running(), "image": ensure_image(), "entrypoint": ["/bin/sh", "-c", "sleep 99; true"]}
    stack.write({"web": slow | {"stop_grace_period": "1s"}}).begin()
    window = stack.open("web")
    stack.opened(window)
    stack.close(window)

    patch = patch_of(stack, "signal-ignored")

    assert '"init": true' in patch["diff"]
    result = patch_trial.try_patch(stack.config, StackId("studio"), "web", "signal-ignored", patch)
    assert result.cured, result.why


def test_a_patch_becomes_a_file_or_a_branch_and_the_files_stay(tmp_path: Path) -> None:
    def git(*words: str) -> str:
        command = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b", *words]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    (tmp_path / "sub").mkdir()
    compose = tmp_path / "sub" / "docker-compose.yml"
    compose.write_text("services:\n  web:\n    image: x\n")
    git("init", "-q", "-b", "main")
    git("add", ".")
    git("commit", "-q", "-m", "begin")
    head = "--- a/docker-compose.yml\n+++ b/docker-compose.yml\n@@ -1,3 +1,4 @@\n"
    diff = f"{head} services:\n   web:\n+    init: true\n     image: x\n"
    patch = SuggestedPatch(file="docker-compose.yml", diff=diff, directory=str(tmp_path / "sub"))

    patch_files.commit_to_branch("cure", [patch])

    assert "init: true" in git("show", "cure:sub/docker-compose.yml")
    assert "init" not in compose.read_text()
    assert git("status", "--porcelain") == ""
    first = patch_files.write_patch(tmp_path, "studio-web", patch)
    second = patch_files.write_patch(tmp_path, "studio-web", SuggestedPatch(**{**patch, "diff": diff + "\n"}))
    assert (first.name, second.name, first.read_text()) == ("studio-web.patch", "studio-web-2.patch", diff)
