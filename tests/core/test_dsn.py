"""A DSN is parsed once: what is checked is what the driver is given."""

import pytest

from oddaemon.core.dsn import InvalidDsn, parse_dsn


@pytest.mark.parametrize(
    ("text", "parameters", "hosts"),
    [
        (
            "postgresql://me:p%40s%2Bs@db.example.com:5433/balances?sslmode=verify-full&application_name=a+b",
            {
                "user": "me",
                "password": "p@s+s",
                "host": "db.example.com",
                "port": "5433",
                "dbname": "balances",
                "sslmode": "verify-full",
                "application_name": "a+b",
            },
            ("db.example.com",),
        ),
        (
            "postgres://[::1]:5432,10.0.0.7,%2Frun%2Fpostgresql/x",
            {"host": "::1,10.0.0.7,/run/postgresql", "port": "5432,,", "dbname": "x"},
            ("::1", "10.0.0.7", "/run/postgresql"),
        ),
        (
            "postgresql://me@/x?host=/run/postgresql&port=5433&hostaddr=127.0.0.1",
            {"user": "me", "dbname": "x", "host": "/run/postgresql", "port": "5433", "hostaddr": "127.0.0.1"},
            ("/run/postgresql", "127.0.0.1"),
        ),
    ],
)
def test_every_part_of_a_dsn_has_its_place(text: str, parameters: dict[str, str], hosts: tuple[str, ...]) -> None:
    dsn = parse_dsn(text)
    assert (dict(dsn.parameters), dsn.hosts) == (parameters, hosts)
    assert dsn.is_verified == ("verify-full" in text)


@pytest.mark.parametrize(
    "text",
    [
        "postgresql://local host/x",
        "postgresql://localhost/" + "x" * 2000,
        "postgresql://[::1/x",
        "mysql://localhost/x",
        "postgresql://a@b@localhost/x",
        "postgresql://localhost,,10.0.0.7/x",
        "postgresql://localhost:0/x",
        "postgresql://localhost/x@y",
        "postgresql:///x",
        "postgresql://localhost/x?service=y",
        "postgresql://localhost/x?sslmode=none",
        "postgresql://localhost/x%00",
    ],
)
def test_what_is_no_dsn_is_refused_without_a_part_of_it(text: str) -> None:
    with pytest.raises(InvalidDsn) as caught:
        parse_dsn(text)
    assert text not in f"{caught.value.message} {caught.value.hint}"


@pytest.mark.parametrize(
    ("text", "is_local"),
    [
        ("postgresql://db.example.com/balances", False),
        ("postgresql://10.0.0.7:5433/balances?sslmode=require", True),
        ("postgresql://10.0.0.7,db.example.com:5433", False),
        ("postgresql:///balances?host=/run/postgresql", True),
        ("postgresql:///balances?host=/run/postgresql&hostaddr=192.0.2.1", False),
    ],
)
def test_a_dsn_is_local_if_every_host_is(text: str, is_local: bool) -> None:
    assert parse_dsn(text).is_local == is_local


def test_servers_and_database_are_shown_and_nothing_else() -> None:
    shown = {
        "postgresql://me:secret@db.example.com/oddaemon?sslmode=verify-full": "db.example.com/oddaemon",
        "postgresql://me@a.example.com:5433,b.example.com/oddaemon?sslmode=verify-full": (
            "a.example.com:5433,b.example.com/oddaemon"
        ),
        "postgresql://me@/?host=/run/postgresql&port=5433": "/run/postgresql/me",
        "postgresql://me@a.example.com,b.example.com/x?port=5433": "a.example.com:5433,b.example.com:5433/x",
    }
    assert {text: parse_dsn(text).where for text in shown} == shown


def test_the_parameters_for_tools_have_no_password() -> None:
    dsn = parse_dsn("postgresql://me:secret@db.example.com/o%27d%5Cd%20x?sslmode=verify-full")
    assert dsn.conninfo == r"user=me dbname='o\'d\\d x' host=db.example.com sslmode=verify-full"
