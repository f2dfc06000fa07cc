"""What another configuration would change, described without a single value of it."""

import json
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oddaemon.core.config_diff import (
    ConfigChange,
    ConfigDiff,
    Effect,
    diff_configs,
    parse_config_diff,
    setting,
)


@dataclass(frozen=True)
class OfficeConfig:
    id: str = field(default="elm", metadata=setting(Effect.NONE))
    name: str = field(default="Elm", metadata=setting(Effect.DISPLAY_ONLY))
    clinics: tuple[int, ...] = (1, 2)
    zone: str = field(default="UTC", metadata=setting(name="timezone"))
    server: str = field(default="here", metadata=setting(name="base_url"))
    rows: int = field(default=100, metadata=setting(name="base_url"))


@dataclass(frozen=True)
class TaskConfig:
    office: OfficeConfig = field(default=OfficeConfig(), metadata=setting(Effect.NESTED))
    customer_key: str = "secret"


@dataclass(frozen=True)
class LaterOfficeConfig(OfficeConfig):
    """A version of the program that has one more setting, about which nothing was declared."""

    new_setting: int = 0


ELM = TaskConfig()
offices = st.builds(OfficeConfig, name=st.sampled_from("ab"), clinics=st.sampled_from([(), (1,)]))
fleets = st.dictionaries(st.sampled_from(["elm", "oak", "ash", "fir"]), st.builds(TaskConfig, office=offices))


def change(**settings: Any) -> TaskConfig:
    return replace(ELM, office=replace(ELM.office, **settings))


def test_an_office_with_the_same_settings_is_unchanged() -> None:
    plan = diff_configs({"elm": ELM}, {"elm": change(id="oak")})
    assert plan == ConfigDiff(unchanged=1)
    assert plan.sentence == "1 unchanged."


def test_a_change_is_reported_by_the_names_of_its_settings() -> None:
    wanted = TaskConfig(OfficeConfig(clinics=(), zone="CET", rows=1000), "other")
    plan = diff_configs({"elm": ELM}, {"elm": wanted})
    assert plan.changed == (ConfigChange("elm", ("base_url", "clinics", "customer_key", "timezone")),)
    assert plan.restarts == {"elm"}
    assert "secret" not in repr(plan)
    assert "other" not in repr(plan)


def test_a_display_only_setting_is_reported_and_restarts_nothing() -> None:
    wanted = change(name="Elm Street")
    plan = diff_configs({"elm": ELM}, {"elm": wanted})
    assert plan.changed == (ConfigChange("elm", ("name",), restarts_worker=False),)
    assert not plan.restarts


def test_a_new_field_is_reported_and_restarts_the_worker_without_further_work() -> None:
    before, after = (TaskConfig(LaterOfficeConfig(new_setting=value)) for value in (0, 1))
    plan = diff_configs({"elm": before}, {"elm": after})
    assert plan.changed == (ConfigChange("elm", ("new_setting",)),)
    assert plan.restarts == {"elm"}


@pytest.mark.parametrize(
    ("plan", "sentence"),
    [
        (ConfigDiff(), "no offices."),
        (ConfigDiff(new=("a", "b"), removed=("c",), unchanged=1200), "2 new, 1 removed, 1,200 unchanged."),
        (ConfigDiff(unchanged=1, sinks=("lake", "push")), "1 unchanged; [[sink]] lake, push changed."),
        (
            ConfigDiff(unchanged=1, restart_required=("[http]",)),
            "1 unchanged; [http] takes effect only after a restart.",
        ),
        (
            ConfigDiff(restart_required=("[api]", "[log]")),
            "no offices; [api] and [log] take effect only after a restart.",
        ),
    ],
)
def test_a_config_diff_is_described_in_a_sentence(plan: ConfigDiff, sentence: str) -> None:
    assert plan.sentence == sentence


@given(fleets, fleets)
def test_every_office_is_in_one_part_of_the_plan(before: dict[str, TaskConfig], after: dict[str, TaskConfig]) -> None:
    plan = diff_configs(before, after)
    changed = {each.office for each in plan.changed}
    assert set(plan.new) == after.keys() - before.keys()
    assert set(plan.removed) == before.keys() - after.keys()
    assert changed == {each for each in before.keys() & after.keys() if before[each] != after[each]}
    assert plan.unchanged == len(before.keys() & after.keys()) - len(changed)
    assert parse_config_diff(json.loads(json.dumps(asdict(plan)))) == plan


def test_without_a_restart_nothing_is_said_of_one() -> None:
    assert ConfigDiff(new=("elm",)).restart_sentence == ""


@pytest.mark.parametrize(
    ("removed", "kept", "is_questioned"), [(3, 0, False), (4, 3, True), (4, 4, False), (200, 0, True), (0, 0, False)]
)
def test_more_than_half_and_more_than_three_are_most(removed: int, kept: int, is_questioned: bool) -> None:
    diff = ConfigDiff(removed=tuple(map(str, range(removed))), unchanged=kept)
    assert diff.removes_most is is_questioned
