"""How a client finds the standalone that is meant, and never one that is gone."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from power_windows import discovery
from power_windows.discovery import Running, Target
from power_windows.errors import Refused, Unreachable, WrongUsage


class Home:
    """One user's machine: an environment, and standalones in it."""

    def __init__(self, home: Path) -> None:
        self.path = home
        self.environ = {"HOME": str(home)}

    def start(
        self, name: str, pid: int | None = None, started_at: str = "2026-03-01T10:00:00.000Z"
    ) -> Running:
        """A standalone that lives as long as this test, or as the process that is given."""
        directory = self.path / name
        directory.mkdir(parents=True, exist_ok=True)
        token = directory / "token"
        token.write_text(f"token-of-{name}\n")
        url = f"http://127.0.0.1:{8000 + len(name)}"
        running = Running(url, token, pid or os.getpid(), started_at, directory)
        discovery.publish(running, self.environ)
        return running


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


@pytest.fixture
def dead() -> int:
    """The id of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_the_only_one_is_found_with_its_token(home: Home) -> None:
    home.start("demo")

    assert discovery.find(home.environ) == Target("http://127.0.0.1:8004", "token-of-demo")


def test_none_is_said_with_what_to_do(home: Home) -> None:
    with pytest.raises(Unreachable, match="power standalone"):
        discovery.find(home.environ)


def test_one_that_was_killed_is_not_found(home: Home, dead: int) -> None:
    home.start("demo", pid=dead)

    with pytest.raises(Unreachable):
        discovery.find(home.environ)


def test_a_number_that_now_is_another_process_is_not_found(home: Home) -> None:
    home.start("demo")
    for record in [home.path / "demo" / "standalone.json", *home.path.rglob("running/*.json")]:
        edited = record.read_text().replace('"pid_started": ', '"pid_started": 1')
        record.write_text(edited)

    with pytest.raises(Unreachable):
        discovery.find(home.environ)


def test_one_that_was_killed_does_not_hide_the_one_that_lives(home: Home, dead: int) -> None:
    home.start("gone", pid=dead)
    home.start("here")

    assert discovery.find(home.environ).token == "token-of-here"


def test_several_are_named_with_how_to_choose(home: Home) -> None:
    home.start("one")
    home.start("another")

    with pytest.raises(WrongUsage) as error:
        discovery.find(home.environ)
    assert f"POWER_DATA_DIR={home.path / 'one'}" in str(error.value)
    assert f"POWER_DATA_DIR={home.path / 'another'}" in str(error.value)


def test_the_directory_that_is_named_is_meant(home: Home) -> None:
    home.start("one")
    home.start("another")

    running = discovery.find({**home.environ, "POWER_DATA_DIR": str(home.path / "one")})
    assert running.token == "token-of-one"


def test_no_other_stands_in_for_the_directory_that_is_named(home: Home) -> None:
    home.start("one")

    with pytest.raises(Unreachable, match="elsewhere"):
        discovery.find({**home.environ, "POWER_DATA_DIR": str(home.path / "elsewhere")})


def test_the_default_directory_goes_before_others(home: Home) -> None:
    home.start("one")
    home.start(".local/state/power-windows")

    assert discovery.find(home.environ).token == "token-of-.local/state/power-windows"


def test_the_state_directory_of_the_desktop_is_respected(home: Home, tmp_path: Path) -> None:
    home.environ["XDG_STATE_HOME"] = str(tmp_path / "state")
    home.start("demo")

    assert len(list((tmp_path / "state" / "power-windows" / "running").glob("*.json"))) == 1
    assert discovery.find(home.environ).token == "token-of-demo"


def test_an_address_and_a_token_in_the_environment_win(home: Home) -> None:
    home.start("demo")
    elsewhere = {"POWER_URL": "https://power.example/", "POWER_TOKEN": "secret"}

    assert discovery.find({**home.environ, **elsewhere}) == Target("https://power.example", "secret")


def test_the_token_of_a_standalone_is_not_sent_elsewhere(home: Home) -> None:
    home.start("demo")

    assert discovery.find({**home.environ, "POWER_URL": "https://power.example"}).token is None


def test_the_address_of_an_own_standalone_brings_its_token(home: Home) -> None:
    running = home.start("demo")
    home.start("other1")

    assert discovery.find({**home.environ, "POWER_URL": running.url}).token == "token-of-demo"


def test_a_token_in_the_environment_goes_before_the_file(home: Home) -> None:
    home.start("demo")

    assert discovery.find({**home.environ, "POWER_TOKEN": "other"}).token == "other"


def test_a_missing_token_is_reported_with_its_file(home: Home) -> None:
    running = home.start("demo")
    running.token_file.unlink()

    with pytest.raises(Refused, match=str(running.token_file)):
        discovery.find(home.environ)


def test_what_was_withdrawn_is_gone(home: Home) -> None:
    discovery.withdraw(home.start("demo"), home.environ)

    assert discovery.live(home.environ) == []
    assert not (home.path / "demo" / "standalone.json").exists()


def test_a_successor_is_not_withdrawn_by_its_predecessor(home: Home, dead: int) -> None:
    before = home.start("demo", pid=dead)
    after = home.start("demo")

    discovery.withdraw(before, home.environ)

    assert discovery.live(home.environ) == [after]


def test_withdrawing_twice_does_no_harm(home: Home) -> None:
    running = home.start("demo")

    discovery.withdraw(running, home.environ)
    discovery.withdraw(running, home.environ)


def test_the_longest_running_comes_first(home: Home) -> None:
    home.start("late", started_at="2026-03-01T11:00:00.000Z")
    home.start("early")

    assert [one.data_dir.name for one in discovery.live(home.environ)] == ["early", "late"]


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"pid": "none"}', '{"url": 1, "pid": -1}', "\x00"])
def test_a_file_that_makes_no_sense_is_passed_over(home: Home, text: str) -> None:
    home.start("demo")
    (home.path / ".local" / "state" / "power-windows" / "running" / "odd.json").write_text(text)

    assert len(discovery.live(home.environ)) == 1


def test_what_is_published_is_for_the_user_alone(home: Home) -> None:
    home.start("demo")

    modes = {path.stat().st_mode & 0o777 for path in home.path.rglob("*.json")}
    assert modes == {0o600}
