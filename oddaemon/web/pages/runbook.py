"""The runbook of `deploy` as a page, with an anchor for each heading, so that an alert can link to its section."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path

from markupsafe import Markup

SHIPPED_PATH = Path(__file__).parents[1] / "RUNBOOK.md"
"""In the wheel."""
CHECKOUT_PATH = Path(__file__).parents[3] / "deploy" / "RUNBOOK.md"
"""In a checkout, which has no file at `SHIPPED_PATH`."""
SCROLLABLE_TABLE = '<div class="scroll" tabindex="0" role="region" aria-labelledby="{}"><table>'
"""A table may be wider than the screen: the keyboard can focus and scroll it. Its heading is its name."""


@dataclass(frozen=True, slots=True)
class Section:
    """A heading, for the table of contents."""

    depth: int
    title: str
    anchor: str


@dataclass(frozen=True, slots=True)
class Runbook:
    """The whole runbook."""

    sections: Sequence[Section]
    body: Markup


@cache
def load_runbook() -> Runbook:
    """The runbook, read and rendered once per process."""
    return render_runbook((SHIPPED_PATH if SHIPPED_PATH.exists() else CHECKOUT_PATH).read_text(encoding="utf-8"))


def render_runbook(text: str) -> Runbook:
    """Render Markdown; HTML in it is shown as text, and comments are removed."""
    from markdown_it import MarkdownIt  # noqa: PLC0415 - it takes a tenth of a second, which only the runbook page needs

    markdown = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = markdown.parse(re.sub(r"<!--.*?-->\n?", "", text, flags=re.DOTALL))
    sections: list[Section] = []
    tables: list[str] = []
    for opening, inline in pairwise(tokens):
        if opening.type == "heading_open":
            title = "".join(each.content for each in inline.children or ())
            section = Section(int(opening.tag[1:]), title, make_anchor(title))
            opening.attrSet("id", section.anchor)
            sections.append(section)
        elif opening.type == "table_open":
            tables.append(sections[-1].anchor if sections else "")
    body = markdown.renderer.render(tokens, markdown.options, {})
    anchors = iter(tables)
    body = re.sub("<table>", lambda _: SCROLLABLE_TABLE.format(next(anchors)), body).replace(
        "</table>", "</table></div>"
    )
    return Runbook(tuple(sections), Markup(body))  # noqa: S704 - our own text, rendered without raw HTML


def make_anchor(heading: str) -> str:
    """The anchor of a heading, as GitHub makes it, so that a link works in both."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
