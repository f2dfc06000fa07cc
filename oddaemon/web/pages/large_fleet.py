"""The page of a large fleet: a grid of few bytes an office, and the list in pages.

With the whole list, the page of ten thousand offices has 14 MB and takes five seconds to render.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from oddaemon.web.pages.search import Search
from oddaemon.web.pages.view_models import OfficeView


@dataclass(frozen=True, slots=True)
class Pager:
    """Which part of the list a page shows, and the queries of its neighbours."""

    start: int
    """The first office, from 0."""
    end: int
    total: int
    previous: str
    """No text: there is none."""
    next: str


def make_pager(search: Search, total: int, rows_max: int) -> Pager:
    """The page of the list that a search asks for, or the last one."""
    pages = max(1, -(-total // rows_max))
    page = min(search.page, pages)
    return Pager(
        start=(page - 1) * rows_max,
        end=min(page * rows_max, total),
        total=total,
        previous=f"?{search.to_query(page=page - 1)}" if page > 1 else "",
        next=f"?{search.to_query(page=page + 1)}" if page < pages else "",
    )


def render_compact_grid(offices: Sequence[OfficeView], redact: Callable[[str], str]) -> tuple[str, Markup]:
    """The class that most offices have, and a link for each office; one that differs has a class of its own.

    No template: it would take a second for ten thousand offices.
    """
    classes = [f"t-{each.status.condition}" for each in offices]
    usual = Counter(classes).most_common(1)[0][0] if classes else ""
    links = []
    for office, own in zip(offices, classes, strict=True):
        office_id = escape(redact(office.id))
        own_class = "" if own == usual else f' class="{own}"'
        links.append(f'<a href="offices/{office_id}"{own_class}>{office_id}</a>')
    return usual, Markup("\n".join(links))  # noqa: S704 - the ids are escaped
