"""Redis and PostgreSQL of Debian's packages, which docker-compose.yml uses as it uses the official images."""

from __future__ import annotations

from pathlib import Path

from images import debian, engine
from images.debian import ROOT

_ENTRYPOINT = Path(__file__).with_name("postgres-entrypoint.sh")
_CALLED = "docker-entrypoint.sh"
_SETTLED = '"$1/etc/postgresql-common/createcluster.conf"'


def redis() -> str:
    """`redis-server` as the user redis, with /data for it to keep things in."""
    return debian.image(
        "redis",
        ["redis-server"],
        hooks=[_owned("redis", "/data")],
        changes=["USER redis", "WORKDIR /data", 'CMD ["redis-server"]'],
    )


def postgres() -> str:
    """A server that makes itself a cluster, a role and a database at its first start."""
    return debian.image(
        "postgres",
        ["postgresql"],
        hooks=[
            # Debian would make a cluster here and now.
            '--essential-hook=mkdir -p "$1/etc/postgresql-common"',
            f"--essential-hook=echo 'create_main_cluster = false' > {_SETTLED}",
            _owned("postgres", "/var/lib/postgresql/data"),
            # A tmpfs over a directory that the image lacks is root's alone after a restart of the container.
            "--skip=cleanup/run",
            _owned("postgres", "/run/postgresql", mode="3777"),
            f'--customize-hook=install -m 0755 {_ENTRYPOINT.relative_to(ROOT)} "$1/usr/local/bin/{_CALLED}"',
        ],
        changes=["USER postgres", f'ENTRYPOINT ["{_CALLED}"]', 'CMD ["postgres"]'],
        besides=[engine.digest(_ENTRYPOINT)],
    )


def _owned(user: str, directory: str, mode: str = "0700") -> str:
    return f'--customize-hook=chroot "$1" install -d -o {user} -g {user} -m {mode} {directory}'
