"""Compares two runs: `make bench-compare OLD=old.json NEW=new.json`; without NEW, the sections of OLD are run now."""

import argparse
import sys
from pathlib import Path

from tests.bench.harness.comparison import format_pair, pair_figures
from tests.bench.harness.display import Display
from tests.bench.harness.figure import Figure
from tests.bench.harness.record import Record, RecordUnreadable, make_record, read_record
from tests.bench.harness.run import run_sections
from tests.bench.sections import SECTIONS


def main() -> int:
    """Print each pair; the exit status is 1 if a figure without noise is worse, or a section failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.compare", description=__doc__)
    parser.add_argument("old", type=Path, metavar="OLD", help="figures that the bench wrote")
    parser.add_argument("new", type=Path, metavar="NEW", nargs="?", help="later figures")
    arguments = parser.parse_args()
    is_complete = True
    try:
        old = read_record(arguments.old)
        if arguments.new:
            new = read_record(arguments.new)
        else:
            new, is_complete = _measure(old.list_sections())
    except RecordUnreadable as error:
        parser.error(str(error))
    pairs = pair_figures(old.figures, new.figures)
    sys.stdout.write(
        "\n".join([f"old: {old.machine}, {old.measured_at}", f"new: {new.machine}, {new.measured_at}", ""])
    )
    sys.stdout.write("\n".join([*map(format_pair, pairs), ""]))
    return 1 if not is_complete or any(pair.is_regression for pair in pairs) else 0


def _measure(names: list[str]) -> tuple[Record, bool]:
    figures: list[Figure] = []
    with Display() as display:
        is_complete = run_sections([each for each in SECTIONS if each.name in names], display, figures.append)
    return make_record(figures), is_complete


if __name__ == "__main__":
    sys.exit(main())
