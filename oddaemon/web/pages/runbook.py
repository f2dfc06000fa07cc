"""The runbook as a page, so that an alert can link to what it means: the file in `deploy`, with an anchor a heading."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path

from markupsafe import Markup

SHIPPED_PATH = Path(__file__).parents[1] / "RUNBOOK.md"
"""Where the wheel has it."""
CHECKOUT_PATH = Path(__file__).parents[3] / "deploy" / "RUNBOOK.md"
"""Where it is in a checkout, in which nothing lies there."""
SCROLLABLE_TABLE = '<div class="scroll" tabindex="0" role="region" aria-labelledby="{}"><table>'
"""A table may be wider than a small screen; whoever has no mouse scrolls it with the keyboard. Its heading names it."""


@dataclass(frozen=True, slots=True)
class Section:
    """A heading, for the table of contents."""

    depth: int
    title: str
    anchor: str


@dataclass(frozen=True, slots=True)
class Runbook:
    """All of it."""

    sections: Sequence[Section]
    body: Markup


@cache
def load_runbook() -> Runbook:
    """Read and rendered for the first who asks, as it stands while this process lives."""
    return render_runbook((SHIPPED_PATH if SHIPPED_PATH.exists() else CHECKOUT_PATH).read_text(encoding="utf-8"))


def render_runbook(text: str) -> Runbook:
    """A text in Markdown; HTML in it is shown as text, but comments are left out."""
    from markdown_it import MarkdownIt  # noqa: PLC0415 - a tenth of a second, which commands that only look need not wait

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
    return Runbook(tuple(sections), Markup(body))  # noqa: S704 - our own text, in which no HTML is let through


def make_anchor(heading: str) -> str:
    """The anchor that GitHub gives a heading, so that a link leads to the same place in either."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
