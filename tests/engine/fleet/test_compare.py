"""How the hosts would differ if one of them had another configuration."""

from oddaemon.engine.fleet.fingerprints import ConfigFingerprints, compare_config
from tests.core.fleet.builders import make_member

CONFIG = ConfigFingerprints("s", {"elm": "1", "oak": "1"}, {})


def test_a_host_is_compared_with_the_others_and_not_with_itself() -> None:
    members = [make_member(1, "a", offices={}), make_member(2, "b", offices=CONFIG.offices)]
    assert compare_config(CONFIG, "a", members) == (["b"], [])


def test_a_difference_names_the_host_that_has_it() -> None:
    hosts, differences = compare_config(CONFIG, "a", [make_member(2, "b", offices={"elm": "1"})])
    assert hosts == ["b"]
    assert [(each.host, each.lacks) for each in differences] == [("b", ("oak",))]


def test_without_another_host_there_is_nothing_to_compare() -> None:
    gone = make_member(2, "b", offices={}, gone_seconds_ago=3)
    assert compare_config(CONFIG, "a", [make_member(1, "a"), gone]) == ([], [])
