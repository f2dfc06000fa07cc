"""What a database's address must be like before anything is sent there."""

import pytest
from pydantic_core import PydanticCustomError

from oddaemon.settings.values.invalid import get_texts
from oddaemon.settings.values.sink_secrets import check_dsn

OPEN = "would send balances unencrypted"
UNVERIFIED = "would send balances to a server whose certificate is not verified"
NO_HOST = "the DSN names no host"
UNSUPPORTED = "the DSN contains an unknown setting, or one that is not supported"
UNESCAPED = "the DSN contains an unescaped @ or # behind the host"


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


@pytest.mark.parametrize(
    ("dsn", "what"),
    [
        ("postgresql://user@db.example.com/x", OPEN),
        ("postgresql://user@/x?host=db.example.com", OPEN),
        ("postgresql://user@db.example.com/x?host=localhost", OPEN),
        ("postgresql://user@localhost/x?host=db.example.com", OPEN),
        ("postgresql://user@db.example.com/x?sslmode=require", UNVERIFIED),
        ("postgresql://user@localhost,db.example.com/x?sslmode=require", UNVERIFIED),
        ("postgresql://user@db.example.com/x?sslmode=prefer", OPEN),
        ("postgresql://user@db.example.com/x?sslmode=verify-full&sslmode=disable", OPEN),
        ("postgresql://user@db.example.com/x?sslmode=verify-full&ssl=true", UNSUPPORTED),
        ("postgresql://user@db.example.com/x?sslmode=", OPEN),
        ("postgresql://user@localhost/x?hostaddr=93.184.216.34", OPEN),
        ("postgresql://user@%64b.example.com/x", OPEN),
        ("postgresql:///balances", NO_HOST),
        ("postgresql://user:word@/balances?port=5433", NO_HOST),
        ("postgresql:///balances?service=other", NO_HOST),
        ("postgresql://localhost/balances?service=other", UNSUPPORTED),
        ("postgresql://localhost/balances?sslkeylogfile=/tmp/keys", UNSUPPORTED),
        ("postgresql://localhost/balances?statement_timeout=5", UNSUPPORTED),
        ("postgresql://localhost?application_name=x@db.example.com/y", UNESCAPED),
        ("postgresql://localhost/x#?host=db.example.com", UNESCAPED),
        ("postgresql://localhost/x?sslmode=verify_full", "the DSN contains an unknown sslmode"),
        ("postgresql://localhost/x%00y", "the DSN contains white space or control characters"),
        ("postgresql://us%ff@localhost/x", "is not a valid DSN"),
        ("postgresql://user@localhost:abc/x", "the DSN names an invalid port"),
        ("postgresql://user@localhost:99999/x", "the DSN names an invalid port"),
        ("postgresql://user@localhost/x?port=5432,none", "the DSN names an invalid port"),
        ("postgresql://user:hunter/two@localhost/x", "the DSN names an invalid port"),
        ("postgresql://user:hunter#two@localhost/x", "the DSN names an invalid port"),
        ("postgresql://user:hunter@two@localhost/x", "the DSN contains more than one @ before the database name"),
        ("postgresql://user@localhost,,10.0.0.7/x", "the DSN names an empty host"),
        ("postgresql://user@localhost/x?sslmode", "is not a valid DSN"),
    ],
)
def test_an_address_that_cannot(dsn: str, what: str) -> None:
    with pytest.raises(PydanticCustomError) as caught:
        check_dsn(dsn)
    message, hint = get_texts(caught.value)
    assert message == what
    assert "hunter" not in f"{message} {hint}"
