"""The runbook as the daemon serves it: the alerts' links lead into it."""

import re
from typing import cast

import pytest

from oddaemon.core.model import Condition
from oddaemon.web.pages.runbook import load_runbook, make_anchor, render_runbook
from oddaemon.web.pages.view_models import OfficeView
from tests.alerts.promtool import load_alerts
from tests.alerts.runbook import RUNBOOK, split_sections
from tests.browser.sample_fleet import make_fleet
from tests.browser.site import PageSite
from tests.web.pages.test_event_stream import served_client


async def fetch_page(path: str = "/runbook") -> str:
    async with served_client(PageSite(make_fleet(9))) as client:
        answer = await client.get(path)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    return answer.text


async def test_every_alert_leads_to_its_section() -> None:
    page = await fetch_page()
    for name, alert in load_alerts().items():
        link = cast(dict[str, str], alert["annotations"])["runbook_url"]
        path, _, anchor = link.removeprefix("http://localhost:9464").partition("#")
        assert path == "/runbook"
        assert f'<h3 id="{anchor}">{name}</h3>' in page


async def test_every_link_within_leads_to_one_place() -> None:
    page = await fetch_page()
    places = re.findall(r'\sid="([^"]+)"', page)
    assert len(places) == len(set(places))
    assert set(re.findall(r'href="#([^"]+)"', page)) <= {*places}
    assert {section.anchor for section in load_runbook().sections} == split_sections(RUNBOOK.read_text()).keys()


async def test_it_needs_no_script_and_nothing_inline() -> None:
    page = await fetch_page()
    assert not re.search(r"<script|<style|\sstyle=|\son[a-z]+=|javascript:|<!--", page)
    assert "metrics: begin" not in page


@pytest.mark.parametrize("line", make_fleet(len(Condition)).lines, ids=lambda line: line.status.condition)
async def test_an_office_leads_to_its_condition(line: OfficeView) -> None:
    anchor = line.status.condition.value
    assert f'href="/runbook#{anchor}"' in await fetch_page(f"/offices/{line.id}")
    assert anchor in {section.anchor for section in load_runbook().sections}


@pytest.mark.parametrize(
    ("heading", "anchor"),
    [
        ("First look", "first-look"),
        ("`/-/ready`: what, where?", "-ready-what-where"),
        ("oddaemon_events_total", "oddaemon_events_total"),
        ("Café & co", "café--co"),
    ],
)
def test_an_anchor_is_the_one_that_github_makes(heading: str, anchor: str) -> None:
    assert make_anchor(heading) == anchor


def test_html_is_text_and_no_comment_is_shown() -> None:
    body = render_runbook(
        "# One `two` <b>x</b>\n\n<script>alert(1)</script>\n\n<!-- not\nthis -->\n[x](javascript:alert)"
    ).body
    assert '<h1 id="one-two-bxb">' in body
    assert "&lt;script&gt;" in body
    assert "<script" not in body
    assert 'href="javascript' not in body
    assert "not" not in body


def test_a_wide_table_is_scrolled_with_the_keyboard_too() -> None:
    table = "| a |\n|---|\n| b |\n\n"
    body = render_runbook(f"## One\n\n{table}## Two\n\n{table}").body
    for heading in ("one", "two"):
        assert f'<div class="scroll" tabindex="0" role="region" aria-labelledby="{heading}"><table>' in body
    assert body.rstrip().endswith("</table></div>")
    assert "<table>" in render_runbook(table).body
