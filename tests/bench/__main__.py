"""The bench: `make bench`, `make bench ONLY="reading cost"`, `make bench LIST=1`, `make bench JSON=new.json`."""

import argparse
import sys
from pathlib import Path

from tests.bench.harness.display import Display
from tests.bench.harness.figure import Figure
from tests.bench.harness.record import make_record, write_record
from tests.bench.harness.run import UnknownSection, run_sections, select_sections
from tests.bench.sections import SECTIONS


def main() -> int:
    """Measure, print each figure as it is measured, and write them down; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("sections", nargs="*", metavar="SECTION", help="run only these")
    parser.add_argument("--list", action="store_true", help="list the sections, and run none")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to this file, too")
    arguments = parser.parse_args()
    try:
        sections = select_sections(SECTIONS, arguments.sections)
    except UnknownSection as error:
        parser.error(str(error))
    if arguments.list:
        lines = [
            f"{each.name:<17}{each.minutes:>5g} min  {each.title}{' (only when named)' if each.is_long else ''}"
            for each in SECTIONS
        ]
        sys.stdout.write("\n".join([*lines, ""]))
        return 0
    figures: list[Figure] = []
    try:
        with Display() as display:
            is_complete = run_sections(sections, display, figures.append)
    finally:
        if arguments.json:
            write_record(arguments.json, make_record(figures))
    return 0 if is_complete else 1


if __name__ == "__main__":
    sys.exit(main())
