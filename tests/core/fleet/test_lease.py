from dataclasses import replace
from datetime import datetime, timedelta

from oddaemon.core.fleet.lease import PERMIT_SECONDS, find_first_request
from tests.core.fleet.builders import NOW, make_lease

LEASE = make_lease("elm")


def after(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def test_an_office_that_was_never_asked_is_asked_at_once() -> None:
    assert find_first_request(LEASE, 1.0) is None


def test_the_last_request_may_have_left_a_while_after_its_permit() -> None:
    assert find_first_request(replace(LEASE, asked_at=NOW), 1.0) == after(1.0 + PERMIT_SECONDS)


def test_a_host_with_a_shorter_spacing_hurries_no_key() -> None:
    slow = replace(LEASE, asked_at=NOW, spacing_seconds=5.0)
    assert find_first_request(slow, 1.0) == after(5.0 + PERMIT_SECONDS)


def test_it_waits_for_a_request_under_way_and_for_what_the_peer_asked_for() -> None:
    asked = replace(LEASE, asked_at=NOW)
    assert find_first_request(replace(asked, open_until=after(60)), 1.0) == after(60)
    assert find_first_request(replace(asked, not_before=after(60)), 1.0) == after(60)
