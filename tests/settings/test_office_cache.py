"""What was read before is not read again, and what changed is, whatever it changes with."""

import os
from pathlib import Path

import pytest

from oddaemon.settings import LoadResult, OfficeFileCache, try_load

ENVIRONMENT = {"DEVELOPER": "Qm7xT2kLp9RvWc4Z", "OAK": "Hb3nY8sVd5FqXg1J"}
KEYS = {"elm": "Xk4wN9tBz6GmRj2P", "fir": "Yv8cD3hLq5SpKf7T"}
LONG_AGO = 1_700_000_000


class Place:
    """A directory of offices, whose files were all written long ago."""

    def __init__(self, directory: Path) -> None:
        self.main = directory / "oddaemon.toml"
        self.offices = directory / "offices.d"
        self.offices.mkdir()
        self.cache = OfficeFileCache()
        self.write(self.main, '[api]\ndeveloper_key_env = "DEVELOPER"\n[offices]\ndirectory = "offices.d"\n')
        for office in KEYS:
            self.write_office(office)

    def write(self, path: Path, text: str) -> None:
        path.touch(mode=0o600)
        path.write_text(text)

    def write_office(self, office: str, more: str = "", key: str = "") -> None:
        key = key or f'customer_key = "{KEYS[office]}"'
        self.write(self.offices / f"{office}.toml", f'[[office]]\nid = "{office}"\n{key}\n{more}')

    def read(self) -> LoadResult:
        """Read with the cache, and require what a reading without one finds."""
        found = try_load(self.main, ENVIRONMENT, cache=self.cache)
        assert found == try_load(self.main, ENVIRONMENT)
        return found


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.setattr("oddaemon.settings.office_cache.SETTLED_SECONDS", -3600.0)
    return Place(tmp_path)


def get_offices(found: LoadResult) -> dict[str, object]:
    assert found.settings is not None
    return dict(found.settings.offices)


def test_an_unchanged_office_is_the_same_object_and_a_changed_one_is_read(place: Place) -> None:
    before = get_offices(place.read())
    place.write_office("elm", 'name = "Elm Dental"\n')
    after = get_offices(place.read())
    assert after["fir"] is before["fir"]
    assert after["elm"] != before["elm"]


def test_a_setting_of_all_offices_reaches_those_whose_files_are_unchanged(place: Place) -> None:
    before = get_offices(place.read())
    place.write(place.main, f"{place.main.read_text()}[cadence]\nprobe_seconds = 90.0\n")
    after = get_offices(place.read())
    assert all(after[office] != before[office] for office in KEYS)


def test_files_that_come_and_go_are_noticed(place: Place) -> None:
    place.read()
    (place.offices / "fir.toml").unlink()
    assert list(get_offices(place.read())) == ["elm"]
    place.write_office("fir")
    assert list(get_offices(place.read())) == ["elm", "fir"]


def test_a_file_with_the_old_size_and_the_old_time_is_read(place: Place) -> None:
    place.write_office("elm", 'name = "Elm A"\n')
    path = place.offices / "elm.toml"
    os.utime(path, (LONG_AGO, LONG_AGO))
    place.read()
    before = path.stat().st_ctime_ns
    while path.stat().st_ctime_ns == before:  # the clock of the file system ticks every few milliseconds
        place.write_office("elm", 'name = "Elm B"\n')
        os.utime(path, (LONG_AGO, LONG_AGO))
    place.read()


def test_what_has_just_changed_is_not_kept(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("oddaemon.settings.office_cache.SETTLED_SECONDS", 3600.0)
    before, after = get_offices(place.read()), get_offices(place.read())
    assert after["elm"] is not before["elm"]


def test_a_problem_of_one_file_names_the_lines_of_the_others(place: Place) -> None:
    place.read()
    place.write_office("fir", key=f'customer_key = "{KEYS["elm"]}"')
    (problem,) = place.read().problems
    assert "elm.toml:1;" in str(problem)
    place.write_office("fir")
    assert not place.read().problems


def test_a_warning_lasts_while_its_cause_does(place: Place) -> None:
    (place.offices / "elm.toml").chmod(0o644)
    assert [warning.line for warning in place.read().warnings] == [3]
    assert [warning.line for warning in place.read().warnings] == [3]
    (place.offices / "elm.toml").chmod(0o600)
    assert place.read().warnings == ()


def test_a_key_elsewhere_is_read_every_time(place: Place) -> None:
    place.write(key_file := place.offices / "fir.key", KEYS["fir"])
    place.write_office("fir", key='customer_key_file = "fir.key"')
    before = get_offices(place.read())
    place.write(key_file, "Zr5mJ8vTc2WdHn6B")
    after = get_offices(place.read())
    assert after["fir"] != before["fir"]
    assert after["elm"] is before["elm"]
