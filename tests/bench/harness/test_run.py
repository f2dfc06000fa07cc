"""Which sections run, and what they leave behind."""

import inspect
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from tests.bench.harness import run
from tests.bench.harness.display import Display
from tests.bench.harness.figure import Better, Figure, Measurement, Skip, Step, make_figure
from tests.bench.harness.record import RecordUnreadable, make_record, read_record, write_record
from tests.bench.harness.run import Section, UnknownSection, run_sections, select_sections
from tests.bench.sections import SECTIONS


def test_every_section_has_a_name_of_its_own_and_a_module_to_run() -> None:
    assert len({section.name for section in SECTIONS}) == len(SECTIONS)
    for section in SECTIONS:
        assert inspect.isgenerator(section.measure())


def test_named_sections_run_in_the_order_of_the_bench() -> None:
    assert select_sections(SECTIONS, ["cost", "reading"]) == list(SECTIONS[:2])


def test_long_sections_run_only_when_they_are_named() -> None:
    assert {section.is_long for section in SECTIONS} == {False, True}
    assert not any(section.is_long for section in select_sections(SECTIONS, []))
    assert [section.name for section in select_sections(SECTIONS, ["night-many"])] == ["night-many"]


def test_a_wrong_name_lists_the_sections() -> None:
    with pytest.raises(UnknownSection) as raised:
        select_sections(SECTIONS, ["raeding"])
    assert all(section.name in str(raised.value) for section in SECTIONS)


def measure_well() -> Measurement:
    yield Step("counting")
    yield make_figure("requests", 1, "requests", is_exact=True)
    yield Skip("in a browser", "there is none")
    yield make_figure("rate", [1.0, 2.0, 4.0], "x", Better.MORE, goal=3)


def fail_midway() -> Measurement:
    yield make_figure("first", 1.0, "s")
    raise ConnectionError("gone")


@pytest.fixture
def sections(monkeypatch: pytest.MonkeyPatch) -> list[Section]:
    def load(name: str) -> ModuleType:
        module = ModuleType(name)
        measures: dict[str, Callable[[], Measurement]] = {"well": measure_well, "midway": fail_midway}
        module.__dict__["measure"] = measures[name.rpartition(".")[2]]
        return module

    monkeypatch.setattr(run, "import_module", load)
    return [Section("a", "fails", "midway", 1), Section("b", "works", "well", 1)]


def test_a_section_that_fails_keeps_its_figures_and_does_not_end_the_others(
    sections: list[Section], capsys: pytest.CaptureFixture[str]
) -> None:
    figures: list[Figure] = []
    with Display() as display:
        assert not run_sections(sections, display, figures.append)
    assert [(each.section, each.name) for each in figures] == [("a", "first"), ("b", "requests"), ("b", "rate")]
    shown = capsys.readouterr()
    assert "ConnectionError" in shown.out
    assert "in a browser" in shown.out
    assert "counting" in shown.err


def test_figures_survive_the_file(tmp_path: Path, sections: list[Section]) -> None:
    figures: list[Figure] = []
    with Display() as display:
        run_sections(sections[1:], display, figures.append)
    record = make_record(figures)
    write_record(tmp_path / "new.json", record)
    assert read_record(tmp_path / "new.json") == record
    assert record.list_sections() == ["b"]


@pytest.mark.parametrize("text", ["", "[]", '{"figures": [{"name": 1}], "machine": "", "measured_at": ""}'])
def test_another_file_is_no_record(tmp_path: Path, text: str) -> None:
    (tmp_path / "other.json").write_text(text)
    with pytest.raises(RecordUnreadable):
        read_record(tmp_path / "other.json")
