"""The figures of a run as a JSON file."""

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.bench.harness.figure import Better, Figure


class RecordUnreadable(Exception):
    """The file is not a record of the bench."""


@dataclass(frozen=True, slots=True)
class Record:
    """One run of the bench."""

    machine: str
    measured_at: str
    figures: tuple[Figure, ...]

    def list_sections(self) -> list[str]:
        """The names of its sections, in the order of the run."""
        return list(dict.fromkeys(figure.section for figure in self.figures))


def make_record(figures: Sequence[Figure]) -> Record:
    """These figures, measured on this machine at this moment."""
    machine = f"{platform.machine()}, {os.cpu_count()} CPUs, Python {platform.python_version()}"
    return Record(machine, datetime.now(UTC).isoformat(timespec="seconds"), tuple(figures))


def write_record(path: Path, record: Record) -> None:
    """Write the whole file."""
    path.write_text(json.dumps(asdict(record), indent=1) + "\n", encoding="utf-8")


def read_record(path: Path) -> Record:
    """Read what `write_record` wrote.

    Raises:
        RecordUnreadable: The file is missing, or is another one.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        figures = tuple(_parse_figure(each) for each in found["figures"])
        return Record(found["machine"], found["measured_at"], figures)
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise RecordUnreadable(f"{path} holds no figures of the bench ({type(error).__name__}).") from error


def _parse_figure(found: dict[str, Any]) -> Figure:
    spread = found["spread"] and (found["spread"][0], found["spread"][1])
    return Figure(**{**found, "better": Better(found["better"]), "spread": spread})
