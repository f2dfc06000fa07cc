"""What of the fleet is wanted to be seen: the page's form, understood the same with JavaScript and without."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from oddaemon.core.forecast import Outlook
from oddaemon.core.model import Condition
from oddaemon.web.pictures import OfficeLine

LABELS_MAX = 200
"""More choices than that help nobody; the search finds those labels, too."""


@dataclass(frozen=True, slots=True)
class Search:
    """All of it must fit; of several conditions or outlooks one."""

    words: tuple[str, ...] = ()
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
    def parsed(cls, query: Iterable[tuple[str, str]]) -> "Search":
        """Read a query string's pairs; what means nothing is left out."""
        pairs = list(query)
        text = " ".join(value for name, value in pairs if name == "q").strip()
        return cls(
            words=tuple(text.lower().split()),
            conditions=frozenset({value for name, value in pairs if name == "condition"} & set(Condition)),
            outlooks=frozenset({value for name, value in pairs if name == "outlook"} & set(Outlook)),
            label=next((value for name, value in pairs if name == "label"), ""),
            text=text,
            all_rows=("rows", "all") in pairs,
        )

    def finds(self, line: OfficeLine) -> bool:
        """Whether the office is wanted."""
        return (
            (not self.conditions or line.standing.condition in self.conditions)
            and (not self.outlooks or line.forecast.outlook in self.outlooks)
            and (not self.label or self.label in labels(line))
            and (not self.words or all(word in haystack(line) for word in self.words))
        )

    def query(self, *, all_rows: bool) -> str:
        """The same search as a query string."""
        pairs = [("q", self.text), ("label", self.label), ("rows", "all" if all_rows else "")]
        pairs += [("condition", each) for each in sorted(self.conditions)]
        pairs += [("outlook", each) for each in sorted(self.outlooks)]
        return urlencode([(name, value) for name, value in pairs if value])

    @property
    def is_any(self) -> bool:
        """Whether anything is asked for at all."""
        return bool(self.words or self.conditions or self.outlooks or self.label)


def labels(line: OfficeLine) -> tuple[str, ...]:
    """The office's labels as the form writes them."""
    return tuple(f"{key}={value}" for key, value in line.labels)


def haystack(line: OfficeLine) -> str:
    """What is searched, in lower case."""
    return " ".join((line.id, line.name, *labels(line))).lower()


def label_choices(lines: Iterable[OfficeLine]) -> Sequence[tuple[str, int]]:
    """Every label in use with its number of offices, in the order of the alphabet."""
    counted: dict[str, int] = {}
    for line in lines:
        for label in labels(line):
            counted[label] = counted.get(label, 0) + 1
    return sorted(counted.items())[:LABELS_MAX]
