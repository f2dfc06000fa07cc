"""The recipes of CONTRIBUTING.md name files and targets that exist."""

import re
from pathlib import Path

import pytest

from oddaemon.core.failures.failure import FAILURE_TEXTS, FailureKind
from oddaemon.settings.tables.sink import SINK_TABLES
from oddaemon.store.schema import REVISIONS

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
RECIPES = dict(re.findall(r"^### (Add .+?)\n(.+?)(?=^### |\Z)", TEXT, re.MULTILINE | re.DOTALL))
PATHS = sorted(set(re.findall(r"`((?:config|docs|oddaemon|tests)/[^`\s]+|[A-Z]+\.md|pyproject\.toml)`", TEXT)))


def test_there_is_a_recipe_for_each_usual_addition() -> None:
    additions = ("figure to the bench", "command", "setting", "sink", "failure kind", "statement", "migration")
    assert list(RECIPES) == [f"Add a {what}" for what in additions]


@pytest.mark.parametrize("path", PATHS)
def test_a_file_that_a_recipe_touches_exists_or_is_new(path: str) -> None:
    is_new = "NAME" in path or path == f"tests/store/schemas/{int(REVISIONS[-1]) + 1:04}.sql"
    assert (ROOT / path).exists() is not is_new
    assert (ROOT / path).parent.is_dir()


@pytest.mark.parametrize("target", sorted(set(re.findall(r"`make ([a-z-]+)", TEXT))))
def test_a_target_exists(target: str) -> None:
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE)


@pytest.mark.parametrize("kind", SINK_TABLES)
def test_each_sink_stands_where_the_recipe_puts_one(kind: str) -> None:
    package = ROOT / "oddaemon" / "sinks"
    assert (package / f"{kind}.py").is_file() or (package / kind).is_dir()
    assert SINK_TABLES[kind].__name__ in (ROOT / "oddaemon/engine/delivery/sink_factory.py").read_text()


def test_each_revision_stands_where_the_recipe_puts_one() -> None:
    names = [path.stem for path in (ROOT / "oddaemon/store/migrations/versions").glob("*_*.py") if path.stem[0] != "_"]
    assert sorted(name.rpartition("_")[2] for name in names) == list(REVISIONS)
    assert f"NAME_{int(REVISIONS[-1]) + 1:04}.py" in RECIPES["Add a migration"]


def test_each_failure_kind_has_its_texts_at_its_place() -> None:
    assert list(FAILURE_TEXTS) == list(FailureKind)
