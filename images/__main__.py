"""`make images`: all images of docker-compose.yml, and the .env that names them."""

from __future__ import annotations

import subprocess

from examples.vx11 import image as example
from images import engine, product, servers
from images.debian import ROOT


def main() -> None:
    built = {
        "POWER_REDIS_IMAGE": servers.redis(),
        "POWER_POSTGRES_IMAGE": servers.postgres(),
        "POWER_IMAGE": product.image(),
    }
    # The exact ones, since another checkout's may take the tag that people know.
    pairs = [f"{setting}={name}" for setting, name in built.items()]
    subprocess.run([str(ROOT / "bin" / "secrets"), *pairs], check=True)
    for name in built.values():
        engine.known_as_local(name)
    for name in (*built.values(), example.ensure()):
        print(f"images: {name}")


if __name__ == "__main__":
    main()
