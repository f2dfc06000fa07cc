from oddaemon.opendental.key_ring import KEY_RETRY_SECONDS, KeyRing


def test_one_key_is_the_only_candidate_and_its_acceptance_is_no_news() -> None:
    ring = KeyRing("one")
    assert ring.list_candidates(0.0) == ("one",)
    assert not ring.record_accepted("one")
    assert not ring.is_rotating(0.0)


def test_a_changed_key_comes_first_and_the_former_behind_it() -> None:
    ring = KeyRing("one").with_key("two", until=900.0)
    assert ring.list_candidates(0.0) == ("two", "one")
    assert ring.list_candidates(900.0) == ("two",)


def test_a_changed_key_is_unproven_until_it_is_let_in_and_the_former_one_stays_for_a_while() -> None:
    ring = KeyRing("one")
    assert (ring.is_unproven, ring.get_seconds_left(0.0)) == (False, 0.0)
    ring = ring.with_key("two", until=900.0)
    assert [ring.get_seconds_left(now) for now in (0.0, 600.0, 1000.0)] == [900.0, 300.0, 0.0]
    assert ring.is_unproven
    ring.record_accepted("two")
    assert (ring.is_unproven, ring.get_seconds_left(0.0)) == (False, 0.0)


def test_a_refused_key_is_spared_for_a_while() -> None:
    ring = KeyRing("one").with_key("two", until=900.0)
    ring.record_rejected("two", 10.0)
    assert ring.list_candidates(10.0 + KEY_RETRY_SECONDS - 1) == ("one",)
    assert ring.list_candidates(10.0 + KEY_RETRY_SECONDS) == ("two", "one")
    assert ring.list_candidates(900.0) == ("two",), "spared or not, it is the only one left"


def test_once_accepted_the_new_key_is_alone() -> None:
    ring = KeyRing("one").with_key("two", until=900.0)
    assert not ring.record_accepted("one")
    assert ring.record_accepted("two")
    assert ring.list_candidates(0.0) == ("two",)


def test_of_three_keys_the_one_that_worked_stays_beside_the_newest() -> None:
    ring = KeyRing("one").with_key("two", until=900.0).with_key("three", until=1000.0)
    assert ring.list_candidates(0.0) == ("three", "one")
    assert KeyRing("one").with_key("two", until=900.0).with_key("one", until=1000.0).list_candidates(0.0) == ("one",)


def test_no_key_shows_itself() -> None:
    assert "one" not in repr(KeyRing("one").with_key("two", until=900.0))
