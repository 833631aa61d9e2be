"""Whom an event of a container concerns."""

from __future__ import annotations

from app.domain.readiness import Container
from app.domain.stack_id import StackId
from workers.engine import containers
from workers.state.affected_services import AffectedServices


def container(id: str, **owners: str) -> Container:
    return Container(id=id, service="any", state="running", owners=owners)


def test_all_that_use_a_namespace_through_it_are_concerned() -> None:
    concerned = AffectedServices()
    concerned.note(StackId("home"), "vpn", [container("v")])
    concerned.note(StackId("home"), "proxy", [container("p", network="v")])
    concerned.note(StackId("lab"), "dl", [container("d", pid="p")])
    concerned.note(StackId("lab"), "web", [container("w")])

    assert concerned.by("v") == {("home", "vpn"), ("home", "proxy"), ("lab", "dl")}
    assert concerned.by("w") == {("lab", "web")}
    assert concerned.by("unknown") == set()


def test_the_last_look_counts() -> None:
    concerned = AffectedServices()
    concerned.note(StackId("home"), "dl", [container("d", network="v")])
    concerned.note(StackId("home"), "dl", [])

    assert concerned.by("v") == set()


def test_a_stack_that_is_gone_is_forgotten() -> None:
    concerned = AffectedServices()
    concerned.note(StackId("home"), "vpn", [container("v")])
    concerned.note(StackId("lab"), "dl", [container("d", network="v")])

    concerned.forget(StackId("home"))

    assert concerned.by("v") == {("lab", "dl")}


def test_an_event_of_a_network_is_about_the_container_that_it_names() -> None:
    attributes = {"container": "c1", "name": "front", "type": "bridge"}
    assert containers.concerned_container({"ID": "n1", "Attributes": attributes}) == "c1"


def test_a_label_that_is_called_container_names_none() -> None:
    attributes = {"container": "c1", "image": "any", "name": "web"}
    assert containers.concerned_container({"ID": "c2", "Attributes": attributes}) == "c2"
