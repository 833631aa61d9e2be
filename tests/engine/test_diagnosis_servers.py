# ruff: noqa: E501 - what servers are configured with stays on one line
"""Real servers that fail: nginx, PostgreSQL and Redis, each diagnosed from what it writes itself."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from examples.vx11 import image
from images import servers
from tests.engine.small_images import ensure_image
from tests.engine.stacks import Definition, Stack, needs, running, until
from tests.engine.test_diagnosis import causes, newest

_DATA = "/var/lib/postgresql/data"
Services = Mapping[str, Definition]
_USERS = b"root:x:0:0::/:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\n"
_GROUPS = b"root:x:0:\nnogroup:x:65534:\n"


def nginx(configuration: str, **more: object) -> Definition:
    """This machine's nginx with these lines in its `http` section."""
    if not (path := shutil.which("nginx")):
        pytest.fail("this machine has no nginx: apt-get install nginx-light")
    program = Path(path).resolve()
    files = {name: (one.read_bytes(), 0o755) for name, one in image.libraries([program]).items()}
    text = f"daemon off; error_log stderr; events {{}} http {{ access_log off; {configuration} }}\n"
    files |= {
        "usr/bin/nginx": (program.read_bytes(), 0o755),
        "etc/nginx/nginx.conf": (text.encode(), 0o644),
        "etc/passwd": (_USERS, 0o644),
        "etc/group": (_GROUPS, 0o644),
        "var/lib/nginx/keep": (b"", 0o644),
        "run/keep": (b"", 0o644),
    }
    name = ensure_image(files, programs=("sh",), changes=['ENTRYPOINT ["/usr/bin/nginx"]'])
    return {"image": name, "stop_grace_period": "2s", **more}


def postgres(command: str, **more: object) -> Definition:
    """The project's PostgreSQL image, which runs this shell command."""
    entrypoint = ["sh", "-c", "PATH=$(echo /usr/lib/postgresql/*/bin):$PATH; ".replace("$", "$$") + command]
    return {
        "image": servers.postgres(),
        "entrypoint": entrypoint,
        "command": [],
        "stop_grace_period": "2s",
        **more,
    }


def database() -> Definition:
    check = {
        "test": ["CMD-SHELL", "pg_isready -h 127.0.0.1 -U app -d app"],
        "interval": "300ms",
        "retries": 100,
    }
    variables = {
        "PGDATA": f"{_DATA}/db",
        "POSTGRES_USER": "app",
        "POSTGRES_PASSWORD": "right",
    }
    return {
        "image": servers.postgres(),
        "environment": {**variables, "POSTGRES_DB": "app"},
        "healthcheck": check,
        "stop_grace_period": "5s",
    }


CASES: dict[str, tuple[str, str, Callable[[], Services]]] = {
    "nginx-directive": ("bad-configuration", "lisen", lambda: {"web": nginx("server { lisen 80; }")}),
    "nginx-upstream": (
        "name-not-resolved",
        "backend",
        lambda: {"web": nginx("server { listen 80; location / { proxy_pass http://backend:8080; } }")},
    ),
    "nginx-address": (
        "address-in-use",
        "",
        lambda: {
            "other": nginx("server { listen 80; }"),
            "web": nginx("server { listen 80; }", network_mode="service:other", **needs(other="started")),
        },
    ),
    "nginx-read-only": (
        "read-only-path",
        "/var/lib/nginx",
        lambda: {"web": nginx("server { listen 80; }", read_only=True)},
    ),
    "postgres-version": (
        "version-mismatch",
        "another version",
        lambda: {
            "web": postgres(
                "mkdir -m 700 /tmp/d && echo 13 >/tmp/d/PG_VERSION && touch /tmp/d/postgresql.conf && exec postgres -D /tmp/d"
            )
        },
    ),
    "postgres-owner": (
        "volume-owner",
        "another user",
        lambda: {"web": postgres(f"exec postgres -D {_DATA}", user="12345", volumes=[_DATA])},
    ),
    "postgres-password": (
        "wrong-password",
        "password",
        lambda: {
            "db": database(),
            "web": postgres(
                "PGPASSWORD=wrong exec psql -h db -U app -d app -c 'select 1'", **needs(db="healthy")
            ),
        },
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_real_server_has_its_cause(stack: Stack, name: str) -> None:
    cause, title, build = CASES[name]
    stack.write({**build(), "spare": running()}, tuned={"web": {"ready_timeout": "15s"}}).begin()
    stack.open("web")

    until(lambda: causes(stack)[:1] == [cause], f"{cause} is found, not {causes(stack)}", 25, stack)
    row = newest(stack)
    assert row
    assert title in row.causes[0]["title"]
