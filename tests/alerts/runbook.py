"""The runbook as tests read it; `python -m tests.alerts.runbook --write` writes its two tables."""

import inspect
import re
import sys
from pathlib import Path

from oddaemon.telemetry.events import EVENT_TYPES
from oddaemon.telemetry.events.base import Event
from tests.alerts.families import Family, collect_families

RUNBOOK = Path(__file__).parents[2] / "deploy" / "RUNBOOK.md"


def render_metrics_table() -> str:
    """Every exported family, with what the code says of it."""
    rows = [_render_metric_row(family) for family in sorted(collect_families().values(), key=lambda each: each.name)]
    return "\n".join(["| metric | kind | labels | meaning |", "|---|---|---|---|", *rows])


def render_events_table() -> str:
    """Every event, with what the code says of it."""
    rows = [_render_event_row(kind) for kind in sorted(EVENT_TYPES, key=lambda each: each.name)]
    return "\n".join(["| event | level | meaning |", "|---|---|---|", *rows])


def split_sections(text: str) -> dict[str, str]:
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


def replace_tables(text: str) -> str:
    """The runbook with its tables as they should be."""
    for name, table in (("metrics", render_metrics_table()), ("events", render_events_table())):
        begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
        before, _, rest = text.partition(begin)
        _, _, after = rest.partition(end)
        text = f"{before}{begin}\n{table}\n{end}{after}"
    return text


def _render_event_row(kind: type[Event]) -> str:
    description = " ".join((inspect.getdoc(kind) or "").partition("\n\n")[0].split())
    level = "varies" if "log_level" in vars(kind) else kind.level.name.lower()
    return f"| `{kind.name}` | {level} | {description} |"


def _render_metric_row(family: Family) -> str:
    labels = ", ".join(f"`{label}`" for label in sorted(family.labels - {"le"}))
    return f"| `{family.name}` | {family.kind} | {labels} | {family.documentation} |"


if __name__ == "__main__" and "--write" in sys.argv:
    RUNBOOK.write_text(replace_tables(RUNBOOK.read_text()))
