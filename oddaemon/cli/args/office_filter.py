"""`--condition` and `--label`: which offices a command shows."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Self

import typer

from oddaemon.admin.inspection import FleetDocument
from oddaemon.cli.args.options import parse_label_options
from oddaemon.core.model import Condition
from oddaemon.core.reporting.status_document import OfficeDocument, make_summary_document

Conditions = Annotated[
    list[Condition] | None,
    typer.Option("--condition", help="Only offices in this condition; may be repeated."),
]
Labels = Annotated[
    list[str] | None,
    typer.Option("--label", metavar="KEY=VALUE", help="Only offices with this label; repeated, all must match."),
]


@dataclass(frozen=True, slots=True)
class OfficeFilter:
    """Which offices are shown; empty: all."""

    conditions: frozenset[Condition] = frozenset()
    labels: frozenset[tuple[str, str]] = frozenset()

    @classmethod
    def from_options(cls, conditions: Sequence[Condition] | None, labels: Sequence[str] | None) -> Self:
        """From the options as typed; a label without `=` is a usage error."""
        return cls(frozenset(conditions or ()), parse_label_options(labels or ()))

    def apply(self, fleet: FleetDocument) -> FleetDocument:
        """The document with the selected offices only, in the same order."""
        selected = [office for office in fleet["offices"] if self._matches(office)]
        return {**fleet, "offices": selected, "summary": make_summary_document(selected)}

    def _matches(self, office: OfficeDocument) -> bool:
        fits = not self.conditions or office["condition"] in self.conditions
        return fits and self.labels <= office["labels"].items()
