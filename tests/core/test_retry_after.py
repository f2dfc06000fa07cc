from datetime import UTC, datetime

import pytest

from oddaemon.core.backoff import parse_retry_after

NOW = datetime(2026, 3, 3, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("120", 120.0),
        ("-5", 0.0),
        ("inf", None),
        ("soon", None),
        ("Tue, 03 Mar 2026 12:01:00 GMT", 60.0),
        ("Tue, 03 Mar 2026 12:01:00 -0000", 60.0),
    ],
)
def test_retry_after_is_a_number_or_a_date(header: str | None, seconds: float | None) -> None:
    assert parse_retry_after(header, NOW) == seconds
