"""The top-level docker-compose.yml, as it is, on images that no registry was asked for."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.deploy.site import LONG_RUNNING, ROOT, Site, until

SOCKET = "/var/run/docker.sock"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    subprocess.run(["make", "--no-print-directory", "images"], cwd=ROOT, check=True, capture_output=True)
    named = dict(line.split("=", 1) for line in (ROOT / ".env").read_text().splitlines())
    images = {setting: name for setting, name in named.items() if setting.endswith("IMAGE")}
    # The worker reads it as another user, through every directory above it.
    home = tmp_path_factory.mktemp("studio")
    for path in (home, *home.parents[:2]):
        path.chmod(0o755)
    site = Site(home, images)
    try:
        site.up()
        yield site
    finally:
        site.strike()


@pytest.fixture(scope="module")
def api(site: Site) -> Iterator[httpx.Client]:
    with site.api() as client:
        until(lambda: client.get("/stacks/studio").status_code == 200, "the worker serves the stack")
        yield client


def opened(api: httpx.Client, ttl_sec: int = 600) -> dict[str, Any]:
    asked = {"stack": "studio", "services": ["forge"], "ttl_sec": ttl_sec}
    answer = api.post("/windows", json=asked, headers={"Prefer": "wait=60"})
    assert answer.status_code == 202, answer.text
    window: dict[str, Any] = answer.json()
    return window


def closed(api: httpx.Client, window: str) -> dict[str, Any]:
    answer = api.post(f"/windows/{window}/close", json={}, headers={"Prefer": "wait=60"})
    shown_window: dict[str, Any] = answer.json()
    return shown_window


def test_a_window_is_opened_and_closed_and_seen_in_flower(site: Site, api: httpx.Client) -> None:
    window = opened(api)
    assert (window["state"], window["status"]) == ("open", "ok")
    assert site.running() == {"hearth", "forge"}

    assert closed(api, window["id"])["state"] == "closed"
    assert site.running() == {"hearth"}

    until(lambda: seen(site, window["id"]), "flower shows the tasks")


def seen(site: Site, window: str) -> bool:
    """Events are told once, and a worker in a hurry may drop one: either task of the window will do."""
    return any(
        one["name"] in {"power.open_window", "power.close_window"}
        and window in (one["args"] or "")
        and one["state"] == "SUCCESS"
        for one in site.flower("/api/tasks").json().values()
    )


def test_everything_that_runs_is_healthy_and_the_migration_is_done(site: Site) -> None:
    assert site.healthy()
    migrated = site.containers()["migrate"]["State"]
    assert (migrated["Status"], migrated["ExitCode"]) == ("exited", 0)


def test_only_the_front_and_flower_are_published_and_only_on_loopback(site: Site) -> None:
    published = {
        (service, bound["HostIp"], int(bound["HostPort"]))
        for service, one in site.containers().items()
        for bounds in one["NetworkSettings"]["Ports"].values()
        for bound in bounds or []
    }
    assert published == {("web", "127.0.0.1", site.port), ("flower", "127.0.0.1", site.flower_port)}


def test_no_container_runs_as_root_or_gains_rights(site: Site) -> None:
    for service, one in site.containers().items():
        host = one["HostConfig"]
        assert one["Config"]["User"] not in {"", "0", "root"}, service
        assert (host["ReadonlyRootfs"], host["CapDrop"], host["Privileged"]) == (True, ["ALL"], False), (
            service
        )
        assert "no-new-privileges:true" in host["SecurityOpt"], service
    for service in LONG_RUNNING:
        (ids,) = [
            line.split()[1:]
            for line in site.compose("exec", "-T", service, "cat", "/proc/1/status").splitlines()
            if line.startswith("Uid:")
        ]
        assert "0" not in ids, service


def test_only_the_worker_has_the_engines_socket(site: Site) -> None:
    having = {
        service
        for service, one in site.containers().items()
        if any(SOCKET in (mount["Source"], mount["Destination"]) for mount in one["Mounts"])
    }
    assert having == {"worker"}


def test_each_reaches_no_more_than_it_needs(site: Site) -> None:
    reached = {
        service: {name.removeprefix(f"{site.project}_") for name in one["NetworkSettings"]["Networks"]}
        for service, one in site.containers().items()
    }
    assert reached == {
        "web": {"front", "broker", "database"},
        "worker": {"broker", "database"},
        "beat": {"broker", "database"},
        "flower": {"monitor", "broker"},
        "migrate": {"database"},
        "redis": {"broker"},
        "postgres": {"database"},
    }


def test_flower_and_the_front_want_to_know_who_asks(site: Site) -> None:
    assert httpx.get(f"http://127.0.0.1:{site.flower_port}/api/tasks").status_code == 401
    assert httpx.get(f"http://127.0.0.1:{site.port}/api/v1/stacks").status_code == 401


def test_no_password_is_in_an_image(site: Site) -> None:
    for one in site.containers().values():
        attributes = str(site.engine.images.get(one["Image"]).attrs["Config"])
        assert site.flower_password not in attributes
        assert "POWER_BROKER_URL" not in attributes


def test_it_refuses_to_power_itself(site: Site, api: httpx.Client) -> None:
    """`itself` names this deployment's own project, and a web in it that carries no label."""
    until(lambda: "itself" in site.compose("logs", "worker"), "the worker has read the stack")
    assert f"stacks.itself.allow: web belongs to the project {site.project}" in site.compose("logs", "worker")
    answer = api.post("/windows", json={"stack": "itself", "services": ["web"]})
    assert answer.status_code in {403, 404, 409, 422, 503}, answer.text


def test_a_private_file_is_named_with_what_to_do(site: Site, api: httpx.Client) -> None:
    """Only its owner may read it, and the worker is another user; compose would stop there without a hint."""
    message = f"{site.private} cannot be read by the worker's user 8420: give it"
    until(lambda: message in site.compose("logs", "worker"), "the worker names the file")


def test_a_second_worker_of_the_node_ends_what_the_first_began(site: Site, api: httpx.Client) -> None:
    def grown(number: int) -> None:
        words = ("--no-recreate", "--no-deps", "--wait", "--scale", f"worker={number}", "worker")
        site.compose("up", "-d", *words)

    grown(2)
    for killed in site.workers():
        window = opened(api, ttl_sec=12)
        assert window["state"] == "open"
        killed.kill()
        until(lambda: site.running() == {"hearth"}, "the other one ends the window")
        path = f"/windows/{window['id']}"
        until(lambda at=path: api.get(at).json()["state"] == "closed", "it is closed")  # type: ignore[misc]
        killed.start()
        until(lambda: len(site.workers()) == 2 and site.healthy(), "both are back")
    grown(1)


def test_a_restart_of_each_in_turn_loses_nothing(site: Site, api: httpx.Client) -> None:
    window = opened(api)["id"]
    for service in sorted(LONG_RUNNING):
        site.compose("restart", "--no-deps", service)
        until(site.healthy, f"all are healthy after a restart of {service}")
    assert api.get(f"/windows/{window}").json()["state"] == "open"
    assert site.running() == {"hearth", "forge"}

    assert closed(api, window)["state"] == "closed"
    assert site.running() == {"hearth"}


def test_the_secrets_are_for_their_owner_alone(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    command, environ = [ROOT / "bin" / "secrets"], {"PATH": "/usr/bin:/bin", "POWER_ENV_FILE": str(file)}
    subprocess.run(command, env=environ, check=True)
    first = file.read_text()
    subprocess.run([*command, "POWER_IMAGE=mine:1"], env=environ, check=True)

    assert file.stat().st_mode & 0o777 == 0o600
    assert set(first.splitlines()) < set(file.read_text().splitlines())
    assert "POWER_IMAGE=mine:1" in file.read_text()
    ignored = subprocess.run(["git", "check-ignore", "--quiet", ".env"], cwd=ROOT, check=False)
    assert ignored.returncode == 0
