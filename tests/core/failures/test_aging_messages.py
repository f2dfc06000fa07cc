"""Where an office finds what a letter asks for: it moved with the versions of Open Dental."""

import pytest

from oddaemon.core.failures.aging_messages import (
    Version,
    describe_lock_place,
    describe_run_time_place,
    ignores_old_lock,
)

ACCOUNT = "Setup > Preferences > Account - General"
MISCELLANEOUS = "Setup > Miscellaneous"


@pytest.mark.parametrize(
    ("version", "is_in_preferences", "is_in_miscellaneous"),
    [((21, 4, 9), False, True), ((22, 2, 0), True, False), ((25, 4, 48), True, False), (None, True, True)],
)
def test_the_lock_and_the_run_time_stand_where_the_version_has_them(
    version: Version | None, *, is_in_preferences: bool, is_in_miscellaneous: bool
) -> None:
    for place in (describe_lock_place(version), describe_run_time_place(version)):
        assert (ACCOUNT in place, MISCELLANEOUS in place) == (is_in_preferences, is_in_miscellaneous)


@pytest.mark.parametrize("version", [None, (21, 4, 9), (23, 3, 50)])
def test_the_enterprise_setup_is_named_for_the_versions_that_have_it(version: Version | None) -> None:
    assert "Enterprise Setup" in describe_run_time_place(version)
    assert "Enterprise Setup" not in describe_run_time_place((24, 1, 0))


@pytest.mark.parametrize(
    ("version", "ignores"),
    [
        (None, False),
        ((23, 2, 99), False),
        ((23, 3, 43), False),
        ((23, 3, 44), True),
        ((24, 1, 13), False),
        ((24, 1, 14), True),
        ((24, 2, 1), True),
        ((25, 4, 48), True),
    ],
)
def test_a_lock_of_yesterday_stops_a_run_only_before_the_releases_that_ignore_it(
    version: Version | None, *, ignores: bool
) -> None:
    assert ignores_old_lock(version) is ignores
