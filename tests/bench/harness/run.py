"""Runs sections one after another."""

import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib import import_module

from tests.bench.harness.display import Display
from tests.bench.harness.figure import Figure, Measurement, Skip, Step


class UnknownSection(Exception):
    """No section has this name; the message lists those that there are."""


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the bench that can be run alone.

    Attributes:
        name: For the command line.
        title: What it measures.
        module: Below `tests.bench`; has `measure`, and is imported when the section runs.
        minutes: How long it takes on two quiet cores.
        function: The generator of that module.
        is_long: It runs only when it is named.
    """

    name: str
    title: str
    module: str
    minutes: float
    function: str = "measure"
    is_long: bool = False

    def measure(self) -> Measurement:
        """Its figures, each as it is measured."""
        measure: Callable[[], Measurement] = getattr(import_module(f"tests.bench.{self.module}"), self.function)
        return measure()


def select_sections(sections: Sequence[Section], names: Sequence[str]) -> list[Section]:
    """The named sections in the order of the bench; without names, all but the long ones.

    Raises:
        UnknownSection: A name is wrong.
    """
    known = {section.name for section in sections}
    for name in names:
        if name not in known:
            raise UnknownSection(f"no section {name}; there are: {' '.join(section.name for section in sections)}")
    return [section for section in sections if (section.name in names if names else not section.is_long)]


def run_sections(sections: Sequence[Section], display: Display, keep: Callable[[Figure], None]) -> bool:
    """Measure and show; a section that fails does not end the others.

    Args:
        sections: What to run.
        display: Shows each figure at once.
        keep: Receives each figure at once.

    Returns:
        Whether all sections came to their end.
    """
    failed = 0
    for section in sections:
        display.show_section(section.name, section.title)
        try:
            _run_section(section, display, keep)
        except Exception as error:  # noqa: BLE001 - a quarter of an hour of figures is not lost for one
            failed += 1
            display.show_failure("".join(traceback.format_exception(error)))
    return not failed


def _run_section(section: Section, display: Display, keep: Callable[[Figure], None]) -> None:
    for each in section.measure():
        match each:
            case Figure():
                figure = replace(each, section=section.name)
                keep(figure)
                display.show_figure(figure)
            case Step():
                display.show_step(each)
            case Skip():
                display.show_skip(each)
