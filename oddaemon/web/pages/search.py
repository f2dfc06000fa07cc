"""What of the fleet is wanted to be seen: the page's form, understood the same with JavaScript and without."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from oddaemon.core.model import Condition
from oddaemon.core.reporting.forecast import Outlook
from oddaemon.web.pages.view_models import OfficeOverview

LABELS_MAX = 200
"""More choices than that help nobody; the search finds those labels, too."""


@dataclass(frozen=True, slots=True)
class Search:
    """All of it must fit; of several conditions or outlooks one."""

    terms: tuple[str, ...] = ()
    """In lower case; each is somewhere in the office's id, name or labels."""
    conditions: frozenset[str] = frozenset()
    outlooks: frozenset[str] = frozenset()
    label: str = ""
    """`key=value`."""
    text: str = ""
    """The words as they were written."""
    all_rows: bool = False
    """However many are found, the list shows them all."""

    @classmethod
    def from_query(cls, query: Iterable[tuple[str, str]]) -> "Search":
        """Read a query string's pairs; what means nothing is left out."""
        pairs = list(query)
        text = " ".join(value for name, value in pairs if name == "q").strip()
        return cls(
            terms=tuple(text.lower().split()),
            conditions=frozenset({value for name, value in pairs if name == "condition"} & set(Condition)),
            outlooks=frozenset({value for name, value in pairs if name == "outlook"} & set(Outlook)),
            label=next((value for name, value in pairs if name == "label"), ""),
            text=text,
            all_rows=("rows", "all") in pairs,
        )

    def matches(self, overview: OfficeOverview) -> bool:
        """Whether the office is wanted."""
        return (
            (not self.conditions or overview.status.condition in self.conditions)
            and (not self.outlooks or overview.forecast.outlook in self.outlooks)
            and (not self.label or self.label in format_labels(overview))
            and (not self.terms or all(term in build_search_text(overview) for term in self.terms))
        )

    def to_query(self, *, all_rows: bool) -> str:
        """The same search as a query string."""
        pairs = [("q", self.text), ("label", self.label), ("rows", "all" if all_rows else "")]
        pairs += [("condition", each) for each in sorted(self.conditions)]
        pairs += [("outlook", each) for each in sorted(self.outlooks)]
        return urlencode([(name, value) for name, value in pairs if value])

    @property
    def is_any(self) -> bool:
        """Whether anything is asked for at all."""
        return bool(self.terms or self.conditions or self.outlooks or self.label)


def format_labels(overview: OfficeOverview) -> tuple[str, ...]:
    """The office's labels as the form writes them."""
    return tuple(f"{key}={value}" for key, value in overview.labels)


def build_search_text(overview: OfficeOverview) -> str:
    """What is searched, in lower case."""
    return " ".join((overview.id, overview.name, *format_labels(overview))).lower()


def count_labels(overviews: Iterable[OfficeOverview]) -> Sequence[tuple[str, int]]:
    """Every label in use with its number of offices, in the order of the alphabet."""
    counted: dict[str, int] = {}
    for overview in overviews:
        for label in format_labels(overview):
            counted[label] = counted.get(label, 0) + 1
    return sorted(counted.items())[:LABELS_MAX]
