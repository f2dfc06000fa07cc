"""`top` fits its terminal, shows the worst first, and does what its keys say."""

import os
import pty
import tty
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import pytest
from rich.console import Console

from oddaemon.admin.inspection import DaemonDocument, FleetDocument
from oddaemon.cli.args.office_filter import OfficeFilter
from oddaemon.cli.commands.top import RATE_WINDOW_SECONDS, TopModel
from oddaemon.cli.sources.fleet import SourcedDocument
from oddaemon.cli.top.keyboard import KeyReader
from oddaemon.cli.top.screen import NON_TABLE_LINES, WIDE_COLUMNS
from oddaemon.core.model import Condition, Owner, Status
from oddaemon.core.reporting.status_document import OfficeStatus, make_status_document
from tests.cli.inspected_daemon import inspected_daemon, make_request_events
from tests.cli.sample_fleet import SampleFleet
from tests.golden import GoldenTexts

NOW = datetime(2026, 3, 8, 12, 0, tzinfo=UTC)


def make_fleet_report(
    number: int = 100, requests: int | None = 50, conditions: Iterable[Condition] = ()
) -> SourcedDocument[FleetDocument]:
    """A fleet in which every tenth office is blocked; from a daemon if it has counted requests."""
    offices = []
    given = list(conditions)
    for index in range(len(given) or number):
        condition = given[index] if given else Condition.FRESH if index % 10 else Condition.BLOCKED
        owner = Owner.OFFICE if condition is Condition.BLOCKED else None
        status = Status(
            condition,
            NOW - timedelta(minutes=index),
            "The API does not accept the key (HTTP 401): API key is disabled.",
            owner,
            next_action="asks whether aging has completed",
            next_action_at=NOW + timedelta(minutes=1 + index),
        )
        offices.append(OfficeStatus(f"office-{index:03}", f"Office [{index}]", status))
    daemon: DaemonDocument | None = None
    if requests is not None:
        daemon = {
            "version": "1.2.3",
            "pid": 7,
            "started_at": "2026-03-08T09:00:00.000Z",
            "ready": True,
            "reason": "",
            "configuration_rejected": "",
            "failed_jobs": [],
            "requests": requests,
            "requests_in_flight": 3,
        }
    remark = "" if daemon else "the daemon is not running"
    return SourcedDocument({**make_status_document(offices, NOW), "source": "daemon", "daemon": daemon}, remark)


def make_top(*reports: SourcedDocument[FleetDocument]) -> TopModel:
    shown = TopModel(OfficeFilter())
    for second, report in enumerate(reports):
        shown.update(report, second * 2.0)
    return shown


def render(shown: TopModel, width: int = 80, height: int | None = 24) -> list[str]:
    console = Console(width=width, height=height or 1000, color_system=None, force_terminal=False)
    with console.capture() as captured:
        console.print(shown.make_screen(width, height, NOW), end="")
    return captured.get().split("\n")


def list_shown_ids(shown: TopModel, height: int = 24) -> list[str]:
    return [line.split()[0] for line in render(shown, height=height) if line.startswith("office-")]


@pytest.mark.parametrize(("width", "height"), [(80, 24), (140, 40), (40, 10), (200, 60)])
@pytest.mark.parametrize("number", [0, 1, 5, 2000])
def test_it_fills_the_terminal_and_never_more(width: int, height: int, number: int) -> None:
    lines = render(make_top(make_fleet_report(number)), width, height)
    assert len(lines) == height
    assert max(map(len, lines)) <= width
    assert "quit" in lines[-1] or width < 60


def test_the_worst_offices_come_first_and_the_head_counts_all(golden: GoldenTexts) -> None:
    lines = render(make_top(make_fleet_report(100)))
    assert "oddaemon 1.2.3, up 3 h" in lines[0]
    assert lines[1].split("  ") == ["100 offices", "10 blocked", "90 fresh"]
    assert "3 in flight" in lines[2]
    golden.check(lines[2])
    assert list_shown_ids(make_top(make_fleet_report(100)))[:11] == [
        f"office-{index:03}" for index in [*range(0, 100, 10), 1]
    ]


def test_the_rate_is_that_of_the_last_seconds() -> None:
    shown = make_top(make_fleet_report(requests=50))
    assert render(shown)[2].startswith("- requests/s")
    shown.update(make_fleet_report(requests=70), 2.0)
    assert render(shown)[2].startswith("10.0 requests/s")
    shown.update(make_fleet_report(requests=70), 2.0 + RATE_WINDOW_SECONDS)
    assert render(shown)[2].startswith("0.0 requests/s")
    shown.update(make_fleet_report(requests=5), 4.0 + RATE_WINDOW_SECONDS)
    assert render(shown)[2].startswith("- requests/s"), "another process counts from zero"


def test_without_a_daemon_it_says_so_and_shows_no_rate(golden: GoldenTexts) -> None:
    lines = render(make_top(make_fleet_report(3, requests=None)))
    golden.check(lines[0])
    assert "requests/s" not in lines[2]


def test_more_is_shown_where_there_is_room() -> None:
    assert "GUARANTORS" in render(make_top(make_fleet_report(3)), WIDE_COLUMNS)[3]
    assert "GUARANTORS" not in render(make_top(make_fleet_report(3)), WIDE_COLUMNS - 1)[3]


def test_keys_scroll_and_stop_at_both_ends() -> None:
    shown, page = make_top(make_fleet_report(100)), 24 - NON_TABLE_LINES
    worst = list_shown_ids(shown)

    def press_keys(*keys: str) -> list[str]:
        assert all(shown.handle_key(key, 24) for key in keys)
        return list_shown_ids(shown)

    assert press_keys("down") == [*worst[1:], press_keys("down", "up")[-1]]
    assert press_keys("home", "up", "page up") == worst
    assert press_keys("page down")[0] == "office-011"
    assert len(press_keys("end")) == page
    assert press_keys("end", "down", "page down")[-1] == "office-099"
    assert press_keys("home") == worst


def test_c_shows_one_condition_after_another_and_then_all() -> None:
    shown = make_top(make_fleet_report(conditions=list(Condition)))
    conditions = []
    for _ in Condition:
        assert shown.handle_key("c", 24)
        conditions.append(len(list_shown_ids(shown)))
    assert set(conditions) == {1}
    assert shown.handle_key("c", 24)
    assert len(list_shown_ids(shown)) == len(Condition)


def test_c_passes_over_conditions_that_no_office_is_in_and_esc_shows_all() -> None:
    shown = make_top(make_fleet_report(100))
    counts = []
    for key in ["c", "c", "c", "c", "escape"]:
        assert shown.handle_key(key, 200)
        counts.append(len(list_shown_ids(shown, 200)))
    assert counts == [10, 90, 100, 10, 100]
    assert shown.handle_key("escape", 200), "once too often ends nothing"
    assert len(list_shown_ids(shown, 200)) == 100


def test_a_search_is_typed_and_kept_or_forgotten() -> None:
    shown = make_top(make_fleet_report(100))
    for key in ["/", "-", "0", "4", "q", "backspace"]:
        assert shown.handle_key(key, 24)
    assert "/ -04" in render(shown)[-1]
    assert shown.handle_key("enter", 24)
    assert list_shown_ids(shown) == ["office-040", *(f"office-04{index}" for index in range(1, 10))]
    assert "search: -04" in render(shown)[-1]
    assert shown.handle_key("/", 24)
    assert shown.handle_key("escape", 24)
    assert len(list_shown_ids(shown)) == 24 - NON_TABLE_LINES


@pytest.mark.parametrize("key", ["q", "Q"])
def test_q_ends_it_and_other_keys_do_nothing(key: str) -> None:
    shown = make_top(make_fleet_report(3))
    before = render(shown)
    assert shown.handle_key("x", 24)
    assert shown.handle_key("escape", 24)
    assert render(shown) == before
    assert not shown.handle_key(key, 24)


def test_in_a_pipe_the_whole_fleet_is_written_once(fleet: SampleFleet) -> None:
    with inspected_daemon(fleet.config.parent) as service:
        service.emit_events(*make_request_events("hill-street"))
        result = fleet.run("top")

    assert (result.exit_code, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert [line.split()[0] for line in lines[-3:]] == ["hill-street", "bright-smiles", "coast-reno"]
    assert "quit" not in result.stdout
    assert "\x1b" not in result.stdout


def test_a_selection_is_all_that_is_shown_and_counted(fleet: SampleFleet) -> None:
    lines = fleet.run("top", "--condition", "blocked").stdout.splitlines()
    assert lines[1] == "1 office  1 blocked"
    assert "is not running" in lines[0]


@pytest.mark.parametrize(
    ("typed", "key"),
    [
        (b"q", "q"),
        (b"\x1b[A", "up"),
        (b"\x1b[6~", "page down"),
        (b"\x1b", "escape"),
        (b"\r", "enter"),
        ("é".encode(), "é"),
    ],
)
def test_keys_have_their_names(typed: bytes, key: str) -> None:
    terminal, keyboard = pty.openpty()
    try:
        tty.setcbreak(keyboard)
        os.write(terminal, typed)
        keys = KeyReader(keyboard)
        assert keys.read_key(60.0) == key
        assert keys.read_key(0.0) is None
        os.write(terminal, b"x" + typed + b"y")
        assert [keys.read_key(60.0) for _ in range(3)] == ["x", key, "y"]
    finally:
        os.close(terminal)
        os.close(keyboard)


def test_without_a_terminal_it_only_waits() -> None:
    assert KeyReader(None).read_key(0.0) is None
    assert KeyReader(None).read_key(-1.0) is None
