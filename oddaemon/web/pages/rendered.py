"""The fleet as pieces of HTML, each with the revision of its last change."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from oddaemon.web.pages.view_models import FleetPageView, OfficeView

Parts = Mapping[str, str]
"""The contents of elements, by their id."""

EMPTY_VIEW = FleetPageView(())
LARGE_MIN = 1000
"""The page of a fleet with more offices has a compact grid and a list in pages, and the server searches in it."""


@dataclass(eq=False)
class RenderedOffice:
    """One office on the fleet page: rendered when a page shows it, and then once."""

    office: OfficeView
    render: Callable[[OfficeView], Mapping[str, str]] = field(repr=False)
    revision: int = 0
    """When it last looked different on the fleet page."""
    view_revision: int = 0
    """When anything of the office last changed, on the fleet page or only on its own."""

    @cached_property
    def shown(self) -> Mapping[str, str]:
        """Everything of the office on the fleet page, as `page.js` receives it. Slow the first time."""
        return self.render(self.office)


@dataclass(frozen=True, slots=True)
class RenderedFleet:
    """The fleet at one revision. Immutable: a thread may read it while the next one is rendered."""

    revision: int = 0
    rebuilt_revision: int = 0
    """When offices were last added or removed, or the configuration was applied again."""
    view: FleetPageView = EMPTY_VIEW
    parts: Parts = field(default_factory=dict)
    part_revisions: Mapping[str, int] = field(default_factory=dict)
    """The last change of each part."""
    offices: Mapping[str, RenderedOffice] = field(default_factory=dict)
    """By id, in the order of the view."""

    @property
    def is_large(self) -> bool:
        """Whether the page shows the list in pages."""
        return len(self.offices) > LARGE_MIN

    def get_changed_parts(self, since: int) -> Parts:
        """The parts that changed after revision `since`."""
        return {name: self.parts[name] for name, revision in self.part_revisions.items() if revision > since}

    def get_changed_offices(self, since: int) -> Sequence[RenderedOffice]:
        """The offices that look different since revision `since`."""
        return [rendered for rendered in self.offices.values() if rendered.revision > since]

    def has_office_changed(self, office_id: str, since: int) -> bool:
        """Whether the page of an office may have changed after revision `since`."""
        rendered = self.offices.get(office_id)
        return self.part_revisions["not-ready"] > since or (rendered is not None and rendered.view_revision > since)
