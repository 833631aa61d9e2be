"""Private files: whole or not there, and never readable by others."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.host import private_files


def test_a_file_is_replaced_whole_and_only_its_owner_can_read_it(tmp_path: Path) -> None:
    path = tmp_path / "new" / "token"
    private_files.replace(path, "one")
    private_files.replace(path, b"two", sync=True)
    assert path.read_text() == "two"
    assert path.stat().st_mode & 0o777 == 0o600
    assert [one.name for one in path.parent.iterdir()] == ["token"]


def test_a_write_that_fails_leaves_the_old_file_and_no_draft(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError("no space left on device")

    path = tmp_path / "token"
    private_files.replace(path, "one")
    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(OSError, match="no space"):
        private_files.replace(path, "two", sync=True)
    assert path.read_text() == "one"
    assert [one.name for one in tmp_path.iterdir()] == ["token"]


def test_a_file_with_the_same_text_is_written_again_only_where_others_can_read_it(tmp_path: Path) -> None:
    path = tmp_path / "token"
    private_files.replace_if_changed(path, "one")
    before = path.stat().st_ino
    private_files.replace_if_changed(path, "one")
    assert path.stat().st_ino == before

    path.chmod(0o644)
    private_files.replace_if_changed(path, "one")
    assert path.stat().st_mode & 0o777 == 0o600


def test_every_directory_that_is_made_is_its_owners_alone(tmp_path: Path) -> None:
    before = tmp_path.stat().st_mode
    private_files.make_directory(tmp_path / "state" / "power-windows" / "running")
    private_files.make_directory(tmp_path / "state" / "power-windows" / "running")

    made = ("state", "state/power-windows", "state/power-windows/running")
    assert [(tmp_path / name).stat().st_mode & 0o777 for name in made] == [0o700] * 3
    assert tmp_path.stat().st_mode == before

    (tmp_path / "file").write_text("")
    with pytest.raises(FileExistsError):
        private_files.make_directory(tmp_path / "file")
