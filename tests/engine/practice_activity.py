"""What a person at an office does while it is read: posts, settles, merges."""

from oddaemon.simulator.model.balances import Money
from oddaemon.simulator.model.ledger import Entry, Family, recalculate
from oddaemon.simulator.mysql.tables import format_mysql_datetime
from oddaemon.simulator.practice.practice import Practice

MILLS = 12_340


def post_charge(practice: Practice, family: Family, mills: int = MILLS) -> None:
    """Post a charge; the family is recalculated at once."""
    today = practice.today().toordinal()
    family.entries.append(Entry(today, mills, family.guarantor))
    practice.balances.rewrite([family], lambda changed: recalculate(changed, today))


def remove_guarantor(practice: Practice, family: Family) -> None:
    """The guarantor is gone from the table's answer, and no time stamp shows it."""
    stamps = practice.tables.connection.execute(
        "SELECT DateTStamp FROM patient WHERE PatNum = ?", (family.guarantor,)
    ).fetchone()
    family.entries.clear()
    family.ins_est_mills = family.est_balance_mills = 0
    practice.balances.rewrite([family], lambda gone: gone.row._replace(money=Money()))
    practice.tables.connection.execute(
        "UPDATE patient SET DateTStamp = ? WHERE PatNum = ?", (stamps[0], family.guarantor)
    )


def list_owing_families(practice: Practice) -> list[Family]:
    """Families that the balance query shows, by PatNum."""
    return [family for family in practice.balances.families if any(family.row.money)]


def list_settled_families(practice: Practice) -> list[Family]:
    """Families that it does not show, by PatNum."""
    return [family for family in practice.balances.families if not any(family.row.money)]


def read_server_clock(practice: Practice) -> str:
    """NOW() of the office's server."""
    return format_mysql_datetime(practice._office_clock.now())
