"""What the pages say, and how they are sent."""

import gzip
import re
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oddaemon.core.model import Condition, ControlTotals, PublishedSnapshot
from oddaemon.core.reporting.formatting import format_duration
from oddaemon.core.reporting.night_history import Night, NightOutcome
from oddaemon.web.pages import formatting
from oddaemon.web.pages.chart import HEIGHT_UNITS, INTERVALS_MAX, make_bucket_chart
from oddaemon.web.pages.event_stream import StreamOptions
from oddaemon.web.pages.fleet_feed import render_fleet
from oddaemon.web.pages.rendered import RenderedFleet
from oddaemon.web.pages.renderer import Renderer
from oddaemon.web.pages.search import Search, count_labels
from oddaemon.web.pages.view_models import FleetPageView
from tests.browser.sample_fleet import TODAY, make_fleet, make_office_view
from tests.browser.site import PageSite
from tests.web.pages.test_event_stream import served_client


async def test_a_page_is_compressed_for_who_takes_that() -> None:
    async with served_client(PageSite(make_fleet(500))) as client:
        plain = await client.get("/", headers={"accept-encoding": "identity"})
        packed = await client.get("/", headers={"accept-encoding": "gzip"})
    assert "content-encoding" not in plain.headers
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.text == plain.text
    assert int(packed.headers["content-length"]) < len(plain.content) / 8


async def test_static_files_are_cached_and_named_by_their_contents() -> None:
    async with served_client(PageSite(make_fleet(1))) as client:
        page = (await client.get("/")).text
        for address in re.findall(r'(?:href|src)="(/static/[^"]+)"', page):
            answer = await client.get(address)
            assert re.fullmatch(r"/static/[a-z]+\.(css|js|svg)\?[0-9a-f]{12}", address)
            assert "immutable" in answer.headers["cache-control"]
        for name in ("", "pages.py", "..%2fapp.py", "page.css/", "../templates/base.html"):
            assert (await client.get(f"/static/{name}")).status_code == 404


async def test_a_page_is_served_with_nothing_inline_and_nothing_from_elsewhere() -> None:
    async with served_client(PageSite(make_fleet(30))) as client:
        for path in ("/", f"/offices/{make_fleet(30).lines[6].id}", "/offices/absent"):
            answer = await client.get(path)
            policy = dict(part.split(" ", 1) for part in answer.headers["content-security-policy"].split("; "))
            assert policy.pop("default-src") == "'none'"
            assert set(policy.values()) == {"'self'", "'none'"}
            page = answer.text
            assert not re.search(r"<style|\sstyle=|<script(?![^>]*\ssrc=)|\son[a-z]+=|javascript:|https?://", page)
            assert page.count("<script") == 1


def test_a_change_over_nights_without_a_snapshot_is_not_called_one_of_a_night() -> None:
    view = make_office_view(make_fleet(1).lines[0], make_fleet(1).now)
    known = [night for night in view.nights if night.last]
    renderer = Renderer(lambda text: text, str)
    assert "overnight" in renderer.render_office_parts(view, "")["buckets"]
    gap = replace(view, nights=tuple(night for night in view.nights if night not in known[-3:-1]))
    buckets = renderer.render_office_parts(gap, "")["buckets"]
    assert buckets.count(f"since {formatting.format_day(known[-4].aging_date)}") == 5
    assert "overnight" not in buckets


def test_a_page_shows_no_sums_of_a_few_families() -> None:
    view = make_office_view(make_fleet(1).lines[0], make_fleet(1).now)
    assert view.snapshot is not None
    few = view.snapshot.totals._replace(guarantors=1)
    nights = tuple(
        replace(night, last=replace(night.last, totals=few)) if night.last else night for night in view.nights
    )
    small = replace(view, snapshot=replace(view.snapshot, totals=few), nights=nights)
    renderer = Renderer(lambda text: text, str)
    assert "$" in "".join(renderer.render_office_parts(view, "").values())
    assert "$" not in "".join(renderer.render_office_parts(small, "").values())


async def test_many_readers_within_a_moment_are_shown_one_look_at_the_fleet() -> None:
    site = PageSite(make_fleet(3), stream_options=StreamOptions(settle_seconds=60.0))
    async with served_client(site) as client:
        before = (await client.get("/")).text
        site.fleet.lines = []
        assert (await client.get("/")).text == before


def test_only_changed_offices_are_rendered_again() -> None:
    renderer, fleet = Renderer(lambda text: text, str), make_fleet(30)
    before = render_fleet(renderer, RenderedFleet(), FleetPageView(tuple(fleet.lines)))
    fleet.set_condition(fleet.lines[0].id, Condition.LATE, "Late.")
    after = render_fleet(renderer, before, FleetPageView(tuple(fleet.lines)))
    same = [office for office in after.offices if after.offices[office] is before.offices[office]]
    assert len(same) == 29
    assert [fragment.office.id for fragment in after.get_changed_offices(before.revision)] == [fleet.lines[0].id]


NORTH, NONE, COAST = (
    replace(line, id=name[:1].lower(), name=name, labels=labels)
    for line, name, labels in zip(
        make_fleet(3).lines,
        ("A Smile, Reno", "B Third, Reno", "C Coast"),
        ((("group", "north"),), (), (("group", "coast"),)),
        strict=True,
    )
)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ([], "abc"),
        ([("q", "COAST")], "c"),
        ([("q", "reno"), ("q", "north")], "a"),
        ([("q", "reno north")], "a"),
        ([("q", "group=")], "ac"),
        ([("condition", "fresh")], "a"),
        ([("condition", "fresh"), ("condition", "aging")], "ac"),
        ([("condition", "no such condition")], "abc"),
        ([("label", "group=north")], "a"),
        ([("label", "group=nor")], ""),
        ([("outlook", "at_risk")], "c"),
        ([("outlook", "at_risk"), ("condition", "fresh")], ""),
        ([("unknown", "field")], "abc"),
    ],
)
def test_a_search_is_all_of_what_is_asked(query: list[tuple[str, str]], found: str) -> None:
    search = Search.from_query(query)
    assert "".join(line.id for line in (NORTH, NONE, COAST) if search.matches(line)) == found


def test_a_search_is_written_as_it_was_read() -> None:
    search = Search.from_query([("q", "a & b"), ("condition", "late"), ("label", "k=v"), ("outlook", "missed")])
    assert search.to_query(all_rows=True) == "q=a+%26+b&label=k%3Dv&rows=all&condition=late&outlook=missed"
    assert Search().to_query(all_rows=False) == ""


def test_labels_are_offered_with_their_number() -> None:
    lines = [replace(line, labels=(("group", "coast"),)) for line in make_fleet(3).lines]
    lines[0] = replace(lines[0], labels=(("a", "b"), ("group", "coast")))
    assert count_labels(lines) == [("a=b", 1), ("group=coast", 3)]


@pytest.mark.parametrize(
    ("length", "expected"),
    [
        (timedelta(seconds=12), "12 s"),
        (timedelta(minutes=5, seconds=59), "5 min"),
        (timedelta(hours=4, minutes=19), "4 h 19 min"),
        (timedelta(hours=4), "4 h"),
        (timedelta(hours=-1), "1 h"),
        (timedelta(days=2, hours=3, minutes=30), "2 d 3 h"),
    ],
)
def test_durations_have_two_units(length: timedelta, expected: str) -> None:
    assert format_duration(length, two_units=True) == expected


MINUS = "\N{MINUS SIGN}"


@pytest.mark.parametrize(
    ("cents", "exact", "rounded"),
    [
        (0, "$0.00", "$0"),
        (123_45, "$123.45", "$123.45"),
        (-5, f"{MINUS}$0.05", f"{MINUS}$0.05"),
        (2_500_00, "$2,500.00", "$2.5k"),
        (-3_000_000_00, f"{MINUS}$3,000,000.00", f"{MINUS}$3M"),
    ],
)
def test_amounts_are_exact_to_the_cent_and_axes_are_rounded(cents: int, exact: str, rounded: str) -> None:
    assert (formatting.format_dollars(cents), formatting.format_round_dollars(cents)) == (exact, rounded)


def make_nights(*buckets: tuple[int, int, int, int]) -> list[Night]:
    publication = make_office_view(make_fleet(1).lines[0], make_fleet(1).now).publications[0]
    return [_make_night(publication, each) for each in buckets]


def _make_night(publication: PublishedSnapshot, buckets: tuple[int, int, int, int]) -> Night:
    totals = ControlTotals._make((9, sum(buckets), *buckets, 0, sum(buckets), 1))
    return Night(TODAY, NightOutcome.IN_TIME, publication, replace(publication, totals=totals))


cents = st.integers(-(10**13), 10**13)
amounts = st.tuples(cents, cents, cents, cents)


@given(st.lists(amounts, min_size=1, max_size=30))
def test_every_block_of_the_chart_is_inside_it_on_its_side_of_zero(buckets: list[tuple[int, int, int, int]]) -> None:
    chart = make_bucket_chart(make_nights(*buckets))
    assert chart is not None
    assert 2 <= len(chart.ticks) == len(chart.lines) <= INTERVALS_MAX + 1
    assert chart.zero in chart.lines
    assert len(chart.bars) == len(buckets)
    for bar, amounts_ in zip(chart.bars, buckets, strict=True):
        assert [block.bucket for block in bar.blocks] == [index for index, each in enumerate(amounts_) if each]
        for block in bar.blocks:
            assert -0.02 <= block.y <= block.y + block.height <= HEIGHT_UNITS + 0.02
            assert (block.y + block.height <= chart.zero + 0.02) == (amounts_[block.bucket] > 0) or block.height < 0.03


def test_nights_without_a_snapshot_leave_a_gap_and_no_night_at_all_no_chart() -> None:
    [night] = make_nights((100, 0, 0, 0))
    gap = Night(TODAY, NightOutcome.MISSING)
    chart = make_bucket_chart([night, gap, night])
    assert chart is not None
    assert [bar.x for bar in chart.bars] == [1.5, 21.5]
    assert make_bucket_chart([gap]) is None


def test_the_axis_has_round_numbers() -> None:
    chart = make_bucket_chart(make_nights((90_000_00, 30_000_00, 9_000_00, 12_000_00)))
    assert chart is not None
    assert chart.ticks == ("$150k", "$100k", "$50k", "$0")
    negative = make_bucket_chart(make_nights((90_00, 0, 0, -20_00)))
    assert negative is not None
    assert negative.ticks == ("$100", "$50", "$0", f"{MINUS}$50")
    assert make_bucket_chart(make_nights((0, 0, 0, 0))) is not None


async def test_gzip_of_a_page_is_gzip() -> None:
    async with served_client(PageSite(make_fleet(2))) as client, client.stream("GET", "/") as answer:
        packed = b"".join([part async for part in answer.aiter_raw()])
    assert gzip.decompress(packed).startswith(b"<!DOCTYPE html>")


def test_what_only_the_office_s_own_page_shows_is_no_change_of_the_fleet_s() -> None:
    renderer, fleet = Renderer(lambda text: text, str), make_fleet(3)
    office = fleet.lines[0]
    before = render_fleet(renderer, RenderedFleet(), FleetPageView(tuple(fleet.lines)))
    status = replace(office.status, next_action_at=fleet.now + timedelta(hours=1))
    fleet.lines[0] = replace(office, status=status)
    after = render_fleet(renderer, before, FleetPageView(tuple(fleet.lines)))
    assert not after.get_changed_offices(before.revision)
    assert not after.get_changed_parts(before.revision)
    assert [each.id for each in fleet.lines if after.has_office_changed(each.id, before.revision)] == [office.id]
