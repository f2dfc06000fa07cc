"""What the tests of the sink share: a sink, what it wrote, and why it failed."""

from decimal import Decimal
from typing import Any

import psycopg
import pytest

from oddaemon.sinks.payload import DeliveryFailed
from oddaemon.sinks.postgres.sink import Postgres
from tests.postgres_server import PostgresServer
from tests.sinks.payloads import make_night_balances, make_payload

SECONDS = 60.0
MONEY = (
    "est_balance",
    "bal_0_30",
    "bal_31_60",
    "bal_61_90",
    "bal_over_90",
    "ins_est",
    "bal_total",
)


def make_sink(server: PostgresServer, schema: str, **how: Any) -> Postgres:
    return Postgres(server.make_dsn(**how), schema, SECONDS)


async def connect(server: PostgresServer) -> psycopg.AsyncConnection[Any]:
    return await psycopg.AsyncConnection.connect(server.make_dsn(), autocommit=True)


async def fetch_rows(server: PostgresServer, query: str) -> list[tuple[Any, ...]]:
    async with await connect(server) as connection:
        return await (await connection.execute(query)).fetchall()


async def fetch_balances(server: PostgresServer, schema: str, office_id: str = "smile") -> list[tuple[Any, ...]]:
    columns = ", ".join(("pat_num", "clinic_num", *MONEY))
    return await fetch_rows(
        server, f"SELECT {columns} FROM {schema}.balance WHERE office = '{office_id}' ORDER BY pat_num"
    )


def get_true_rows(number: int, guarantors: int = 30) -> list[tuple[Any, ...]]:
    return [(*row[:2], *(Decimal(cents) / 100 for cents in row[2:])) for row in make_night_balances(number, guarantors)]


async def get_delivery_error(sink: Postgres, number: int = 1) -> str:
    with pytest.raises(DeliveryFailed) as caught:
        await sink.deliver(make_payload(number), f"d{number}")
    assert not caught.value.error.final
    return str(caught.value)
