from pathlib import Path

from oddaemon.settings import load
from tests.cli.sample_fleet import CONFIGURATION, KEYS, invoke, parse_json, write_config
from tests.golden import GoldenTexts

BAD = CONFIGURATION.replace("customer_key_env", "custmer_key_env", 1).replace("Chicago", "Chicgo")


def test_a_single_office_asks_more_than_nothing(tmp_path: Path, golden: GoldenTexts) -> None:
    single = CONFIGURATION.partition('[[office]]\nid = "coast-reno"')[0]
    golden.check(invoke("check", "--config", str(write_config(tmp_path, single))).stdout)


def test_probes_above_the_cap_are_reported(tmp_path: Path, golden: GoldenTexts) -> None:
    tight = CONFIGURATION.replace("[state]", "max_requests_per_second = 0.05\n[state]")
    result = invoke("check", "--config", str(write_config(tmp_path, tight)))

    golden.check(result.stdout)


def test_every_problem_is_on_standard_error_and_the_status_is_78(tmp_path: Path, golden: GoldenTexts) -> None:
    path = write_config(tmp_path, BAD)
    result = invoke("check", "--config", str(path))

    assert result.exit_code == 78
    assert result.stdout == ""
    *problems, last = result.stderr.splitlines()
    golden.check(last)
    assert any("did you mean `customer_key_env`?" in problem for problem in problems)
    assert any("did you mean `America/Chicago`?" in problem for problem in problems)


def test_json_names_each_problem_with_its_place(tmp_path: Path) -> None:
    path = write_config(tmp_path, BAD)
    result = invoke("check", "--json", "--config", str(path))

    document = parse_json(result)
    assert result.exit_code == 78
    assert document["summary"] is None
    assert {
        "file": str(path),
        "key": 'office[0] "bright-smiles".timezone',
        "value": '"America/Chicgo"',
        "message": "unknown time zone",
        "hint": "did you mean `America/Chicago`?",
        "line": 12,
    } in document["problems"]  # type: ignore[operator]  # a list


def test_json_of_a_good_configuration_has_the_estimate(tmp_path: Path) -> None:
    document = parse_json(invoke("check", "--json", "--config", str(write_config(tmp_path))))

    assert document == {
        "problems": [],
        "warnings": [],
        "summary": {
            "offices": 3,
            "groups": [{"remote": True, "min_interval_seconds": 1.0, "offices": 3}],
            "requests_a_day": 540.0,
            "peak_requests_per_second": 0.1,
        },
    }


def test_a_warning_is_shown_and_does_not_fail(tmp_path: Path) -> None:
    path = write_config(
        tmp_path, CONFIGURATION.replace('developer_key_env = "DEVELOPER"', f'developer_key = "{KEYS["OAK"]}x"')
    )
    path.chmod(0o644)
    result = invoke("check", "--config", str(path))

    assert result.exit_code == 0
    assert result.stderr.startswith(f"warning: {path}")
    assert KEYS["OAK"] not in result.output


def test_no_configuration_at_all_says_where_it_was_looked_for(tmp_path: Path) -> None:
    missing = tmp_path / "nowhere.toml"
    result = invoke("check", "--config", str(missing))

    assert result.exit_code == 78
    assert str(missing) in result.stderr


def test_the_sample_configuration_is_good(tmp_path: Path) -> None:
    assert len(load(write_config(tmp_path), KEYS).offices) == 4
