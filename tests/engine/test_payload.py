from datetime import UTC, date, datetime

from oddaemon.core.delivery import DeliveryState, Former
from oddaemon.core.model import Balance, Reader
from oddaemon.core.verify import totals_of
from oddaemon.engine.courier import payload_of
from oddaemon.store.deliveries import Before, Parcel
from oddaemon.store.snapshot_row import SnapshotRow
from tests.store.samples import some_balances

NOW = datetime(2026, 3, 2, 8, 30, tzinfo=UTC)
FORMER = Former(DeliveryState.DONE, 1)
TOLD = list(some_balances(9))
REPORTED = [each._replace(clinic_num=0, est_balance=0) for each in TOLD]


def parcel(reader: Reader, balances: list[Balance], before: Before) -> Parcel:
    row = SnapshotRow(2, "smile", date(2026, 3, 2), NOW, NOW, reader, 1, totals_of(balances), 0, 0, 0)
    return Parcel(row, "Smile Dental", balances, before)


def test_changes_are_told_between_two_of_one_reader() -> None:
    before = Before(date(2026, 3, 1), Reader.REPORT, REPORTED[1:])
    payload = payload_of(parcel(Reader.REPORT, REPORTED, before), FORMER)
    [row] = payload.rows()
    told = dict(zip((column.name for column in payload.columns), row, strict=True))
    assert (payload.content, told["change"], told["est_balance"], told["clinic_num"]) == ("changes", "new", None, None)


def test_what_another_reader_tells_is_sent_whole() -> None:
    before = Before(date(2026, 3, 1), Reader.REPORT, REPORTED)
    payload = payload_of(parcel(Reader.STATEMENT, TOLD, before), FORMER)
    assert (payload.content, payload.rows()) == ("snapshot", TOLD)
