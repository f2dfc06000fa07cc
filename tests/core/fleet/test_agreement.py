from oddaemon.core.fleet.agreement import ConfigDifference, has_agreement, list_differences
from oddaemon.core.fleet.member import Departure
from tests.core.fleet.builders import make_member
from tests.golden import GoldenTexts


def test_members_with_one_configuration_agree() -> None:
    members = [make_member(number, offices={"elm": "f"}) for number in (1, 2)]
    assert has_agreement(members)
    assert list_differences(members) == []


def test_a_fleet_without_a_living_member_agrees_on_nothing() -> None:
    assert not has_agreement([make_member(1, gone_seconds_ago=1)])


def test_a_host_that_ended_in_good_order_does_not_count() -> None:
    drained = make_member(2, gone_seconds_ago=1, departure=Departure.DRAINED)
    assert has_agreement([make_member(1, offices={"elm": "f"}), drained])


def test_a_host_that_was_lost_counts_until_it_comes_back() -> None:
    last = make_member(1, "a", offices={"elm": "f"})
    lost = make_member(2, "b", offices={"elm": "f", "oak": "f"}, gone_seconds_ago=1)
    assert not has_agreement([last, lost])
    assert has_agreement([last, lost, make_member(3, "b", offices={"elm": "f"})])
    assert has_agreement([last, make_member(2, "b", offices={"elm": "f"}, gone_seconds_ago=1)])


def test_each_difference_is_named() -> None:
    members = [make_member(1, "a", offices={"elm": "f", "oak": "f"}), make_member(2, "b", offices={"elm": "g"})]
    assert not has_agreement(members)
    assert list_differences(members) == [
        ConfigDifference("a", (), ("elm",), shared_settings=False),
        ConfigDifference("b", ("oak",), ("elm",), shared_settings=False),
    ]


def test_shared_settings_differ_without_offices() -> None:
    members = [make_member(1, "a", settings="x"), make_member(2, "b", settings="y")]
    assert [(each.host, each.shared_settings) for each in list_differences(members)] == [("a", True), ("b", True)]


def test_a_difference_is_a_sentence_about_its_host(golden: GoldenTexts) -> None:
    many = tuple(f"office-{number}" for number in range(8))
    differences = [
        ConfigDifference("a", ("elm",), (), shared_settings=False),
        ConfigDifference("b", (), many, shared_settings=True),
        ConfigDifference("c", ("elm", "oak"), ("fir",), shared_settings=True),
    ]
    golden.check("\n".join(each.sentence for each in differences))
