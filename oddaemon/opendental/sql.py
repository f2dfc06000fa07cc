"""Every SQL statement that is sent to an office.

Each is one plain SELECT that MySQL 5.5 and any MariaDB run and that the API's screening accepts: no CTE, no window or
JSON function, no comment, no semicolon, never the letters of the word for a database's layout. A row of balances is one
text of nine integers, made by the server, so that both sides compute its CRC-32 from the same bytes.
"""

from dataclasses import replace
from datetime import datetime

from oddaemon.core.diagnostics.diagnosis import is_sql_safe_name
from oddaemon.core.model import Include, OfficeSpec
from oddaemon.core.snapshot.packing import COLUMN_SPAN_MAX, COLUMNS_PER_GROUP_MAX, ROW_SEPARATOR, Packing

_MONEY = ("EstBalance", "Bal_0_30", "Bal_31_60", "Bal_61_90", "BalOver90", "InsEst", "BalTotal")
_CENTS = tuple(f"ROUND({column}*100)+0" for column in _MONEY)  # +0: MySQL knows a zero below zero
_ROW = f"CONCAT_WS(',',PatNum,ClinicNum,{','.join(_CENTS)})"
_COMPARISON = {Include.ALL: "<>", Include.DEBTS: ">"}

_CLOCKS = "NOW() AS OfficeNow,UTC_TIMESTAMP() AS UtcNow"
_AGING = ",".join(
    f"(SELECT MAX(ValueString) FROM preference WHERE PrefName='{name}') AS {name}"  # noqa: S608  constants
    for name in ("DateLastAging", "AgingBeginDateTime")
)

PAT_NUM_MAX = 2**63 - 1
"""A statement that starts after it returns the control columns and no balances."""

_IDENTITY = {
    "Title": ("PracticeTitle",),
    "Phone": ("PracticePhone",),
    "Address": ("PracticeAddress", "PracticeZip"),
}
"""Preferences that identify a practice and are not secret."""


def select_clocks(*, preferences: bool = True) -> str:
    """The server's clocks, and from its preferences the identity of the database and the state of aging: one row.

    Args:
        preferences: False: no preferences, for a database user that may not read them.
    """
    return f"SELECT {_CLOCKS},{_AGING},{_build_identity_columns()}" if preferences else f"SELECT {_CLOCKS}"


def select_control(office: OfficeSpec, since: datetime | None = None, *, preferences: bool = True) -> str:
    """The office's own totals, aging, clocks and identity: one row.

    Args:
        office: Whose guarantors, and which of them.
        since: Rows written after this (the office's clock) count as touched. None: do not count them.
        preferences: As in `select_clocks`; without them there is neither aging nor identity.
    """
    columns = _build_control_columns(since, preferences=preferences)
    return f"SELECT {columns} FROM patient WHERE {_filter_guarantors(office)}"  # noqa: S608  no text of others


def select_packed(
    office: OfficeSpec, packing: Packing, after_pat_num: int | None, since: datetime | None = None
) -> str:
    """The office packed into at most `page_rows` rows, each with the control columns of the same instant.

    Args:
        office: Whose guarantors, and which of them.
        packing: The spans of a packed column and of a group.
        after_pat_num: Where the previous statement ended, for an office too large for one statement.
        since: As in `select_control`.
    """
    columns = ",".join(
        f"GROUP_CONCAT(CASE WHEN L={column} THEN R END ORDER BY P SEPARATOR '{ROW_SEPARATOR}') AS L{column}"
        for column in range(packing.lanes)
    )
    rows = (
        f"SELECT PatNum AS P,PatNum DIV {packing.group_span} AS G,"  # noqa: S608  only integers and constants
        f"PatNum DIV {packing.lane_span} MOD {packing.lanes} AS L,{_ROW} AS R "
        f"FROM patient WHERE {_filter_guarantors(office)}{_filter_after(after_pat_num)}"
    )
    groups = f"SELECT G,COUNT(*) AS N,{columns} FROM ({rows}) r GROUP BY G ORDER BY G LIMIT {office.page_rows}"  # noqa: S608  as above
    return f"SELECT c.*,g.* FROM ({select_control(office, since)}) c LEFT JOIN ({groups}) g ON 1=1 ORDER BY g.G"  # noqa: S608  as above


def select_page(office: OfficeSpec, after_pat_num: int | None) -> str:
    """The next `page_rows` guarantors after a PatNum: column `Balance`."""
    return (
        f"SELECT {_ROW} AS Balance FROM patient "  # noqa: S608  only integers and constants
        f"WHERE {_filter_guarantors(office)}{_filter_after(after_pat_num)} ORDER BY PatNum LIMIT {office.page_rows}"
    )


def select_all(office: OfficeSpec) -> str:
    """All included guarantors, one column for each amount: for a file, whose size is not limited."""
    columns = f"SELECT PatNum,ClinicNum,{','.join(_MONEY)} FROM patient "  # noqa: S608 - only integers and constants
    return f"{columns}WHERE {_filter_guarantors(office)} ORDER BY PatNum"


def select_changed(office: OfficeSpec, since: datetime, after_pat_num: int | None) -> str:
    """Patients whose row changed at or after `since` (the office's clock): `Balance` is null for those not included.

    Deleted rows do not appear; the control totals show that something is missing.
    """
    return (
        f"SELECT PatNum,CASE WHEN {_filter_guarantors(office)} THEN {_ROW} END AS Balance FROM patient "  # noqa: S608  as above
        f"WHERE DateTStamp>={_quote_datetime(since)}{_filter_after(after_pat_num)} ORDER BY PatNum LIMIT "
        f"{office.page_rows}"
    )


def select_clinic_shares(office: OfficeSpec) -> str:
    """How many guarantors belong to each ClinicNum, regardless of the configured clinics.

    Columns `ClinicNum`, `Guarantors` and `IsHidden`, which is null if table `clinic` does not have the clinic.
    """
    hidden = "(SELECT MAX(IsHidden) FROM clinic WHERE clinic.ClinicNum=patient.ClinicNum)"
    return (
        f"SELECT ClinicNum,COUNT(*) AS Guarantors,{hidden} AS IsHidden FROM patient "  # noqa: S608  constants
        f"WHERE {_filter_guarantors(replace(office, clinics=()))} GROUP BY ClinicNum ORDER BY ClinicNum "
        f"LIMIT {office.page_rows}"
    )


def select_density(office: OfficeSpec) -> str:
    """The number of guarantors, and of the packed rows that they would fill at the widest packing: one row."""
    span = COLUMN_SPAN_MAX * COLUMNS_PER_GROUP_MAX
    return (
        f"SELECT COUNT(*) AS Guarantors,COUNT(DISTINCT PatNum DIV {span}) AS Spans FROM patient "  # noqa: S608  as above
        f"WHERE {_filter_guarantors(office)}"
    )


def select_registered_keys(developer_name: str) -> str:
    """The API keys that the office has for a developer: column `CustApiKey`. The result is secret.

    Args:
        developer_name: Must satisfy `is_sql_safe_name`.

    Raises:
        ValueError: It does not.
    """
    if not is_sql_safe_name(developer_name):
        raise ValueError("the developer name has a character that is not allowed in a statement")
    literal = developer_name.replace("'", "''")
    return f"SELECT CustApiKey FROM apikey WHERE DevName='{literal}' LIMIT 100"  # noqa: S608  checked above


def _build_control_columns(since: datetime | None, *, preferences: bool) -> str:
    sums = ",".join(f"IFNULL(SUM({cents}),0) AS Sum{name}" for cents, name in zip(_CENTS, _MONEY, strict=True))
    return (
        f"COUNT(*) AS Guarantors,{sums},IFNULL(SUM(CRC32({_ROW})+0e0),0) AS Checksum,"
        f"{_count_touched(since)} AS Touched,"
        + (f"{_AGING},{_CLOCKS},{_build_identity_columns()}" if preferences else _CLOCKS)
    )


def _count_touched(since: datetime | None) -> str:
    return "0" if since is None else f"IFNULL(SUM(CASE WHEN DateTStamp>{_quote_datetime(since)} THEN 1 ELSE 0 END),0)"


def _build_identity_columns() -> str:
    return ",".join(f"{_checksum_preferences(names)} AS {column}" for column, names in _IDENTITY.items())


def _checksum_preferences(names: tuple[str, ...]) -> str:
    """Only a checksum leaves the office; 0 if no preference is set."""
    values = ",".join(f"(SELECT TRIM(MAX(ValueString)) FROM preference WHERE PrefName='{name}')" for name in names)  # noqa: S608  constants
    return f"CRC32(CONCAT_WS('',{values}))"


def _quote_datetime(moment: datetime) -> str:
    return f"'{moment:%Y-%m-%d %H:%M:%S}'"


def _filter_guarantors(office: OfficeSpec) -> str:
    comparison = _COMPARISON[office.include]
    has_money = " OR ".join(f"{column}{comparison}0" for column in _MONEY)
    clinics = ""
    if office.clinics:
        clinics = f" AND ClinicNum IN ({','.join(map(str, office.clinics))})"
    return f"PatNum=Guarantor{clinics} AND ({has_money})"


def _filter_after(pat_num: int | None) -> str:
    return "" if pat_num is None else f" AND PatNum>{pat_num}"
