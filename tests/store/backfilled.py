from datetime import date
from pathlib import Path

from oddaemon.core.model import Balance
from oddaemon.store.backfilled_days import BackfilledDay
from oddaemon.store.opening import open_history


def read_backfilled_day(database: Path | str, office_id: str, day: date) -> tuple[BackfilledDay, list[Balance]]:
    """The one backfilled day of that date, and its balances."""
    with open_history(str(database)) as reader:
        (found,) = (
            each for each in reader.list_days(office_id) if isinstance(each, BackfilledDay) and each.aging_date == day
        )
        return found, [balance for batch in reader.read_balances(found) for balance in batch]
