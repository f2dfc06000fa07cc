"""Offices that stand in no file yet are checked with those that do, and are written so that they read the same."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from oddaemon.settings import OfficeDraft, Secret, render_office_toml, try_load
from tests.golden import GoldenTexts

NAMES = st.text(st.characters(codec="utf-8"), max_size=30)
TABLES = st.fixed_dictionaries(
    {"id": NAMES, "customer_key": NAMES},
    optional={
        "name": NAMES,
        "timezone": NAMES,
        "clinics": st.lists(st.integers(0, 2**63 - 1), max_size=4),
        "enabled": st.booleans(),
        "min_interval_seconds": st.floats(0, 1e6),
        "labels": st.dictionaries(NAMES, NAMES, max_size=3),
    },
)


@given(TABLES)
def test_what_is_written_is_read_as_it_was_given(table: dict[str, Any]) -> None:
    text = render_office_toml({**table, "customer_key": Secret(table["customer_key"])})
    wanted = {name: value for name, value in table.items() if name != "labels" or value}
    assert tomllib.loads(text) == {"office": [wanted]}


def write_config(tmp_path: Path) -> Path:
    path = tmp_path / "oddaemon.toml"
    path.write_text('[api]\ndeveloper_key = "Qm7xT2kLp9RvWc4Z"\n[offices]\ndirectory = "offices.d"\n')
    path.chmod(0o600)
    (tmp_path / "offices.d").mkdir()
    return path


def write_office_file(path: Path, office_id: str, key: str) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(render_office_toml({"id": office_id, "customer_key": Secret(key)}))
    path.chmod(0o600)


def test_an_office_draft_is_an_office_and_its_key_is_not_shown(tmp_path: Path) -> None:
    config = write_config(tmp_path)
    office_draft = OfficeDraft(Path("coast.csv"), [{"id": "elm", "customer_key": Secret("Hb3nY8sVd5FqXg1J")}], [7])
    loaded = try_load(config, drafts=[office_draft])
    assert loaded.settings is not None
    assert [each.spec.id for each in loaded.settings.offices.values()] == ["elm"]
    assert "Hb3nY8sVd5FqXg1J" not in repr(office_draft) + repr(loaded)


def test_problems_of_a_draft_have_its_own_line_numbers(tmp_path: Path, golden: GoldenTexts) -> None:
    config = write_config(tmp_path)
    write_office_file(tmp_path / "offices.d/elm.toml", "elm", "Hb3nY8sVd5FqXg1J")
    offices: list[Mapping[str, Any]] = [
        {"id": "ash", "customer_key": Secret("a b")},
        {"id": "elm", "customer_key": Secret("Hb3nY8sVd5FqXg1J")},
    ]
    loaded = try_load(config, drafts=[OfficeDraft(Path("coast.csv"), offices, [2, 5])])
    problems = [str(problem) for problem in loaded.problems]
    golden.check(problems[0])
    assert problems[1].startswith('coast.csv:5: office[1] "elm".id = "elm": is also the id of office[0] "elm" in ')
    assert "offices.d/elm.toml:1; choose another" in problems[1]
    assert len(problems) == 3


def test_subdirectories_of_offices_are_read_except_hidden_and_odd_ones(tmp_path: Path) -> None:
    config = write_config(tmp_path)
    offices = tmp_path / "offices.d"
    write_office_file(offices / "elm.toml", "elm", "Hb3nY8sVd5FqXg1J")
    write_office_file(offices / "coast" / "oak.toml", "oak", "Zk4wN6tBc8MrHj2P")
    write_office_file(offices / "coast" / ".ash.toml", "ash", "Wd9pX5hTz3KqLs7V")
    for name in (".oddaemon-12", ".git", "old.d", "lost+found"):
        write_office_file(offices / name / "ghost.toml", "ghost", "Tq5vB8nHc2XwKs9R")
    loaded = try_load(config)
    assert loaded.settings is not None, loaded.problems
    assert [each.spec.id for each in loaded.settings.offices.values()] == ["oak", "elm"]
    assert offices / "coast" in loaded.files
