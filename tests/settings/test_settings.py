"""power.toml and the environment: what is taken, and what is said of what is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from app import settings
from app.domain.stack_id import StackId
from app.settings import ConfigError, read_power_toml

GOOD = """
[stacks.vx11]
project = "vx11"
core = ["madre"]
allow = ["switch", "hermes"]
default_ttl = "1h30m"

[stacks.vx11.services.switch]
up_timeout = 45
"""


def written(directory: Path, text: str) -> Path:
    path = directory / "power.toml"
    path.write_text(text)
    return path


def faults(directory: Path, text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        read_power_toml(written(directory, text))
    return caught.value.faults


def test_what_is_left_out_has_its_default(tmp_path: Path) -> None:
    stack = read_power_toml(written(tmp_path, GOOD)).stacks[StackId("vx11")]

    assert (stack.default_ttl, stack.max_ttl, stack.drift, stack.node) == (5400, 28800, "report", "local")
    assert stack.files == ["docker-compose.yml"]
    assert (stack.section_of("switch").up_timeout, stack.section_of("hermes").up_timeout) == (45, 30)


def test_a_directory_is_taken_from_where_the_file_lies(tmp_path: Path) -> None:
    stack = read_power_toml(
        written(tmp_path, GOOD + '\n[stacks.b]\nproject="b"\nallow=["x"]\ndirectory="sub"')
    )

    assert stack.stacks[StackId("vx11")].directory == tmp_path.resolve()
    assert stack.stacks[StackId("b")].directory == (tmp_path / "sub").resolve()


def test_every_fault_has_a_line_that_names_its_key(tmp_path: Path) -> None:
    bad = """
    [stacks.a]
    project = "A b"
    nonsense = 1
    allow = ["x"]
    [stacks.b]
    allow = []
    max_ttl = "soon"
    drift = "maybe"
    """
    lines = faults(tmp_path, bad)

    keys = {line.split(": ")[1] for line in lines}
    assert keys == {
        "stacks.a.project",
        "stacks.a.nonsense",
        "stacks.b.project",
        "stacks.b.allow",
        "stacks.b.max_ttl",
        "stacks.b.drift",
    }
    assert all(line.startswith(str(tmp_path)) and "\n" not in line for line in lines)


@pytest.mark.parametrize("address", ["http://gpu.lan", "gpu.lan:8080", "gpu.lan/x", "", "a b", "-x"])
def test_an_address_that_is_no_host_is_refused(tmp_path: Path, address: str) -> None:
    (line,) = faults(tmp_path, GOOD.replace('core = ["madre"]', f'core = ["madre"]\naddress = "{address}"'))
    assert "stacks.vx11.address: " in line
    assert "write one such as gpu.lan" in line


def test_core_is_never_allowed(tmp_path: Path) -> None:
    lines = faults(tmp_path, GOOD.replace('core = ["madre"]', 'core = ["switch"]'))
    assert len(lines) == 1
    assert "switch is core" in lines[0]


@pytest.mark.parametrize("name", ["--help", "-f", ".hidden", "a b", "", "a/b"])
def test_a_name_that_could_be_an_option_is_no_service(tmp_path: Path, name: str) -> None:
    assert faults(tmp_path, GOOD.replace('"hermes"', f'"{name}"'))


def test_a_default_over_the_maximum_is_a_fault(tmp_path: Path) -> None:
    lines = faults(tmp_path, GOOD.replace('"1h30m"', '"9h"'))
    assert "default_ttl: 32400 s is over max_ttl, 28800 s" in lines[0]


def test_a_default_over_an_unset_maximum_says_to_set_it(tmp_path: Path) -> None:
    lines = faults(tmp_path, GOOD.replace('"1h30m"', '"9h"'))
    assert lines[0].endswith("28800 s where it is not set; set it as well")
    assert not faults(tmp_path, GOOD.replace('"1h30m"', '"9h"\nmax_ttl = "8h"'))[0].endswith("as well")


@pytest.mark.parametrize(("longest", "usual"), [("10m", 600), ("29m59s", 1799), ("30m", 1800), ("9h", 1800)])
def test_a_maximum_alone_is_enough(tmp_path: Path, longest: str, usual: float) -> None:
    parsed = read_power_toml(
        written(tmp_path, GOOD.replace('default_ttl = "1h30m"', f'max_ttl = "{longest}"'))
    )
    assert parsed.stacks[StackId("vx11")].default_ttl == usual


def test_a_maximum_that_is_at_fault_is_one_line(tmp_path: Path) -> None:
    lines = faults(tmp_path, GOOD.replace('default_ttl = "1h30m"', 'max_ttl = "soon"'))
    assert [line.split(": ")[1] for line in lines] == ["stacks.vx11.max_ttl"]


@pytest.mark.parametrize("key", ["up_timeout", "stop_timeout", "ready_timeout", "stable_for"])
def test_no_call_and_no_wait_for_a_service_takes_longer_than_a_day(tmp_path: Path, key: str) -> None:
    text = GOOD.replace("up_timeout = 45", f'{key} = "GIVEN"')
    assert faults(tmp_path, text.replace("GIVEN", "30d")) == [
        f"{tmp_path}/power.toml: stacks.vx11.services.switch.{key}: 30d is too long; at most 1d (86400 s)"
    ]
    assert read_power_toml(written(tmp_path, text.replace("GIVEN", "24h")))


@pytest.mark.parametrize("key", ["default_ttl", "max_ttl", "grace", "blind_grace", "before"])
def test_every_other_duration_is_a_year_at_most(tmp_path: Path, key: str) -> None:
    rest = 'max_ttl = "365d"\n' if key == "default_ttl" else ""
    text = f'[stacks.a]\nproject = "a"\nallow = ["x"]\n{rest}'
    if key == "before":
        text += '[notices.me]\napprise = "json://x"\n'
    (line,) = faults(tmp_path, text + f'{key} = "366d"\n')
    assert line.endswith(f".{key}: 366d is too long; at most 365d (31536000 s)")
    assert read_power_toml(written(tmp_path, text + f'{key} = "365d"\n'))


def test_a_file_that_is_missing_or_no_toml_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        read_power_toml(tmp_path / "none.toml")
    assert "cannot be read" in caught.value.faults[0]
    assert "is not TOML" in faults(tmp_path, "[stacks")[0]


def test_what_an_editor_on_windows_writes_is_read(tmp_path: Path) -> None:
    file = tmp_path / "power.toml"
    file.write_bytes(b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode())
    assert "vx11" in read_power_toml(file).stacks


def test_the_environment_names_everything_and_has_defaults(tmp_path: Path) -> None:
    plain = settings.load({"HOME": str(tmp_path)})
    assert plain.data_dir == tmp_path / ".local/state/power-windows"
    assert plain.database_url == f"sqlite:///{plain.data_dir}/power.db"
    assert plain.node == "local"

    loaded = settings.load(
        {"POWER_DATA_DIR": str(tmp_path), "POWER_NODE": "gpu", "POWER_BROKER_URL": "redis://b"}
    )
    assert (loaded.data_dir, loaded.node, loaded.broker_url) == (tmp_path, "gpu", "redis://b")


def test_a_standalone_leaves_its_broker_where_it_is_found(tmp_path: Path) -> None:
    (tmp_path / settings.BROKER_URL_FILE).write_text("redis+socket://:secret@/x?virtual_host=0\n")
    assert (
        settings.load({"POWER_DATA_DIR": str(tmp_path)}).broker_url
        == "redis+socket://:secret@/x?virtual_host=0"
    )


PLAIN = '[stacks.lab]\nproject = "lab"\nallow = ["web"]\n'


@pytest.mark.parametrize(
    ("wrong", "right"), [("My.Lab", "mylab"), ("Lab", "lab"), ("_lab", "lab"), ("my lab", "mylab")]
)
def test_a_project_that_compose_does_not_permit_gets_a_proposal(
    tmp_path: Path, wrong: str, right: str
) -> None:
    (line,) = faults(tmp_path, PLAIN.replace('"lab"', f'"{wrong}"'))

    assert f"stacks.lab.project: {wrong!r} is no name of a Compose project" in line
    assert line.endswith(f"; write {right!r}")


def test_a_name_of_which_nothing_is_left_gets_no_proposal(tmp_path: Path) -> None:
    (line,) = faults(tmp_path, PLAIN.replace('"lab"', '"..."'))
    assert line.endswith("first a letter or digit")


def test_a_stack_without_a_project_gets_its_own_name_as_proposal(tmp_path: Path) -> None:
    (line,) = faults(tmp_path, '[stacks."My.Lab"]\nallow = ["web"]\n')
    assert line.endswith('stacks.My.Lab.project: is missing; write project = "mylab"')


def test_a_name_with_a_dot_that_is_not_quoted_is_shown_quoted(tmp_path: Path) -> None:
    lines = faults(tmp_path, PLAIN.replace("stacks.lab", "stacks.My.Lab"))
    assert any(line.endswith('a name with a dot is quoted: [stacks."My.Lab"]') for line in lines)


@pytest.mark.parametrize("name", ["_tools", "_", "Web.2", "a-b_c.d", "9"])
def test_a_service_of_any_name_that_compose_permits_may_be_listed(tmp_path: Path, name: str) -> None:
    path = tmp_path / "power.toml"
    path.write_text(PLAIN.replace('"web"', f'"{name}"'))
    assert read_power_toml(path).stacks[StackId("lab")].allow == [name]


@pytest.mark.parametrize("key", ["allow", "core"])
@pytest.mark.parametrize("name", ["my tools", "-f", "", "a/b"])
def test_a_service_is_refused_by_its_name(tmp_path: Path, key: str, name: str) -> None:
    (line,) = faults(tmp_path, f'[stacks.lab]\nproject = "lab"\n{key} = ["ok", "{name}"]\n' + ALLOWS[key])
    assert f"stacks.lab.{key}: {name!r} is no name of a service" in line


ALLOWS = {"allow": "", "core": 'allow = ["web"]\n'}


@pytest.mark.parametrize("key", ["files", "env_files", "profiles"])
def test_an_entry_of_a_list_is_named_by_what_it_is(tmp_path: Path, key: str) -> None:
    (line,) = faults(tmp_path, PLAIN + f"{key} = [5]\n")
    assert f"stacks.lab.{key}: 5: " in line


@pytest.mark.parametrize(
    ("section", "named"),
    [
        ('[stacks.bad]\nproject = "My.Lab"\nallow = ["web"]\n', "bad"),
        ('[stacks.bad]\nallow = ["web"]\n', "bad"),
        ('[stacks.bad]\nproject = "bad"\nallow = ["a b"]\ntypo = 1\n', "bad"),
        ('[stacks.clock]\nproject = "bad"\nallow = ["web"]\n', "clock"),
        ('[stacks.My.Lab]\nproject = "bad"\nallow = ["web"]\n', "My"),
        ("[stacks]\nbad = 1\n", "bad"),
    ],
)
def test_a_stack_with_faults_is_set_apart_from_the_others(tmp_path: Path, section: str, named: str) -> None:
    path = tmp_path / "power.toml"
    path.write_text(f"{section}{PLAIN}")

    toml = read_power_toml(path)

    assert set(toml.stacks) == {"lab"}
    assert set(toml.rejected) == {named}
    assert all(f"{path}: stacks.{named}" in fault for fault in toml.rejected[StackId(named)].faults)


def test_what_is_wrong_outside_of_the_stacks_rejects_the_file(tmp_path: Path) -> None:
    lines = faults(tmp_path, f'{PLAIN}[stacks.bad]\nallow = ["web"]\n[rejected.x]\na = 1\n')
    assert any("rejected" in line and "is not a setting" in line for line in lines)
    assert any("stacks.bad.project" in line for line in lines)


@pytest.mark.parametrize(
    ("section", "proposal"),
    [
        ('[stack.x]\nproject = "x"\n', "stack: is not a setting; did you mean stacks?"),
        ('[stacks.lab]\nprojekt = "x"\n', "stacks.lab.projekt: is not a setting; did you mean project?"),
        (
            "[stacks.lab.services.web]\nready_timout = 5\n",
            "stacks.lab.services.web.ready_timout: is not a setting; did you mean ready_timeout?",
        ),
        ("[notices.ops]\nurls = 'x'\n", "notices.ops.urls: is not a setting; did you mean url?"),
        (
            "[stacks.lab.services.web]\nx = 5\n",
            "is not a setting; there is images, oneshot, ready_timeout, stable_for, stop_timeout, up_timeout",
        ),
    ],
)
def test_a_key_that_was_nearly_right_is_proposed(tmp_path: Path, section: str, proposal: str) -> None:
    assert any(proposal in line for line in faults(tmp_path, section))
