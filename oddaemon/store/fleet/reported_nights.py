"""What was reported of the nights, so that the next daemon that watches over them repeats nothing."""

from datetime import datetime
from typing import TypeVar

import msgspec
from sqlalchemy import select

from oddaemon.store import schema
from oddaemon.store.database import Database
from oddaemon.store.maintenance_runs import JobRun, save_run
from oddaemon.store.values import encode_json

T = TypeVar("T")

JOB = "freshness_monitor"
"""Its row in the table of what is done for the fleet as a whole."""


async def load(db: Database, kind: type[T]) -> T | None:
    """What was saved, as a value of this dataclass; None: nothing was, or this version cannot decode it."""
    table = schema.maintenance.c
    found = await db.select(select(table.result).where(table.job == JOB), lambda row: str(row.result))
    try:
        return msgspec.json.decode(found[0], type=kind) if found else None
    except msgspec.MsgspecError:
        return None


async def save(db: Database, reported: object, now: datetime) -> None:
    """Save it."""
    await save_run(db, JOB, JobRun(now, now, encode_json(reported)))
