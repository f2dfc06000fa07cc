"""What a database's address must be like before anything is sent there."""

import pytest
from pydantic_core import PydanticCustomError

from oddaemon.settings.values.invalid import get_texts
from oddaemon.settings.values.sink_secrets import check_dsn
from tests.golden import GoldenTexts


@pytest.mark.parametrize(
    "dsn",
    [
        "postgresql:///balances?host=/run/postgresql",
        "postgresql://user@db.example.com/x?sslmode=verify-ca&sslrootcert=/etc/ssl/own.pem",
        "postgresql://user@localhost/x?sslmode=require",
        "postgresql://user@/x?host=%40abstract",
        "postgresql://user:p%40ss@localhost:5433/balances",
        "postgresql://user@/balances?host=/run/postgresql&port=5433",
        "postgresql://user@%2Frun%2Fpostgresql/balances",
        "postgresql://user@[::1]:5432,10.0.0.7,localhost/balances",
        "postgresql://user:word@db.example.com:5432,db.example.org/balances?sslmode=verify-full",
    ],
)
def test_an_address_that_can_be_used(dsn: str) -> None:
    check_dsn(dsn)


UNUSABLE_DSNS = [
    "postgresql://user@db.example.com/x",
    "postgresql://user@/x?host=db.example.com",
    "postgresql://user@db.example.com/x?host=localhost",
    "postgresql://user@localhost/x?host=db.example.com",
    "postgresql://user@db.example.com/x?sslmode=require",
    "postgresql://user@localhost,db.example.com/x?sslmode=require",
    "postgresql://user@db.example.com/x?sslmode=prefer",
    "postgresql://user@db.example.com/x?sslmode=verify-full&sslmode=disable",
    "postgresql://user@db.example.com/x?sslmode=verify-full&ssl=true",
    "postgresql://user@db.example.com/x?sslmode=",
    "postgresql://user@localhost/x?hostaddr=93.184.216.34",
    "postgresql://user@%64b.example.com/x",
    "postgresql:///balances",
    "postgresql://user:word@/balances?port=5433",
    "postgresql:///balances?service=other",
    "postgresql://localhost/balances?service=other",
    "postgresql://localhost/balances?sslkeylogfile=/tmp/keys",
    "postgresql://localhost/balances?statement_timeout=5",
    "postgresql://localhost?application_name=x@db.example.com/y",
    "postgresql://localhost/x#?host=db.example.com",
    "postgresql://localhost/x?sslmode=verify_full",
    "postgresql://localhost/x%00y",
    "postgresql://us%ff@localhost/x",
    "postgresql://user@localhost:abc/x",
    "postgresql://user@localhost:99999/x",
    "postgresql://user@localhost/x?port=5432,none",
    "postgresql://user:hunter/two@localhost/x",
    "postgresql://user:hunter#two@localhost/x",
    "postgresql://user:hunter@two@localhost/x",
    "postgresql://user@localhost,,10.0.0.7/x",
    "postgresql://user@localhost/x?sslmode",
]


def test_an_address_that_cannot(golden: GoldenTexts) -> None:
    found = []
    for dsn in UNUSABLE_DSNS:
        with pytest.raises(PydanticCustomError) as caught:
            check_dsn(dsn)
        message, hint = get_texts(caught.value)
        assert "hunter" not in f"{message} {hint}"
        found.append(f"{dsn}: {message}")
    golden.check(found)
