"""The fleet, painted: pieces of HTML, each with the turn at which it changed last."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from markupsafe import Markup

from oddaemon.web.pages.view_models import FleetPageView, OfficeOverview

Parts = Mapping[str, str]
"""The inside of elements by their id."""


EMPTY_VIEW = FleetPageView(())


@dataclass(frozen=True, slots=True)
class RenderedOffice:
    """One office on the page of the fleet."""

    overview: OfficeOverview
    cell: Markup = field(repr=False)
    row: Markup = field(repr=False)
    search_text: str = field(repr=False)
    """What the search looks at."""
    labels: str = field(repr=False)
    """Those of the office, a line each."""

    def looks_like(self, other: "RenderedOffice") -> bool:
        """Whether a reader sees no difference."""
        return (self.cell, self.row, self.search_text, self.labels) == (
            other.cell,
            other.row,
            other.search_text,
            other.labels,
        )


@dataclass(frozen=True, slots=True)
class RenderedFleet:
    """The fleet at one turn; never changed, so a thread may look at it while the next one is painted."""

    revision: int = 0
    rebuilt_revision: int = 0
    """When offices came or went last, or the configuration was put in force again."""
    view: FleetPageView = EMPTY_VIEW
    parts: Parts = field(default_factory=dict)
    offices: Mapping[str, RenderedOffice] = field(default_factory=dict)
    """By the office's id, in the picture's order."""
    part_revisions: Mapping[str, int] = field(default_factory=dict)
    """When each changed last."""
    office_revisions: Mapping[str, int] = field(default_factory=dict)
    """When each looked different last."""
    overview_revisions: Mapping[str, int] = field(default_factory=dict)
    """When anything of an office changed last, on the page of the fleet or only on its own."""

    def get_changed_parts(self, since: int) -> Parts:
        """The parts that are others than at turn `since`."""
        return {name: self.parts[name] for name, revision in self.part_revisions.items() if revision > since}

    def get_changed_offices(self, since: int) -> Sequence[RenderedOffice]:
        """The same of the offices."""
        return [self.offices[office] for office, revision in self.office_revisions.items() if revision > since]
