"""What people run today, at its best: page each office with httpx, insert with sqlite3, commit each page."""

import sqlite3
from pathlib import Path

import httpx

from tests.bench.server import DEVELOPER_KEY, make_customer_key

QUERY = (
    "SELECT patnum, clinicnum, estbalance, bal_0_30, bal_31_60, bal_61_90, balover90, insest, baltotal FROM patient "
    "WHERE patnum=guarantor AND patnum>{after} AND (estbalance<>0 OR bal_0_30<>0 OR bal_31_60<>0 OR bal_61_90<>0 "
    "OR balover90<>0 OR insest<>0 OR baltotal<>0) ORDER BY patnum LIMIT 100"
)


def pull_balances(base_url: str, office_ids: list[str], database: Path) -> int:
    """Page all offices one after another; returns how many rows were stored."""
    connection = sqlite3.connect(database)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute(
        "CREATE TABLE balance (office TEXT, patnum INTEGER, clinicnum INTEGER, estbalance REAL, bal_0_30 REAL, "
        "bal_31_60 REAL, bal_61_90 REAL, balover90 REAL, insest REAL, baltotal REAL, PRIMARY KEY (office, patnum))"
    )
    rows = 0
    for office_id in office_ids:
        headers = {
            "Authorization": f"ODFHIR {DEVELOPER_KEY}/{make_customer_key(office_id)}",
            "Content-Type": "application/json",
        }
        with httpx.Client(base_url=base_url, headers=headers, timeout=75, trust_env=False) as client:
            after = 0
            while True:
                answer = client.put("/queries/ShortQuery", json={"SqlCommand": QUERY.format(after=after)})
                page = answer.raise_for_status().json()
                connection.executemany(
                    "INSERT OR REPLACE INTO balance VALUES (?,?,?,?,?,?,?,?,?,?)",
                    [(office_id, *row.values()) for row in page],
                )
                connection.commit()
                rows += len(page)
                if len(page) < 100:
                    break
                after = page[-1]["patnum"]
    connection.close()
    return rows
