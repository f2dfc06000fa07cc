from oddaemon.opendental.keys import TRY_AGAIN_SECONDS, KeyRing


def test_one_key_is_the_only_candidate_and_its_acceptance_is_no_news() -> None:
    ring = KeyRing("one")
    assert ring.candidates(0.0) == ("one",)
    assert not ring.accepted("one")
    assert not ring.is_changing(0.0)


def test_a_changed_key_comes_first_and_the_former_behind_it() -> None:
    ring = KeyRing("one").changed("two", until=900.0)
    assert ring.candidates(0.0) == ("two", "one")
    assert ring.candidates(900.0) == ("two",)


def test_a_changed_key_is_unproven_until_it_is_let_in_and_the_former_one_stays_for_a_while() -> None:
    ring = KeyRing("one")
    assert (ring.is_unproven, ring.seconds_left(0.0)) == (False, 0.0)
    ring = ring.changed("two", until=900.0)
    assert [ring.seconds_left(now) for now in (0.0, 600.0, 1000.0)] == [900.0, 300.0, 0.0]
    assert ring.is_unproven
    ring.accepted("two")
    assert (ring.is_unproven, ring.seconds_left(0.0)) == (False, 0.0)


def test_a_refused_key_is_spared_for_a_while() -> None:
    ring = KeyRing("one").changed("two", until=900.0)
    ring.refused("two", 10.0)
    assert ring.candidates(10.0 + TRY_AGAIN_SECONDS - 1) == ("one",)
    assert ring.candidates(10.0 + TRY_AGAIN_SECONDS) == ("two", "one")
    assert ring.candidates(900.0) == ("two",), "spared or not, it is the only one left"


def test_once_accepted_the_new_key_is_alone() -> None:
    ring = KeyRing("one").changed("two", until=900.0)
    assert not ring.accepted("one")
    assert ring.accepted("two")
    assert ring.candidates(0.0) == ("two",)


def test_of_three_keys_the_one_that_worked_stays_beside_the_newest() -> None:
    ring = KeyRing("one").changed("two", until=900.0).changed("three", until=1000.0)
    assert ring.candidates(0.0) == ("three", "one")
    assert KeyRing("one").changed("two", until=900.0).changed("one", until=1000.0).candidates(0.0) == ("one",)


def test_no_key_shows_itself() -> None:
    assert "one" not in repr(KeyRing("one").changed("two", until=900.0))
