"""The images of the smoke tests, built from files at hand: no image registry is asked for anything.

broker              a valkey-server, the `cat` that pytest-celery looks into it with, and their libraries
worker              the product's own, as docker-compose.yml runs it
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from examples.vx11 import image
from images import engine, product


def broker() -> str:
    """The name of the broker's image, which is there when this returns."""
    server, cat = image.valkey(), Path(shutil.which("cat") or "/usr/bin/cat").resolve()
    files = {"usr/bin/redis-server": server, "usr/bin/cat": cat, **image.libraries([server, cat])}
    content = [f"{name} {engine.digest(path)}" for name, path in sorted(files.items())]
    return engine.ensured("smoke-broker", content, lambda name: _import_files(name, files))


def worker() -> str:
    """The name of the worker's image, which is there when this returns."""
    return product.image()


def _import_files(name: str, files: image.Files) -> None:
    with tempfile.TemporaryFile() as tar:
        image.write(files, tar)
        tar.seek(0)
        path = "ENV PATH=/usr/bin LD_LIBRARY_PATH=/lib"
        engine.run(["docker", "import", "--change", path, "-", name], stdin=tar)


if __name__ == "__main__":
    print(broker(), worker(), sep="\n")
