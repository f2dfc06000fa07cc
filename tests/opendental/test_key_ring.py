from oddaemon.core.secret import Secret
from oddaemon.opendental.key_ring import KEY_RETRY_SECONDS, KeyRing

ONE, TWO, THREE = map(Secret, ("one", "two", "three"))


def test_one_key_is_the_only_candidate_and_its_acceptance_is_no_news() -> None:
    ring = KeyRing(ONE)
    assert ring.list_candidates(0.0) == (ONE,)
    assert not ring.record_accepted(ONE)
    assert not ring.is_rotating(0.0)


def test_a_changed_key_comes_first_and_the_previous_one_second() -> None:
    ring = KeyRing(ONE).with_key(TWO, until=900.0)
    assert ring.list_candidates(0.0) == (TWO, ONE)
    assert ring.list_candidates(900.0) == (TWO,)


def test_a_changed_key_is_unproven_until_accepted_and_the_previous_one_stays() -> None:
    ring = KeyRing(ONE)
    assert (ring.is_unproven, ring.get_seconds_left(0.0)) == (False, 0.0)
    ring = ring.with_key(TWO, until=900.0)
    assert [ring.get_seconds_left(now) for now in (0.0, 600.0, 1000.0)] == [900.0, 300.0, 0.0]
    assert ring.is_unproven
    ring.record_accepted(TWO)
    assert (ring.is_unproven, ring.get_seconds_left(0.0)) == (False, 0.0)


def test_a_refused_key_is_spared_for_a_while() -> None:
    ring = KeyRing(ONE).with_key(TWO, until=900.0)
    ring.record_rejected(TWO, 10.0)
    assert ring.list_candidates(10.0 + KEY_RETRY_SECONDS - 1) == (ONE,)
    assert ring.list_candidates(10.0 + KEY_RETRY_SECONDS) == (TWO, ONE)
    assert ring.list_candidates(900.0) == (TWO,), "spared or not, it is the only one left"


def test_once_accepted_the_new_key_is_alone() -> None:
    ring = KeyRing(ONE).with_key(TWO, until=900.0)
    assert not ring.record_accepted(ONE)
    assert ring.record_accepted(TWO)
    assert ring.list_candidates(0.0) == (TWO,)


def test_of_three_keys_the_one_that_worked_stays_beside_the_newest() -> None:
    ring = KeyRing(ONE).with_key(TWO, until=900.0).with_key(THREE, until=1000.0)
    assert ring.list_candidates(0.0) == (THREE, ONE)
    assert KeyRing(ONE).with_key(TWO, until=900.0).with_key(ONE, until=1000.0).list_candidates(0.0) == (ONE,)


def test_no_key_shows_itself() -> None:
    assert "one" not in repr(KeyRing(ONE).with_key(TWO, until=900.0))
