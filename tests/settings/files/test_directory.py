"""What the directory of offices holds and cannot be looked at is a problem, and never an absence."""

import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from oddaemon.settings import LoadResult, try_load
from tests.settings.test_load import API, ENVIRONMENT, write_private

NOBODY_UID = 65_534
OFFICE = '[[office]]\nid = "smile"\ncustomer_key_env = "A"\n'


def write_group(place: Path) -> Path:
    """A configuration of which all offices are in a group."""
    write_private(place / "oddaemon.toml", f'{API}[offices]\ndirectory = "offices.d"\n')
    return write_private(place / "offices.d" / "coast" / "smile.toml", OFFICE).parent


def load_place(place: Path) -> LoadResult:
    return try_load(place / "oddaemon.toml", ENVIRONMENT)


@pytest.fixture
def place() -> Iterator[Path]:
    """A valid configuration in a directory in which this process is subject to permissions, root or not."""
    user = os.geteuid()
    with tempfile.TemporaryDirectory(prefix="oddaemon-settings-") as name:
        place = Path(name)
        write_group(place)
        # Read as root first: Python itself may lie where only root can look.
        assert load_place(place).settings is not None
        if user == 0:
            for path in (place, *place.rglob("*")):
                os.chown(path, NOBODY_UID, -1)
            os.seteuid(NOBODY_UID)
        try:
            yield place
        finally:
            os.seteuid(user)


@pytest.mark.parametrize("mode", [0o640, 0o600, 0o400, 0o000, 0o311])
def test_a_directory_of_a_wrong_mode_removes_no_office(place: Path, mode: int) -> None:
    directory = place / "offices.d"
    directory.chmod(mode)
    loaded = load_place(place)
    directory.chmod(stat.S_IRWXU)
    assert loaded.settings is None
    # Not of the group in it, which cannot be looked at either.
    assert [(each.key, each.message) for each in loaded.problems] == [
        ("offices.directory", "cannot be read: Permission denied")
    ]
    assert directory in loaded.files


@pytest.mark.parametrize("mode", [0o640, 0o600])
def test_a_group_that_may_not_be_entered_is_named_with_its_files(place: Path, mode: int) -> None:
    group = place / "offices.d" / "coast"
    group.chmod(mode)
    loaded = load_place(place)
    group.chmod(stat.S_IRWXU)
    (problem,) = loaded.problems
    assert problem.file.name == "smile.toml"
    assert f"enter {group}" in problem.hint
    assert "chmod 750" in problem.hint


@pytest.mark.parametrize("target", ["../gone", "coast", "../oddaemon.toml/x", "/mnt/share-that-is-not-mounted"])
def test_a_group_that_is_a_link_to_nowhere_removes_no_office(tmp_path: Path, target: str) -> None:
    group = write_group(tmp_path)
    group.rename(tmp_path / "away")
    group.symlink_to(target)
    loaded = load_place(tmp_path)
    assert loaded.settings is None
    ((key, message),) = [(each.key, each.message) for each in loaded.problems]
    assert (key, str(group) in message) == ("offices.directory", True)
    # It is watched, so that it is read as soon as the share is mounted.
    assert group in loaded.files


def test_a_group_that_may_not_be_listed_removes_no_office(place: Path) -> None:
    group = place / "offices.d" / "coast"
    group.chmod(0o311)
    loaded = load_place(place)
    group.chmod(stat.S_IRWXU)
    assert loaded.settings is None
    assert str(group) in loaded.problems[0].message


def test_other_files_with_the_name_of_a_group_are_no_groups(tmp_path: Path) -> None:
    directory = write_group(tmp_path).parent
    (directory / "README").write_text("Our offices.")
    (directory / "LICENSE").symlink_to("README")
    settings = load_place(tmp_path).settings
    assert settings is not None
    assert list(settings.offices) == ["smile"]
