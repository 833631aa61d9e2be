"""Files that another user could write: which are named, and with what mend."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

import pytest

from app.host import file_permissions


@pytest.fixture
def file(tmp_path: Path) -> Path:
    folder = tmp_path / "stack"
    folder.mkdir(mode=0o755)
    (folder / "docker-compose.yml").write_text("services: {}\n")
    (folder / "docker-compose.yml").chmod(0o644)
    return folder / "docker-compose.yml"


def said(*paths: Path) -> list[str]:
    """Without what the test machine's own folders give reason for."""
    here = paths[0].parent.parent
    return [line for line in file_permissions.warnings(paths) if str(here) + "/" in line]


def test_a_file_of_ours_that_others_may_read_is_fine(file: Path) -> None:
    assert said(file) == []


def test_a_file_that_all_users_can_write_is_named_with_the_command(file: Path) -> None:
    file.chmod(0o666)
    (line,) = said(file)
    assert line.startswith(
        f"{file} can be written by every user (mode 0666), who could have any container run"
    )
    assert line.endswith(f"; chmod go-w {file}")


def test_a_folder_that_all_users_can_write_is_as_bad(file: Path) -> None:
    file.parent.chmod(0o777)
    (line,) = said(file)
    assert line.startswith(f"{file.parent} can be written by every user")


def test_a_sticky_folder_protects_the_files_of_others(file: Path) -> None:
    file.parent.chmod(0o1777)
    assert said(file) == []


def test_a_link_counts_as_what_it_leads_to(file: Path) -> None:
    link = file.parent.parent / "link.yml"
    link.symlink_to(file)
    file.chmod(0o666)
    assert [line.split()[0] for line in said(link, file)] == [str(file)]


def test_a_file_that_is_missing_is_not_looked_at(file: Path) -> None:
    assert said(file, file.with_name(".env")) == []


def test_a_file_of_another_user_is_named(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if os.geteuid() == 0:
        os.chown(file, 12345, -1)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: 12345)
    lines = [line for line in said(file) if line.startswith(f"{file} belongs to ")]
    (line,) = lines
    assert ", who could have any container run on this host; chown " in line


def test_a_private_group_has_no_other_user(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.chmod(0o664)
    owner = pwd.getpwuid(file.stat().st_uid)
    monkeypatch.setattr(pwd, "getpwall", lambda: [owner])
    assert said(file) == []


def test_a_group_with_others_is_named(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.chmod(0o664)
    group = file.stat().st_gid
    other = pwd.struct_passwd(("ada", "x", 12345, group, "", "/", "/bin/sh"))
    monkeypatch.setattr(pwd, "getpwall", lambda: [other])
    (line,) = said(file)
    assert line.startswith(f"{file} can be written by the group ")
    assert line.endswith(f"; chmod go-w {file}")
