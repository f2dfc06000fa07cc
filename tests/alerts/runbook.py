"""The runbook as tests read it; `python -m tests.alerts.runbook --write` makes its table of metrics anew."""

import re
import sys
from pathlib import Path

from tests.alerts.families import Family, families

RUNBOOK = Path(__file__).parents[2] / "deploy" / "RUNBOOK.md"
BEGIN, END = "<!-- metrics: begin -->", "<!-- metrics: end -->"


def table() -> str:
    """Every exported family, with what the code says of it."""
    rows = [_row(family) for family in sorted(families().values(), key=lambda each: each.name)]
    return "\n".join(["| metric | kind | labels | what it tells |", "|---|---|---|---|", *rows])


def sections(text: str) -> dict[str, str]:
    """The text of each section by the anchor that its heading gets."""
    found, anchor = dict[str, list[str]](), ""
    for line in text.splitlines():
        if heading := re.match(r"#+ (.*)", line):
            anchor = re.sub(r"[^a-z0-9 _-]", "", heading[1].lower()).replace(" ", "-")
            assert anchor not in found, f"two sections {anchor}"
            found[anchor] = []
        elif anchor:
            found[anchor].append(line)
    return {anchor: "\n".join(lines).strip() for anchor, lines in found.items()}


def with_table(text: str) -> str:
    """The runbook with its table as it should be."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{table()}\n{END}{after}"


def _row(family: Family) -> str:
    labels = ", ".join(f"`{label}`" for label in sorted(family.labels - {"le"}))
    return f"| `{family.name}` | {family.kind} | {labels} | {family.documentation} |"


if __name__ == "__main__" and "--write" in sys.argv:
    RUNBOOK.write_text(with_table(RUNBOOK.read_text()))
