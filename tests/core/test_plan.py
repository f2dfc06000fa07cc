"""What another configuration would change, told without a single value of it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oddaemon.core.config_diff import (
    ConfigChange,
    ConfigDiff,
    diff_configs,
    make_config_diff_document,
    parse_config_diff,
)

ELM = {"clinics": (1, 2), "customer_key": "secret", "name": "Elm"}
traits = st.dictionaries(st.sampled_from("abc"), st.integers(0, 1), max_size=3)
fleets = st.dictionaries(st.sampled_from(["elm", "oak", "ash", "fir"]), traits)


def test_an_office_of_which_the_same_is_wanted_is_unchanged() -> None:
    plan = diff_configs({"elm": ELM}, {"elm": dict(ELM)})
    assert plan == ConfigDiff(unchanged=1)
    assert plan.sentence == "1 unchanged."


def test_a_change_is_told_by_the_names_of_its_settings() -> None:
    plan = diff_configs({"elm": ELM}, {"elm": {**ELM, "customer_key": "other", "clinics": ()}})
    assert plan.changed == (ConfigChange("elm", ("clinics", "customer_key")),)
    assert plan.changed[0].restarts_worker
    assert "secret" not in repr(plan)
    assert "other" not in repr(plan)


def test_what_an_office_is_only_shown_by_disturbs_nothing() -> None:
    plan = diff_configs({"elm": ELM}, {"elm": {**ELM, "name": "Elm Street", "labels": ("a", "b")}})
    assert plan.changed == (ConfigChange("elm", ("labels", "name")),)
    assert not plan.changed[0].restarts_worker


@pytest.mark.parametrize(
    ("plan", "sentence"),
    [
        (ConfigDiff(), "no offices."),
        (ConfigDiff(new=("a", "b"), removed=("c",), unchanged=1200), "2 new, 1 removed, 1,200 unchanged."),
        (ConfigDiff(unchanged=1, sinks=("lake", "push")), "1 unchanged; [[sink]] lake, push changed."),
        (ConfigDiff(unchanged=1, restart=("[http]",)), "1 unchanged; [http] changes with a restart only."),
        (ConfigDiff(restart=("[api]", "[log]")), "no offices; [api] and [log] change with a restart only."),
    ],
)
def test_a_plan_is_told_in_a_sentence(plan: ConfigDiff, sentence: str) -> None:
    assert plan.sentence == sentence


@given(fleets, fleets)
def test_every_office_is_in_one_part_of_the_plan(
    before: dict[str, dict[str, int]], after: dict[str, dict[str, int]]
) -> None:
    plan = diff_configs(before, after)
    changed = {each.office for each in plan.changed}
    assert set(plan.new) == after.keys() - before.keys()
    assert set(plan.removed) == before.keys() - after.keys()
    assert changed == {each for each in before.keys() & after.keys() if before[each] != after[each]}
    assert plan.unchanged == len(before.keys() & after.keys()) - len(changed)
    assert parse_config_diff(json.loads(json.dumps(make_config_diff_document(plan)))) == plan


def test_without_a_restart_nothing_is_said_of_one() -> None:
    assert ConfigDiff(new=("elm",)).restart_sentence == ""
