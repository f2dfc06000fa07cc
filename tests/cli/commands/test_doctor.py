"""`doctor` and `check --live` against a simulated headquarters on a real port, and against a daemon's socket."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from oddaemon.core.diagnostics.diagnosis import CheckName
from oddaemon.core.failures.failure import FailureKind
from tests.cli.fake_control_socket import fake_daemon
from tests.cli.sample_fleet import invoke, parse_json, write_config
from tests.cli.simulated_headquarters import make_fault, make_office, observed_headquarters, simulated_headquarters
from tests.golden import GoldenTexts

OFFICES = [make_office("elm", clinics=3), make_office("oak"), make_office("ash", service_time_due=None)]
FAULTS = [make_fault("econnector_down", "oak")]


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with simulated_headquarters(tmp_path_factory.mktemp("rehearsal"), OFFICES, FAULTS) as path:
        yield path


def run(config: Path, *arguments: str) -> Result:
    return invoke(*arguments, "--config", str(config))


def parse_document(result: Result) -> Any:
    return parse_json(result)


def test_an_office_in_which_all_is_well_is_shown_check_by_check(config: Path, golden: GoldenTexts) -> None:
    done = run(config, "doctor", "elm")
    lines = done.stdout.splitlines()
    assert (done.exit_code, done.stderr) == (0, "")
    assert lines[0] == "elm"
    golden.check([line for line in lines if line.startswith(("✓ Name and DNS", "✓ Customer key"))])
    assert any(line.startswith("✓ Clinics") and "hidden" in line for line in lines)
    assert lines[-1] == "No check failed."


def test_a_failed_office_is_shown_with_owner_advice_and_message(config: Path, golden: GoldenTexts) -> None:
    done = run(config, "doctor", "oak")
    assert done.exit_code == 1
    golden.check(done.stdout)
    assert f"→ the office: {FailureKind.ECONNECTOR_DOWN.advice}" in done.stdout


def test_json_holds_every_check_in_order_and_no_key(config: Path) -> None:
    done = run(config, "doctor", "elm", "oak", "--json")
    results = parse_document(done)
    assert done.exit_code == 1
    assert [(each["office"], each["healthy"]) for each in results["offices"]] == [("elm", True), ("oak", False)]
    assert [step["step"] for step in results["offices"][0]["steps"]] == list(CheckName)
    assert results["offices"][0]["source"] == "doctor"
    keys = [line.split('"')[1] for path in config.parent.rglob("*.toml") for line in path.read_text().splitlines()
            if "_key =" in line]  # fmt: skip
    assert len(keys) == 4
    assert not any(key in done.output for key in keys)


def test_without_an_office_all_are_checked_and_the_worst_comes_first(config: Path, golden: GoldenTexts) -> None:
    done = run(config, "doctor")
    lines = done.stdout.splitlines()
    assert done.exit_code == 1
    assert [line.split()[0] for line in lines[1:4]] == ["oak", "ash", "elm"]
    assert "Automated aging" in lines[2]
    golden.check(lines[4:])


@pytest.mark.real("keeps the pace of the API in real time")
def test_check_live_checks_the_configuration_first_and_then_every_office(config: Path) -> None:
    done = run(config, "check", "--live", "--concurrency", "1")
    assert done.exit_code == 1
    assert done.stdout.startswith(f"{config} is valid: 3 offices.")
    assert "1 of 3 offices healthy." in done.stdout
    result = parse_document(run(config, "check", "--live", "--json"))
    assert result["summary"]["offices"] == 3
    assert {each["office"]: each["healthy"] for each in result["live"]["offices"]} == {
        "ash": False,
        "elm": True,
        "oak": False,
    }


@pytest.mark.real("keeps the pace of the API in real time")
@pytest.mark.parametrize("concurrency", [1, 3])
def test_no_more_offices_are_checked_at_once_than_requested(tmp_path: Path, concurrency: int) -> None:
    offices = [make_office(f"office-{number}") for number in range(7)]
    with observed_headquarters(tmp_path, offices, base_seconds=0.02) as (config, site):
        assert run(config, "doctor", "--concurrency", str(concurrency)).exit_code == 0
        traffic = list(site.traffic)
    assert len(traffic) == 7 * 14
    spans = {
        each.office_id: (
            min(one.arrived_seconds for one in traffic if one.office_id == each.office_id),
            max(one.finished_seconds for one in traffic if one.office_id == each.office_id),
        )
        for each in traffic
    }
    at_once = max(sum(begin <= moment <= end for begin, end in spans.values()) for moment, _ in spans.values())
    assert at_once == concurrency


def test_check_live_sends_no_request_with_a_bad_configuration(tmp_path: Path) -> None:
    bad = write_config(tmp_path, "[api]\ndeveloper_key_env = 'NO_SUCH'\n")
    for more in ([], ["--json"]):
        assert run(bad, "check", "--live", *more).exit_code == 78
    assert run(bad, "check", "--live", "--plan").exit_code == 2


def test_an_unknown_office_is_answered_with_the_nearest(config: Path, golden: GoldenTexts) -> None:
    done = run(config, "doctor", "elm", "oakk")
    assert done.exit_code == 1
    golden.check(done.stderr)
    assert "`oddaemon office list`" in run(config, "doctor", "zzz").stderr


@pytest.mark.real("keeps the pace of the API in real time")
def test_a_key_rejected_alone_may_be_either_key_among_several_it_is_the_customer_key(tmp_path: Path) -> None:
    faults = [make_fault("key_disabled", "oak")]
    with simulated_headquarters(tmp_path, [make_office("elm"), make_office("oak")], faults) as config:
        alone = parse_document(run(config, "doctor", "oak", "--json"))["offices"][0]
        among = parse_document(run(config, "doctor", "--json"))["offices"][1]
    place = list(CheckName).index(CheckName.DEVELOPER_KEY)
    assert [each["steps"][place]["outcome"] for each in (alone, among)] == ["unknown", "ok"]


def test_while_a_daemon_is_at_work_it_is_the_one_that_asks(tmp_path: Path) -> None:
    config = write_config(tmp_path)
    with fake_daemon(tmp_path / "state.db.sock"):
        done = run(config, "doctor", "hill-street", "--json")
    result = parse_document(done)["offices"][0]
    assert done.exit_code == 0
    assert (result["office"], result["name"]) == ("hill-street", "Hill-Street")


def test_an_office_that_the_daemon_does_not_know_is_asked_directly(tmp_path: Path) -> None:
    with simulated_headquarters(tmp_path, [make_office("elm")]) as config, fake_daemon(tmp_path / "oddaemon.db.sock"):
        result = parse_document(run(config, "doctor", "elm", "--json"))
    assert result["offices"][0]["source"] == "doctor"


def test_a_host_that_does_not_exist_is_ours_to_fix(tmp_path: Path) -> None:
    config = tmp_path / "oddaemon.toml"
    config.write_text(
        '[api]\nbase_url = "https://no-such-host.invalid/api/v1"\ndeveloper_key = "Qm7xT2kLp9RvWc4Z"\n'
        '[[office]]\nid = "elm"\ncustomer_key = "Hb3nY8sVd5FqXg1J"\n'
    )
    config.chmod(0o600)
    done = run(config, "doctor", "elm")
    assert done.exit_code == 1
    _, dns, _, connection, *_ = done.stdout.splitlines()
    assert dns.startswith("✗ Name and DNS ")
    assert "Skipped: fix" in connection
