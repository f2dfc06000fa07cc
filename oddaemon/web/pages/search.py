"""The search form of the fleet page. `page.js` applies the same rules in the browser."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from oddaemon.core.model import Condition
from oddaemon.core.reporting.forecast import Outlook
from oddaemon.web.pages.view_models import OfficeView

PAGE_DIGITS_MAX = 6
LABELS_MAX = 200
"""Choices in the form; the text search finds further labels."""


@dataclass(frozen=True, slots=True)
class Search:
    """All criteria must match; of several conditions or outlooks, one."""

    terms: tuple[str, ...] = ()
    """In lower case; each must occur in the office's id, name or labels."""
    conditions: frozenset[str] = frozenset()
    outlooks: frozenset[str] = frozenset()
    label: str = ""
    """`key=value`."""
    text: str = ""
    """The search as typed."""
    all_rows: bool = False
    """Whether the list shows all matches."""
    by_name: bool = False
    """Whether the list of a large fleet is sorted by name, and not the worst first."""
    page: int = 1
    """Of the list of a large fleet, from 1."""

    @classmethod
    def from_query(cls, query: Iterable[tuple[str, str]]) -> "Search":
        """Parse the pairs of a query string; unknown ones are ignored."""
        pairs = list(query)
        text = " ".join(value for name, value in pairs if name == "q").strip()
        return cls(
            terms=tuple(text.lower().split()),
            conditions=frozenset({value for name, value in pairs if name == "condition"} & set(Condition)),
            outlooks=frozenset({value for name, value in pairs if name == "outlook"} & set(Outlook)),
            label=next((value for name, value in pairs if name == "label"), ""),
            text=text,
            all_rows=("rows", "all") in pairs,
            by_name=("sort", "name") in pairs,
            page=_parse_page(next((value for name, value in pairs if name == "page"), "")),
        )

    def matches(self, office: OfficeView) -> bool:
        """Whether an office matches."""
        return (
            (not self.conditions or office.status.condition in self.conditions)
            and (not self.outlooks or office.forecast.outlook in self.outlooks)
            and (not self.label or self.label in format_labels(office))
            and (not self.terms or all(term in build_search_text(office) for term in self.terms))
        )

    def to_query(self, *, all_rows: bool = False, page: int = 1) -> str:
        """The same search as a query string."""
        pairs = [("q", self.text), ("label", self.label), ("rows", "all" if all_rows else "")]
        pairs += [("sort", "name" if self.by_name else ""), ("page", str(page) if page > 1 else "")]
        pairs += [("condition", each) for each in sorted(self.conditions)]
        pairs += [("outlook", each) for each in sorted(self.outlooks)]
        return urlencode([(name, value) for name, value in pairs if value])

    @property
    def is_any(self) -> bool:
        """Whether there is any criterion."""
        return bool(self.terms or self.conditions or self.outlooks or self.label)


def _parse_page(text: str) -> int:
    """The number of a page; 1 for what is none."""
    is_number = text.isascii() and text.isdecimal() and len(text) <= PAGE_DIGITS_MAX
    return max(1, int(text)) if is_number else 1


def format_labels(office: OfficeView) -> tuple[str, ...]:
    """The office's labels as `key=value`."""
    return tuple(f"{key}={value}" for key, value in office.labels)


def build_search_text(office: OfficeView) -> str:
    """The searchable text, in lower case."""
    return " ".join((office.id, office.name, *format_labels(office))).lower()


def count_labels(offices: Iterable[OfficeView]) -> Sequence[tuple[str, int]]:
    """Every label in use with its number of offices, sorted."""
    counted: dict[str, int] = {}
    for office in offices:
        for label in format_labels(office):
            counted[label] = counted.get(label, 0) + 1
    return sorted(counted.items())[:LABELS_MAX]
