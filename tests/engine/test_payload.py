from datetime import UTC, date, datetime

from oddaemon.core.delivery import DeliveryState, PreviousDelivery
from oddaemon.core.model import Balance, Reader
from oddaemon.core.snapshot.verify import compute_totals
from oddaemon.engine.delivery.courier import build_payload
from oddaemon.store.outbox import DeliveryBase, DeliveryData
from oddaemon.store.snapshot_rows import SnapshotRow
from tests.store.samples import some_balances

NOW = datetime(2026, 3, 2, 8, 30, tzinfo=UTC)
FORMER = PreviousDelivery(DeliveryState.DONE, 1)
TOLD = list(some_balances(9))
REPORTED = [each._replace(clinic_num=0, est_balance=0) for each in TOLD]


def parcel(reader: Reader, balances: list[Balance], before: DeliveryBase) -> DeliveryData:
    row = SnapshotRow(2, "smile", date(2026, 3, 2), NOW, NOW, reader, 1, compute_totals(balances), 0, 0, 0)
    return DeliveryData(row, "Smile Dental", balances, before)


def test_changes_are_told_between_two_of_one_reader() -> None:
    before = DeliveryBase(date(2026, 3, 1), Reader.REPORT, REPORTED[1:])
    payload = build_payload(parcel(Reader.REPORT, REPORTED, before), FORMER)
    [row] = payload.build_rows()
    told = dict(zip((column.name for column in payload.columns), row, strict=True))
    assert (payload.content, told["change"], told["est_balance"], told["clinic_num"]) == ("changes", "new", None, None)


def test_what_another_reader_tells_is_sent_whole() -> None:
    before = DeliveryBase(date(2026, 3, 1), Reader.REPORT, REPORTED)
    payload = build_payload(parcel(Reader.STATEMENT, TOLD, before), FORMER)
    assert (payload.content, payload.build_rows()) == ("snapshot", TOLD)
