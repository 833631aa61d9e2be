"""A data directory that cannot be used, or should not be, is one line that says what would mend it."""

from __future__ import annotations

import os
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.host import data_directory
from app.host.data_directory import UnusableDirectory

UNPRIVILEGED = 65_534


@pytest.fixture
def unprivileged() -> Iterator[None]:
    """As a user who is not root, for whom the modes of files count."""
    if os.geteuid() == 0:
        os.seteuid(UNPRIVILEGED)
        yield
        os.seteuid(0)
    else:
        yield


def refusal(path: Path) -> str:
    with pytest.raises(UnusableDirectory) as caught:
        data_directory.claim(path)
    line = str(caught.value)
    with pytest.raises(UnusableDirectory, match="data directory"):
        data_directory.check_claim(path)
    assert "\n" not in line
    assert str(path) in line
    return line


def test_it_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    assert data_directory.claim(tmp_path / "some" / "where") == []
    assert (tmp_path / "some" / "where").stat().st_mode & 0o777 == 0o700


def test_a_file_in_its_place_is_named(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    assert "is a file" in refusal(tmp_path / "data")


def test_a_file_above_it_is_named(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    assert f"{tmp_path / 'data'} is a file" in refusal(tmp_path / "data" / "power" / "deep")


def test_one_that_hangs_in_the_air_is_named(tmp_path: Path) -> None:
    (tmp_path / "data").symlink_to(tmp_path / "nowhere")
    refusal(tmp_path / "data")


def test_one_where_nothing_can_be_made_is_named() -> None:
    with pytest.raises(UnusableDirectory, match="/proc/power cannot be made in /proc: No such file"):
        data_directory.claim(Path("/proc/power"))


def _open_to_all(tmp_path: Path) -> None:
    """Let every user reach a test's directory; pytest keeps what is above it to its own user."""
    for one in (tmp_path, *tmp_path.parents):
        if stat.S_IMODE(one.stat().st_mode) == 0o700:
            one.chmod(0o755)


def test_one_that_cannot_be_written_to_is_named(tmp_path: Path) -> None:
    directory = tmp_path / "data"
    directory.mkdir()
    _open_to_all(tmp_path)
    directory.chmod(0o500)
    if os.geteuid() == 0:
        os.chown(directory, UNPRIVILEGED, UNPRIVILEGED)
    assert "cannot be written to" in _as_unprivileged(directory)


def test_one_of_another_user_is_named(tmp_path: Path) -> None:
    directory = tmp_path / "data"
    directory.mkdir(mode=0o755)
    _open_to_all(tmp_path)
    assert "belongs to" in _as_unprivileged(directory)


def _as_unprivileged(directory: Path) -> str:
    if os.geteuid() == 0:
        os.seteuid(UNPRIVILEGED)
    try:
        return refusal(directory)
    finally:
        if os.getuid() == 0:
            os.seteuid(0)


@pytest.mark.parametrize("mode", [0o777, 0o770, 0o702, 0o1777])
def test_one_that_others_may_write_to_is_refused_with_the_command_that_mends_it(
    tmp_path: Path, mode: int
) -> None:
    directory = tmp_path / "my data"
    directory.mkdir()
    directory.chmod(mode)
    line = refusal(directory)
    subprocess.run(line.partition("`")[2].partition("`")[0], shell=True, check=True)
    assert data_directory.claim(directory) == []


def test_one_that_others_may_look_into_is_warned_of(tmp_path: Path) -> None:
    directory = tmp_path / "data"
    directory.mkdir()
    directory.chmod(0o755)
    (warning,) = data_directory.claim(directory)
    assert "chmod 700" in warning
    directory.chmod(0o750)
    assert data_directory.claim(directory) == []


@pytest.mark.parametrize("name", ["token", "broker.url", "power.db"])
def test_a_secret_that_others_may_read_is_warned_of(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("secret")
    (tmp_path / name).chmod(0o644)
    (warning,) = data_directory.claim(tmp_path)
    assert f"{tmp_path / name} can be read by others" in warning
