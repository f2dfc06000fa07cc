"""What another configuration would change, told without a single value of it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oddaemon.core.plan import Change, Plan, plan_between, plan_document, plan_of

ELM = {"clinics": (1, 2), "customer_key": "secret", "name": "Elm"}
traits = st.dictionaries(st.sampled_from("abc"), st.integers(0, 1), max_size=3)
fleets = st.dictionaries(st.sampled_from(["elm", "oak", "ash", "fir"]), traits)


def test_an_office_of_which_the_same_is_wanted_is_unchanged() -> None:
    plan = plan_between({"elm": ELM}, {"elm": dict(ELM)})
    assert plan == Plan(unchanged=1)
    assert plan.sentence == "1 unchanged."


def test_a_change_is_told_by_the_names_of_its_settings() -> None:
    plan = plan_between({"elm": ELM}, {"elm": {**ELM, "customer_key": "other", "clinics": ()}})
    assert plan.changed == (Change("elm", ("clinics", "customer_key")),)
    assert plan.changed[0].is_disturbing
    assert "secret" not in repr(plan)
    assert "other" not in repr(plan)


def test_what_an_office_is_only_shown_by_disturbs_nothing() -> None:
    plan = plan_between({"elm": ELM}, {"elm": {**ELM, "name": "Elm Street", "labels": ("a", "b")}})
    assert plan.changed == (Change("elm", ("labels", "name")),)
    assert not plan.changed[0].is_disturbing


@pytest.mark.parametrize(
    ("plan", "sentence"),
    [
        (Plan(), "no offices."),
        (Plan(new=("a", "b"), removed=("c",), unchanged=1200), "2 new, 1 removed, 1,200 unchanged."),
        (Plan(unchanged=1, sinks=("lake", "push")), "1 unchanged; [[sink]] lake, push changed."),
        (Plan(unchanged=1, restart=("[http]",)), "1 unchanged; [http] changes with a restart only."),
        (Plan(restart=("[api]", "[log]")), "no offices; [api] and [log] change with a restart only."),
    ],
)
def test_a_plan_is_told_in_a_sentence(plan: Plan, sentence: str) -> None:
    assert plan.sentence == sentence


@given(fleets, fleets)
def test_every_office_is_in_one_part_of_the_plan(
    before: dict[str, dict[str, int]], after: dict[str, dict[str, int]]
) -> None:
    plan = plan_between(before, after)
    changed = {each.office for each in plan.changed}
    assert set(plan.new) == after.keys() - before.keys()
    assert set(plan.removed) == before.keys() - after.keys()
    assert changed == {each for each in before.keys() & after.keys() if before[each] != after[each]}
    assert plan.unchanged == len(before.keys() & after.keys()) - len(changed)
    assert plan_of(json.loads(json.dumps(plan_document(plan)))) == plan


def test_without_a_restart_nothing_is_said_of_one() -> None:
    assert Plan(new=("elm",)).restart_sentence == ""
