"""Entries of a database from before the first release read like new ones."""

from typing import Any

import pytest

from oddaemon.engine.journal.format import Formatters, render_entry

FORMATTERS = Formatters(lambda instant: f"{instant:%H:%M}", lambda seconds: f"{seconds} s")
ENTRIES: list[tuple[tuple[str, dict[str, Any]], tuple[str, dict[str, Any]]]] = [
    (("office_stopped", {"why": "It is over"}), ("office_stopped", {"reason": "It is over"})),
    (
        ("snapshot_held", {"aging_date": "2026-03-03", "why": "Odd.", "until": "2026-03-03T10:32:00Z"}),
        ("snapshot_held", {"aging_date": "2026-03-03", "reason": "Odd.", "retry_at": "2026-03-03T10:32:00Z"}),
    ),
    (
        (
            "asked",
            {
                "since": "2026-03-03T09:00:00Z",
                "times": 2,
                "kinds": {"clinics": 2},
                "failed": {},
                "seconds": 1,
                "bytes": 9,
            },
        ),
        (
            "requests_summarized",
            {
                "since": "2026-03-03T09:00:00Z",
                "requests": 2,
                "by_kind": {"clinics": 2},
                "failed": {},
                "seconds": 1,
                "bytes": 9,
            },
        ),
    ),
    (
        ("order_given", {"order": "sync", "uid": None, "answer": "Done.", "is_refused": False}),
        ("command_received", {"command": "sync", "uid": None, "response": "Done.", "rejected": False}),
    ),
    (
        ("delivery_made", {"sink": "book", "snapshot_id": 1, "content": "snapshot", "refusals": 2, "seconds": 1}),
        (
            "delivery_succeeded",
            {"sink": "book", "snapshot_id": 1, "content": "snapshot", "failed_attempts": 2, "seconds": 1},
        ),
    ),
    (
        ("key_not_in_force", {"key": "new", "until": "2026-03-03T10:32:00Z"}),
        ("key_rejected_during_rotation", {"key": "new", "until": "2026-03-03T10:32:00Z"}),
    ),
]


@pytest.mark.parametrize(("old", "new"), ENTRIES, ids=[old[0] for old, _ in ENTRIES])
def test_an_entry_under_old_names_reads_like_one_under_new_names(
    old: tuple[str, dict[str, Any]], new: tuple[str, dict[str, Any]]
) -> None:
    assert render_entry(*old, FORMATTERS) == render_entry(*new, FORMATTERS)
