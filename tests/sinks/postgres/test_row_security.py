"""Row-level security in a consumer's database, which makes rows look missing or refuses them."""

from collections.abc import Iterator

import pytest

from tests.postgres_server import PostgresServer, find_missing_requirement, running_server
from tests.sinks.payloads import make_payload
from tests.sinks.postgres.deliveries import connect, fetch_balances, get_delivery_error, get_true_rows, make_sink

pytestmark = [
    pytest.mark.real("needs PostgreSQL"),
    pytest.mark.skipif(bool(find_missing_requirement()), reason=find_missing_requirement() or "all there"),
]


@pytest.fixture(scope="module")
def running() -> Iterator[PostgresServer]:
    with running_server() as server:
        yield server


@pytest.mark.parametrize("policy", ["", "CREATE POLICY mine ON {}.{table} USING (false) WITH CHECK (true)"])
@pytest.mark.parametrize("table", ["balance", "change", "snapshot", "version"])
async def test_row_level_security_that_hides_rows_or_refuses_them_is_named(
    running: PostgresServer, table: str, policy: str
) -> None:
    user = schema = f"secured_{table}_{len(policy)}"
    async with await connect(running) as connection:
        await connection.execute(f"CREATE ROLE {user} LOGIN; GRANT CREATE, TEMPORARY ON DATABASE postgres TO {user}")
        sink = make_sink(running, schema, user=user)
        await sink.deliver(make_payload(1), "d1")
        secured = f"{schema}.{table}"
        await connection.execute(f"ALTER TABLE {secured} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY")
        await connection.execute(policy.format(schema, table=table) or "SELECT 1")
        await sink.aclose()
        found = await get_delivery_error(sink, 2)
        assert "row-level security" in found
        assert "Grant it CREATE" not in found
        await connection.execute(f"ALTER TABLE {secured} DISABLE ROW LEVEL SECURITY")
    await sink.deliver(make_payload(2), "d2")
    await sink.aclose()
    assert await fetch_balances(running, schema) == get_true_rows(2)


async def test_row_level_security_that_hides_nothing_is_no_reason_to_refuse(
    running: PostgresServer,
) -> None:
    schema = "lenient"
    async with await connect(running) as connection:
        await connection.execute("CREATE ROLE lenient LOGIN; GRANT CREATE, TEMPORARY ON DATABASE postgres TO lenient")
        sink = make_sink(running, schema, user="lenient")
        await sink.deliver(make_payload(1), "d1")
        for table in ("balance", "change", "snapshot"):
            await connection.execute(
                f"ALTER TABLE {schema}.{table} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;"
                f"CREATE POLICY everything ON {schema}.{table} USING (true)"
            )
    await sink.deliver(make_payload(2), "d2")
    await sink.aclose()
    assert await fetch_balances(running, schema) == get_true_rows(2)
