import json
import stat
import tomllib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from oddaemon.settings import load
from oddaemon.simulator.api.keys import Mode, Permission
from oddaemon.simulator.api.messages import BrokenConnection, ConnectionFailure, Endpoint
from oddaemon.simulator.faults.faults import EConnectorDown, FaultWindow, KeyMoved, TooManyRequests
from oddaemon.simulator.faults.row_corruption import ALTERATIONS
from oddaemon.simulator.plan.daemon_config import render_toml, write_config
from oddaemon.simulator.plan.fault_plan import FAULTS
from oddaemon.simulator.plan.fleet_builder import make_fleet_plan
from oddaemon.simulator.plan.plan_file import parse_plan, read_plan
from oddaemon.simulator.plan.plan_values import PlanError
from tests.golden import GoldenTexts

PLAN = """
seed = 7
base = 2025-03-03T09:55:00Z

[headquarters]
developer_key = "NFF6i0KrXrxDkZHt"
waiting_max = 3

[config.api]
max_in_flight = 32

[[office]]
id = "brookside"
name = "Brookside Dental"
due_in_seconds = 8.5
zone = "America/New_York"
guarantors = 40
crashes = [2025-03-03]
last_aging = 2025-02-01

[office.config]
fresh_by = "06:30"

[[office]]
id = "hillside"
permission = "enterprise"
mode = "local"
spacing_seconds = 0.02
rows_max = 50
customer_key = "VzkmZEaUWOjnQX2z"

[[fault]]
kind = "econnector_down"
offices = ["brookside"]
from_seconds = 5
until_seconds = 20
calls = ["short_query"]
skip = 1
hits_max = 2
chance = 0.5

[[fault]]
kind = "key_moved"
to_office_id = "hillside"
since = 2025-03-03T10:00:00Z

[[fault]]
kind = "broken_connection"
cut = "reset"
after_bytes = 100

[[fault]]
kind = "altered"
alteration = "drop_last_row"
"""


def make_plan_document() -> dict[str, Any]:
    return tomllib.loads(PLAN)


def test_a_plan_says_all_of_a_world(tmp_path: Path) -> None:
    path = tmp_path / "plan.toml"
    path.write_text(PLAN)
    plan = read_plan(path)
    brookside, hillside = plan.offices
    assert (plan.seed, plan.base) == (7, datetime(2025, 3, 3, 9, 55, tzinfo=UTC))
    assert plan.options.waiting_max == 3
    assert (brookside.name, brookside.spec.guarantors, brookside.config) == (
        "Brookside Dental",
        40,
        {"fresh_by": "06:30"},
    )
    assert hillside.key.permission is Permission.ENTERPRISE
    assert hillside.key.mode is Mode.LOCAL
    assert (hillside.key.spacing_seconds, hillside.key.rows_max) == (0.02, 50)
    first, scheduled, broken, altered = plan.faults
    assert first.fault == EConnectorDown()
    assert (first.office_ids, first.endpoints) == (frozenset({"brookside"}), frozenset({Endpoint.SHORT_QUERY}))
    assert first.window == FaultWindow(5, 20)
    assert (first.skip, first.hits_max, first.chance) == (1, 2, 0.5)
    assert scheduled.fault == KeyMoved("hillside")
    assert scheduled.window.begins == datetime(2025, 3, 3, 10, tzinfo=UTC)
    assert broken.fault == BrokenConnection(ConnectionFailure.RESET, 100)
    assert altered.describe() == "Altered(name='drop_last_row') for every office"


def test_a_plan_in_json_is_the_same(tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    path.write_text(json.dumps(make_plan_document(), default=str))
    assert read_plan(path) == parse_plan(make_plan_document())


def test_the_due_time_is_on_the_offices_own_clock() -> None:
    brookside, hillside = parse_plan(make_plan_document()).offices
    start = datetime(2025, 3, 3, 9, 55, tzinfo=UTC)
    assert brookside.make_spec(start).service_time_due == "04:55:09"
    assert hillside.make_spec(start) == hillside.spec


def test_keys_and_seeds_follow_from_the_seed_and_differ_between_offices() -> None:
    tables = {"office": [{"id": "a"}, {"id": "b"}]}
    one, same, other = parse_plan(tables), parse_plan(tables), parse_plan({**tables, "seed": 1})
    assert one == same
    assert len({office.key.customer_key for plan in (one, other) for office in plan.offices}) == 4
    assert len({office.spec.seed for plan in (one, other) for office in plan.offices}) == 4


INVALID_PLANS: list[dict[str, object]] = [
    {"offices": []},
    {"office": {"id": "a"}},
    {"headquarters": 5},
    {"headquarters": {"waiting": 5}},
    {"headquarters": {"waiting_max": "x"}},
    {"office": [{}]},
    {"office": [{"id": "a", "guarantor": 5}]},
    {"office": [{"id": "a", "permission": "all"}]},
    {"office": [{"id": "a"}, {"id": "a"}]},
    {"office": [{"id": "a", "customer_key": "k"}, {"id": "b", "customer_key": "k"}]},
    {"seed": "x"},
    {"base": "tomorrow"},
    {"fault": [{}]},
    {"fault": [{"kind": "fire"}]},
    {"fault": [{"kind": "latency"}]},
    {"fault": [{"kind": "latency", "second": 5}]},
    {"fault": [{"kind": "respelled", "spelling": "x"}]},
    {"fault": [{"kind": "altered", "alteration": "x"}]},
    {"fault": [{"kind": "key_disabled", "offices": ["a"]}]},
    {"fault": [{"kind": "key_moved", "to_office_id": "b"}]},
]


def test_what_no_world_can_be_is_said_with_its_place(golden: GoldenTexts) -> None:
    found = []
    for tables in INVALID_PLANS:
        with pytest.raises(PlanError) as raised:
            parse_plan(tables)
        found.append(f"{json.dumps(tables)}: {raised.value}")
    golden.check(found)


def test_an_error_never_shows_a_key() -> None:
    with pytest.raises(PlanError) as raised:
        parse_plan({"office": [{"id": "a", "customer_key": ["SECRETSECRET"]}]})
    assert "SECRETSECRET" not in str(raised.value)


def test_a_file_that_does_not_parse_is_named(tmp_path: Path) -> None:
    path = tmp_path / "plan.toml"
    path.write_text("seed = ")
    with pytest.raises(PlanError, match=r"plan\.toml: "):
        read_plan(path)


def test_every_fault_can_be_planned() -> None:
    needed: dict[str, dict[str, object]] = {
        "key_moved": {"to_office_id": "a"},
        "latency": {"seconds": 5},
        "broken_connection": {"cut": "stall"},
        "other_body": {"text": "null"},
        "respelled": {"spelling": "utf_16"},
        "stale_preferences": {"seconds": 60},
    }
    tables = [{"kind": kind, **needed.get(kind, {})} for kind in FAULTS if kind != "altered"]
    tables += [{"kind": "altered", "alteration": name} for name in ALTERATIONS]
    plan = parse_plan({"office": [{"id": "a"}], "fault": tables})
    assert len({each.describe() for each in plan.faults}) == len(FAULTS) - 1 + len(ALTERATIONS)


def test_429_can_be_planned_without_retry_after_in_json() -> None:
    plan = parse_plan({"fault": [{"kind": "too_many_requests", "retry_after": None}]})
    assert plan.faults[0].fault == TooManyRequests(None)


def test_the_daemon_reads_the_configuration_that_is_written_for_it(tmp_path: Path) -> None:
    plan = parse_plan(make_plan_document())
    path = write_config(plan, "http://127.0.0.1:8123/api/v1", tmp_path / "config")
    settings = load(path)
    assert settings.api.base_url == "http://127.0.0.1:8123/api/v1"
    assert settings.api.max_in_flight == 32
    brookside, hillside = sorted(settings.offices.values(), key=lambda each: each.spec.id)
    assert brookside.credentials.customer_key.reveal() == plan.offices[0].key.customer_key
    assert hillside.credentials.customer_key.reveal() == "VzkmZEaUWOjnQX2z"
    assert hillside.credentials.base_url == "http://localhost:8123/api/v1"
    assert (brookside.credentials.remote, hillside.credentials.remote) == (True, False)
    for each in [path, *(tmp_path / "config" / "offices.d").iterdir()]:
        assert stat.S_IMODE(each.stat().st_mode) == 0o600


def test_tables_are_written_so_that_they_read_the_same() -> None:
    table = {
        "a": 'quote " and \\ and é and\nline',
        "b": [1, 2.5, True],
        "when": datetime(2025, 3, 3, 9, tzinfo=UTC),
        "t": {"x": {"odd key": 1}, "y": "z"},
        "list": [{"i": 1, "deep": {"j": 2}}, {"i": 2}],
    }
    assert tomllib.loads(render_toml(table)) == table


def test_a_fleet_needs_no_plan() -> None:
    plan = make_fleet_plan(50, seed=3, due_in_seconds=5.0, due_over_seconds=20.0)
    assert plan == make_fleet_plan(50, seed=3, due_in_seconds=5.0, due_over_seconds=20.0)
    assert len({office.key.customer_key for office in plan.offices}) == 50
    due = [office.due_in_seconds for office in plan.offices if office.due_in_seconds is not None]
    assert len(due) > 40
    assert 5.0 <= min(due) < max(due) <= 25.0
    assert all(office.due_in_seconds is None for office in make_fleet_plan(5, seed=3).offices)


def test_a_fleet_can_be_hurried_but_a_service_that_is_down_stays_down() -> None:
    usual, hurried = make_fleet_plan(200, seed=3), make_fleet_plan(200, seed=3, pace=0.01)
    delays = [
        (a.spec.start_delay_seconds, b.spec.start_delay_seconds)
        for a, b in zip(usual.offices, hurried.offices, strict=True)
    ]
    assert max(office.spec.run_seconds for office in hurried.offices) < 10
    assert [b for a, b in delays if a > 3600] == [a for a, _ in delays if a > 3600] != []
    assert max(b for a, b in delays if a <= 3600) < 1
