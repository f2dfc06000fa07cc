from datetime import date

from oddaemon.core.snapshot.diff import SnapshotChanges, SnapshotDelta
from oddaemon.core.snapshot.payload import Payload
from tests.core.builders import EVENING, make_published_snapshot

AGED = date(2026, 5, 5)
SNAPSHOT = make_published_snapshot(AGED, EVENING, 1, 100)


def test_a_payload_is_of_the_office_of_its_snapshot() -> None:
    assert Payload("Elm", SNAPSHOT).office_id == SNAPSHOT.office_id


def test_changes_are_sent_where_the_consumer_has_an_earlier_snapshot() -> None:
    assert Payload("Elm", SNAPSHOT).content == "snapshot"
    assert Payload("Elm", SNAPSHOT, delta=SnapshotDelta(1, AGED, SnapshotChanges())).content == "changes"
