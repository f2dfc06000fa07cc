from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from oddaemon.cli.commands.explain import describe_office
from oddaemon.cli.sources.fleet import OfficeRecord
from oddaemon.core.failures.failure import Failure, FailureKind
from oddaemon.core.model import Condition, Reader
from oddaemon.core.office.key_rotation import describe_key_rotation
from oddaemon.core.office.status import make_failure_status
from tests.cli.sample_fleet import SampleFleet, make_blocked_state, make_fresh_state, parse_json
from tests.cli.sample_history import make_history

NOW = datetime(2026, 3, 8, 12, 0, tzinfo=UTC)


def explain_lines(known: OfficeRecord, now: datetime = NOW) -> dict[str, str]:
    return dict(describe_office(known.make_details(now), now))


@pytest.mark.usefixtures("in_new_york")
def test_a_blocked_office_is_explained_with_owner_and_advice() -> None:
    assert list(
        describe_office(
            OfficeRecord("hill-street", "Hill Street Dental", None, make_blocked_state(NOW), None).make_details(NOW),
            NOW,
        )
    ) == [
        ("Office", "hill-street, Hill Street Dental"),
        ("Condition", "blocked for 3 d, since 2026-03-05 06:59:00 EST"),
        ("Why", "The API does not accept the key (HTTP 401): API key is disabled."),
        ("Who acts", "the office"),
        ("What to do", "Ask the office whether it disabled it."),
        ("Next", "reads the office's preferences in 20 min, at 2026-03-08 08:20:30 EDT"),
        ("Snapshot", "none published yet"),
        ("Reading", "in one statement: 64 columns a row, 12 PatNums a column"),
        ("Failures", "4 in a row, 0 pulls discarded in a row"),
    ]


@pytest.mark.usefixtures("in_new_york")
def test_a_key_rotation_is_shown_with_its_end() -> None:
    document = OfficeRecord("elm", "Elm", None, make_fresh_state(NOW), None).make_details(NOW)
    document["key_trial"] = {"ends_at": "2026-03-08T12:15:00.000Z", "former_accepted": True}
    assert dict(describe_office(document, NOW))["Key"] == describe_key_rotation(True, "2026-03-08 08:15:00 EDT")


def test_the_message_to_the_office_is_printed_verbatim(fleet: SampleFleet) -> None:
    blocked = make_blocked_state(NOW)
    status = make_failure_status(
        blocked.standing, NOW, Condition.BLOCKED, Failure(FailureKind.KEY_REJECTED, "API key is disabled.", 401)
    )
    sent = explain_lines(OfficeRecord("elm", "Elm", None, replace(blocked, standing=status), None))["To send"]

    assert sent == status.letter
    assert sent.startswith("Hello! ")
    assert "“API key is disabled.”" in sent
    assert parse_json(fleet.run("explain", "bright-smiles", "--json"))["letter"] == ""


def test_a_fresh_office_is_explained_with_its_snapshot_and_verification(fleet: SampleFleet) -> None:
    result = fleet.run("explain", "bright-smiles")

    assert result.exit_code == 0
    shown_lines = {line[:12].strip(): line[12:] for line in result.stdout.splitlines()}
    assert shown_lines["Office"] == "bright-smiles, Bright Smiles [Family] Dentistry"
    assert shown_lines["Who acts"] == "no one; oddaemon continues by itself"
    assert shown_lines["Aging"] == (
        "DateLastAging 2026-03-02, AgingServiceTimeDue 2000-01-01 02:00:00, AgingBeginDateTime not set"
    )
    assert shown_lines["Program"] == "Open Dental 25.4.48.0; read 2 h ago"
    assert shown_lines["Snapshot"] == (
        "number 1, aging of 2026-03-02: 3 guarantors, total 382.45; 3 new, 0 changed, 0 cleared"
    )
    assert shown_lines["Published"].startswith("2 h ago, at ")
    assert shown_lines["Proof"].endswith("read by statement in 1 request")
    assert "Failures" not in shown_lines


@pytest.mark.usefixtures("in_new_york")
def test_the_clock_is_shown_only_where_it_is_wrong() -> None:
    def get_clock_line(skew_seconds: float) -> str | None:
        state = replace(make_fresh_state(NOW), skew_seconds=skew_seconds)
        return explain_lines(OfficeRecord("elm", "elm", None, state, None)).get("Clock")

    assert get_clock_line(12.0) is None
    assert get_clock_line(181.0) == "181 s ahead of UTC"
    assert get_clock_line(-3600.0) == "3,600 s behind UTC"


def test_an_office_read_in_pages_and_one_never_read_say_so() -> None:
    paged = OfficeRecord("elm", "elm", None, replace(make_fresh_state(NOW), reader=Reader.PAGES), None)
    new = OfficeRecord("elm", "elm", None, None, None)

    assert explain_lines(paged)["Reading"] == "in pages between two control queries"
    assert explain_lines(new)["Reading"] == "not read yet"
    assert explain_lines(new)["Why"] == "Not contacted yet."


def test_json_is_the_office_s_document_and_how_it_is_read(fleet: SampleFleet) -> None:
    document = parse_json(fleet.run("explain", "hill-street", "--json"))

    assert document["id"] == "hill-street"
    assert document["owner"] == "office"
    assert document["snapshot"] is None
    assert document["preferences"] is None
    assert document["reader"] == "statement"
    assert document["packing"] == {"pat_nums_per_column": 12, "columns": 64}
    assert document["failures_in_a_row"] == 4
    assert document["labels"] == {"group": "coast"}


def test_json_of_an_office_not_taken_up_yet_is_complete(fleet: SampleFleet) -> None:
    document = parse_json(fleet.run("explain", "new-oak", "--json"))

    assert document["reason"] == "Not contacted yet."
    assert document["reader"] is None
    assert document.keys() == parse_json(fleet.run("explain", "bright-smiles", "--json")).keys()


def test_an_unknown_office_is_answered_with_the_nearest(fleet: SampleFleet) -> None:
    near, far = fleet.run("explain", "hillstreet"), fleet.run("explain", "zzz")

    assert (near.exit_code, near.stdout) == (1, "")
    assert near.stderr == "oddaemon: no office 'hillstreet'; did you mean `hill-street`?\n"
    assert far.stderr == "oddaemon: no office 'zzz'; `oddaemon office list` lists all offices\n"


def test_a_removed_office_is_shown_with_its_stored_data(tmp_path: Path) -> None:
    history = make_history(tmp_path)
    day = f"{history.fleet.now.astimezone():%Y-%m-%d}"
    assert history.run_failing("explain", "left") == (
        f"oddaemon: left: removed, data kept since {day}: 1 snapshot; "
        "`oddaemon office forget left` erases it for good; `oddaemon history left` shows it"
    )
    assert "3.00" in history.run("history", "left")


def test_an_overdue_action_is_shown_as_past() -> None:
    later = NOW + timedelta(hours=3)
    next_line = explain_lines(OfficeRecord("elm", "elm", None, make_fresh_state(NOW), None), later)["Next"]

    assert next_line.startswith("asks whether aging has completed 2 h ago")
