"""`[intents.NAME]`: what is taken, and that each fault names file, key and value."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.domain.intents import Approval
from app.domain.stack_id import StackId
from app.settings import ConfigError, read_power_toml

STACK = """
[features]
intents = true
[stacks.vx11]
project = "vx11"
core = ["madre"]
allow = ["switch", "hermes"]
max_ttl = "4h"
"""
INTENT = """
[intents.translate]
description = "translate documents"
services = ["switch", "hermes"]
ttl = "2h"
build = ["switch"]
build_timeout = "5m"
approval = true

[intents.translate.checks.answers.http]
url = "http://127.0.0.1:8000/"
headers = {Authorization = "Bearer hush-hush"}

[intents.translate.checks.quiet]
depends_on = ["answers"]
log = {service = "switch", pattern = "Traceback", seen = false}
"""
OTHER = '[stacks.lab]\nproject = "lab"\nallow = ["web"]\n'


def write(directory: Path, text: str) -> Path:
    path = directory / "power.toml"
    path.write_text(text)
    return path


def test_an_intent_is_read_with_its_checks(tmp_path: Path) -> None:
    toml = read_power_toml(write(tmp_path, STACK + INTENT))

    written = toml.intents_of(StackId("vx11"))["translate"]
    intent = written.intent
    assert (intent.services, intent.build, intent.ttl) == (("switch", "hermes"), ("switch",), 7200)
    assert (intent.build_timeout, intent.approval) == (300, Approval.PERSON)
    assert [one["name"] for one in intent.checks] == ["answers", "quiet"]
    assert written.scenario.steps["quiet"].depends_on == ("answers",)
    assert "hush" not in str(intent.as_json())


def test_without_the_feature_no_stack_has_an_intent(tmp_path: Path) -> None:
    toml = read_power_toml(write(tmp_path, STACK.replace("intents = true", "intents = false") + INTENT))
    assert toml.intents_of(StackId("vx11")) == {}


def test_a_change_of_an_intent_is_a_change_of_its_stack_alone(tmp_path: Path) -> None:
    before = read_power_toml(
        write(tmp_path, STACK + OTHER + INTENT.replace("services", 'stack = "vx11"\nservices', 1))
    )
    changed = INTENT.replace("services", 'stack = "vx11"\nservices', 1).replace("Traceback", "Error")
    after = read_power_toml(write(tmp_path, STACK + OTHER + changed))

    assert after.differs_on(StackId("vx11"), before)
    assert not after.differs_on(StackId("lab"), before)


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ('["switch", "hermes"]\nttl', '["swich"]\nttl',
         "services: 'swich' is not in `allow` of stack vx11; did you mean switch?"),
        ('["switch", "hermes"]\nttl', '["madre"]\nttl',
         "services: 'madre' is core of stack vx11, which is never powered"),
        ('build = ["switch"]', 'build = ["nix"]',
         "build: 'nix' is not in `allow` of stack vx11; there is hermes, switch"),
        ('ttl = "2h"', 'ttl = "9h"', "ttl: 9h is over max_ttl of stack vx11, 4h"),
        ('ttl = "2h"', 'ttl = "soon"', "ttl: 'soon' is not a duration; write 90, 90s, 30m or 1h30m"),
        ('ttl = "2h"', 'tll = "2h"', "tll: is no key of an intent; did you mean ttl?"),
        ("approval = true", 'approval = "ada"', "approval: 'ada' is none of true, false and \"other\""),
        ("approval = true", 'stack = "vx1"', "stack: 'vx1' is no stack of this file; did you mean vx11?"),
        ("seen = false", "sen = false", "checks.quiet.log.sen: is not a key here; did you mean seen?"),
        ('["answers"]', '["answer"]', "checks.quiet.depends_on: 'answer' is no step; did you mean answers?"),
    ],
)  # fmt: skip
def test_a_fault_names_file_key_and_value(tmp_path: Path, old: str, new: str, fault: str) -> None:
    path = write(tmp_path, STACK + INTENT.replace(old, new, 1))

    with pytest.raises(ConfigError) as caught:
        read_power_toml(path)

    assert caught.value.faults == [f"{path}: intents.translate.{fault}"]


def test_an_intent_names_its_stack_where_there_are_several(tmp_path: Path) -> None:
    path = write(tmp_path, STACK + OTHER + INTENT)

    with pytest.raises(ConfigError) as caught:
        read_power_toml(path)

    assert caught.value.faults == [f"{path}: intents.translate.stack: is missing; there is lab, vx11"]


def test_an_intent_of_a_rejected_stack_rejects_nothing_else(tmp_path: Path) -> None:
    text = STACK.replace('"4h"', '"soon"') + OTHER + INTENT.replace("services", 'stack = "vx11"\nservices', 1)
    toml = read_power_toml(write(tmp_path, text))
    assert (set(toml.stacks), set(toml.rejected), dict(toml.intents)) == ({"lab"}, {"vx11"}, {})
