from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from oddaemon.cli.commands.explain import describe_office
from oddaemon.cli.sources.fleet import make_details
from oddaemon.core.failures.failure import Failure, FailureKind
from oddaemon.core.model import Condition, OfficeSpec, Reader
from oddaemon.core.office.state import OfficeState
from oddaemon.core.office.status import make_failure_status
from oddaemon.core.reporting.status_document import describe_key_rotation
from oddaemon.store.offices import OfficeRow
from tests.cli.sample_fleet import SampleFleet, make_blocked_state, make_fresh_state, parse_json
from tests.cli.sample_history import make_history
from tests.golden import GoldenTexts

NOW = datetime(2026, 3, 8, 12, 0, tzinfo=UTC)


ELM = OfficeSpec("elm", "Elm")


def make_row(state: OfficeState | None) -> OfficeRow:
    return OfficeRow("elm", "Elm", True, state, None, 0, 0, None)


def explain_lines(state: OfficeState | None, now: datetime = NOW) -> dict[str, str]:
    return dict(describe_office(make_details(ELM, make_row(state), now), now))


@pytest.mark.usefixtures("in_new_york")
def test_a_blocked_office_is_explained_with_owner_and_advice(golden: GoldenTexts) -> None:
    blocked, hill_street = make_blocked_state(NOW), OfficeSpec("hill-street", "Hill Street Dental")
    shown = dict(describe_office(make_details(hill_street, make_row(blocked), NOW), NOW))
    assert (shown["Why"], shown["What to do"]) == (blocked.standing.reason, blocked.standing.advice)
    assert "2026-03-05 06:59:00 EST" in shown["Condition"]
    assert "2026-03-08 08:20:30 EDT" in shown["Next"]
    golden.check("\n".join(f"{name}: {line}" for name, line in shown.items()))


@pytest.mark.usefixtures("in_new_york")
def test_a_key_rotation_is_shown_with_its_end() -> None:
    document = make_details(ELM, make_row(make_fresh_state(NOW)), NOW)
    document["key_trial"] = {"ends_at": "2026-03-08T12:15:00.000Z", "former_accepted": True}
    assert dict(describe_office(document, NOW))["Key"] == describe_key_rotation(True, "2026-03-08 08:15:00 EDT")


def test_the_message_to_the_office_is_printed_verbatim(fleet: SampleFleet, golden: GoldenTexts) -> None:
    blocked = make_blocked_state(NOW)
    status = make_failure_status(
        blocked.standing, NOW, Condition.BLOCKED, Failure(FailureKind.KEY_REJECTED, "API key is disabled.", 401)
    )
    sent = explain_lines(replace(blocked, standing=status))["To send"]

    assert sent == status.letter
    assert sent.startswith("Hello! ")
    golden.check(sent)
    assert parse_json(fleet.run("explain", "bright-smiles", "--json"))["letter"] == ""


def test_a_fresh_office_is_explained_with_its_snapshot_and_verification(
    fleet: SampleFleet, golden: GoldenTexts
) -> None:
    result = fleet.run("explain", "bright-smiles")

    assert result.exit_code == 0
    shown_lines = {line[:12].strip(): line[12:] for line in result.stdout.splitlines()}
    for name in ("Office", "Who acts", "Aging", "Program", "Snapshot"):
        golden.check(shown_lines[name])
    assert shown_lines["Published"].startswith("2 h ago, at ")
    golden.check(shown_lines["Proof"])
    assert "Failures" not in shown_lines


@pytest.mark.usefixtures("in_new_york")
def test_the_clock_is_shown_only_where_it_is_wrong(golden: GoldenTexts) -> None:
    def get_clock_line(skew_seconds: float) -> str | None:
        state = replace(make_fresh_state(NOW), skew_seconds=skew_seconds)
        return explain_lines(state).get("Clock")

    assert get_clock_line(12.0) is None
    golden.check(get_clock_line(181.0))
    golden.check(get_clock_line(-3600.0))


def test_an_office_read_in_pages_and_one_never_read_say_so(golden: GoldenTexts) -> None:
    paged = replace(make_fresh_state(NOW), reader=Reader.PAGES)
    new = None

    golden.check(explain_lines(paged)["Reading"])
    assert explain_lines(new)["Reading"] == "not read yet"
    golden.check(explain_lines(new)["Why"])


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


def test_json_of_an_office_not_taken_up_yet_is_complete(fleet: SampleFleet, golden: GoldenTexts) -> None:
    document = parse_json(fleet.run("explain", "new-oak", "--json"))

    golden.check(document["reason"])
    assert document["reader"] is None
    assert document.keys() == parse_json(fleet.run("explain", "bright-smiles", "--json")).keys()


def test_an_unknown_office_is_answered_with_the_nearest(fleet: SampleFleet, golden: GoldenTexts) -> None:
    near, far = fleet.run("explain", "hillstreet"), fleet.run("explain", "zzz")

    assert (near.exit_code, near.stdout) == (1, "")
    golden.check(near.stderr)
    golden.check(far.stderr)


def test_a_removed_office_is_shown_with_its_stored_data(tmp_path: Path, golden: GoldenTexts) -> None:
    history = make_history(tmp_path)
    day = f"{history.fleet.now.astimezone():%Y-%m-%d}"
    golden.check(history.run_failing("explain", "left"), DAY=day)
    assert "3.00" in history.run("history", "left")


def test_an_overdue_action_is_shown_as_past(golden: GoldenTexts) -> None:
    later = NOW + timedelta(hours=3)
    next_line = explain_lines(make_fresh_state(NOW), later)["Next"]

    golden.check(next_line)
