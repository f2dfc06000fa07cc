"""One practice in a world of its own, and the questions that tests ask it."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import anyio

from oddaemon.simulator.model.balances import TrueBalance
from oddaemon.simulator.model.spec import PracticeSpec
from oddaemon.simulator.model.world_clock import WorldClock
from oddaemon.simulator.practice.practice import Practice
from oddaemon.simulator.virtual_time import make_virtual_loop

VIRTUAL_BACKEND: tuple[str, dict[str, Any]] = ("asyncio", {"loop_factory": make_virtual_loop})

TEN_TO_TWO = datetime(2026, 11, 22, 9, 50, tzinfo=UTC)  # 01:50 of a Sunday in Los Angeles

MONEY_COLUMNS = ("estbalance", "bal_0_30", "bal_31_60", "bal_61_90", "balover90", "insest", "baltotal")


def make_practice(at: datetime = TEN_TO_TWO, **overrides: Any) -> Practice:
    """60 owing and 20 settled families in Los Angeles, due at two, unless the character says otherwise."""
    spec = PracticeSpec(**{"office_id": "elm", "seed": 5, "guarantors": 60, "settled": 20, **overrides})
    return Practice(spec, WorldClock(at))


@asynccontextmanager
async def living_practice(office: Practice) -> AsyncIterator[None]:
    """The practice lives its life for the length of the block."""
    async with anyio.create_task_group() as group:
        group.start_soon(office.run)
        yield
        group.cancel_scope.cancel()


def format_condition(operator: str) -> str:
    """The documented condition: guarantors with `operator 0` on any of the seven columns."""
    return f"patnum=guarantor AND ({' OR '.join(f'{column}{operator}0' for column in MONEY_COLUMNS)})"


def read_balances(office: Practice, operator: str = "<>", clinics: Sequence[int] = ()) -> list[TrueBalance]:
    """The balances as the office's own SQL gives them."""
    money = ", ".join(f"CAST(ROUND({column}*100) AS SIGNED) AS {column}" for column in MONEY_COLUMNS)
    in_clinics = f" AND ClinicNum IN ({', '.join(map(str, clinics))})" if clinics else ""
    rows: list[dict[str, Any]] = office.run_short_query(
        f"SELECT patnum, clinicnum, {money} FROM patient WHERE {format_condition(operator)}{in_clinics} ORDER BY patnum"
    )
    return [TrueBalance(*row.values()) for row in rows]


def read_preference(office: Practice, name: str) -> object:
    """The value of one preference."""
    (row,) = office.list_preferences(name)
    return row["ValueString"]
