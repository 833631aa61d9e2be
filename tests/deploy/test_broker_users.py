"""The Redis users of docker-compose.yml: each part can do its work with its own, and nothing besides.

The server runs here with the very configuration that docker-compose.yml gives it, and so do
the parts; no image is needed.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

import migrations
from app.standalone import broker as brokers
from app.standalone import children
from app.store import tokens
from app.store.database import Database
from app.web import server
from tests.deadline import until
from tests.deploy.site import COMPOSE, ROOT

PROJECT = f"users-{os.getpid()}"
USERS = ("web", "worker", "beat", "flower")


class Deployment:
    """Redis as it is configured there, and what each service is told of it."""

    def __init__(self, home: Path) -> None:
        self.home, self.port = home, brokers.free_port()
        self.web_port, self.flower_port = brokers.free_port(), brokers.free_port()
        env = home / "deployment"
        subprocess.run([ROOT / "bin" / "secrets"], check=True, env=os.environ | {"POWER_ENV_FILE": str(env)})
        self.environ = dict(line.split("=", 1) for line in env.read_text().splitlines())
        self._services = self._read()
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def _read(self) -> dict[str, Any]:
        argv = [str(COMPOSE), "-f", str(ROOT / "docker-compose.yml"), "config", "--format", "json"]
        done = subprocess.run(argv, env=os.environ | self.environ, capture_output=True, text=True, check=True)
        services_read: dict[str, Any] = json.loads(done.stdout)["services"]
        return services_read

    def start_server(self) -> None:
        """The service's own command, in a directory of the test's and on a port of its own."""
        (self.home / "redis-server").symlink_to(brokers.server_binary())
        command = self._services["redis"]["command"][0].replace("$$", "$")
        here = command.replace("dir /data", f"dir {self.home}\nbind 127.0.0.1\nport {self.port}")
        environ = {**os.environ, **self._services["redis"]["environment"]}
        environ["PATH"] = f"{self.home}:{os.environ['PATH']}"
        self._processes["redis"] = subprocess.Popen(
            ["sh", "-c", here], env=environ, stdout=subprocess.DEVNULL
        )
        until(self._answers, "the server answers")

    def _answers(self) -> bool:
        try:
            with self.client() as operator:
                return bool(operator.ping())
        except redis.ConnectionError:
            return False

    def client(self, user: str | None = None) -> Any:
        """As one of the users, else as the operator, who has the password alone."""
        password = urlsplit(self.url(user)).password if user else self.environ["POWER_BROKER_PASSWORD"]
        return redis.Redis(port=self.port, username=user, password=password, retry=Retry(NoBackoff(), 0))

    def url(self, service: str) -> str:
        url: str = self._services[service]["environment"]["POWER_BROKER_URL"]
        return url.replace("@redis:6379", f"@127.0.0.1:{self.port}")

    def start(self, service: str, **more: str) -> None:
        environ = {
            **{name: value for name, value in os.environ.items() if not name.startswith("POWER_")},
            "POWER_DATA_DIR": str(self.home / "data"),
            "POWER_CONFIG": str(self.home / "power.toml"),
            "POWER_BROKER_URL": self.url(service),
            **more,
        }
        commands = {
            "web": tuple(server.command("127.0.0.1", self.web_port)),
            "worker": children.worker_command("local", "power@local"),
            "beat": children.beat_command(),
            "flower": children.flower_command("127.0.0.1", self.flower_port),
        }
        argv = commands[service]
        with self.log(service).open("wb") as log:
            self._processes[service] = subprocess.Popen(argv, cwd=ROOT, env=environ, stdout=log, stderr=log)

    def log(self, service: str) -> Path:
        return self.home / f"{service}.log"

    def stop(self) -> None:
        for process in reversed(self._processes.values()):
            process.terminate()
        for process in self._processes.values():
            try:
                process.wait(30)
            finally:
                process.kill()


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    deployment = Deployment(tmp_path_factory.mktemp("users"))
    try:
        deployment.start_server()
        yield deployment
    finally:
        deployment.stop()
        # The opening makes the project's network, though there is no image to start.
        subprocess.run(["docker", "network", "rm", f"{PROJECT}_default"], capture_output=True, check=False)


@pytest.mark.parametrize("user", USERS)
@pytest.mark.parametrize(
    "command",
    [
        "FLUSHALL",
        "CONFIG GET requirepass",
        "CONFIG SET requirepass x",
        "ACL LIST",
        "ACL SETUSER web +@all",
        "KEYS *",
        "SHUTDOWN",
        "SAVE",
        "CLIENT KILL TYPE normal",
        "REPLICAOF 127.0.0.1 1",
        "SET elsewhere 1",
        "LPUSH elsewhere 1",
        "PUBLISH elsewhere 1",
        "SUBSCRIBE elsewhere",
        "EVAL return(1) 0",
    ],
)
def test_no_part_can_do_what_it_has_no_need_of(deployment: Deployment, user: str, command: str) -> None:
    with deployment.client(user) as client, pytest.raises(redis.exceptions.NoPermissionError):
        client.execute_command(*command.split())


@pytest.mark.parametrize(
    ("user", "command"),
    [
        ("web", "BRPOP power 1"),
        ("web", "RPOP power"),
        ("web", "DEL power"),
        ("web", "HGETALL unacked"),
        ("web", "PSUBSCRIBE /0.celeryev/*"),
        ("beat", "LPUSH power.local 1"),
        ("beat", "BRPOP power 1"),
        ("worker", "PSUBSCRIBE /0.celeryev/*"),
        ("worker", "PUBLISH /0.celery.pidbox 1"),
        ("flower", "LPUSH power 1"),
        ("flower", "BRPOP power 1"),
        ("flower", "DEL power"),
        ("flower", "HGETALL unacked"),
    ],
)
def test_no_part_can_do_what_another_does(deployment: Deployment, user: str, command: str) -> None:
    with deployment.client(user) as client, pytest.raises(redis.exceptions.NoPermissionError):
        client.execute_command(*command.split())


def test_no_client_connects_without_a_password(deployment: Deployment) -> None:
    for user in (None, *USERS):
        with (
            redis.Redis(port=deployment.port, username=user, retry=Retry(NoBackoff(), 0)) as client,
            pytest.raises(redis.AuthenticationError),
        ):
            client.ping()


def test_each_part_does_its_work_as_its_own_user(deployment: Deployment) -> None:
    home = deployment.home
    (home / "power.toml").write_text(f'[stacks.small]\nproject = "{PROJECT}"\nallow = ["forge"]\n')
    (home / "docker-compose.yml").write_text("services: {forge: {image: power-windows/absent}}\n")
    (home / "data").mkdir(mode=0o700)
    url = f"sqlite:///{home / 'data' / 'power.db'}"
    migrations.upgrade(url)
    database = Database(url)
    with database.write() as session:
        token = tokens.create(session, tokens.ADMIN, database.now())
    database.close()
    with deployment.client() as operator:
        operator.acl_log_reset()
        deployment.start("flower", FLOWER_BASIC_AUTH="power:secret")
        until(lambda: operator.pubsub_numpat() == 1, "flower listens", within=60)
        for service in ("worker", "beat", "web"):
            deployment.start(service)
        until(lambda: "power.sweep" in deployment.log("worker").read_text(), "a sweep arrives", within=60)
        window = _opened(deployment.web_port, token)
        until(
            lambda: "Task power.open_window[" in deployment.log("worker").read_text(),
            "the nudge arrives",
            within=30,
        )
        until(lambda: _seen_in_flower(deployment.flower_port, window), "flower shows it", within=30)

        refused = {(one["username"], one["object"]) for one in operator.acl_log()}
        # Kombu tries to restore messages for every consumer; Flower's are not acknowledged. Redis 7.0 does
        # not know CLIENT SETINFO, so no user may call it; the client library takes no for an answer.
        assert refused <= {("flower", "set"), *((user, "client|setinfo") for user in USERS)}
    for service in ("worker", "beat"):
        assert "cannot be used" not in deployment.log(service).read_text()


def _opened(port: int, token: str) -> str:
    """Also look at what asks the broker: readiness and figures."""
    with httpx.Client(
        base_url=f"http://127.0.0.1:{port}", headers={"Authorization": f"Bearer {token}"}, timeout=20
    ) as api:
        assert api.get("/readyz").json()["broker"]["status"] == "ok"
        assert "power_queue_depth" in api.get("/metrics").text
        answer = api.post("/api/v1/windows", json={"services": ["forge"], "ttl_sec": 60})
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


def _seen_in_flower(port: int, window: str) -> bool:
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", auth=("power", "secret"), timeout=20) as flower:
        workers = flower.get("/workers", params={"json": 1}).json()["data"]
        tasks = flower.get("/api/tasks").json().values()
    return bool(workers) and any(window in (one["args"] or "") for one in tasks)
