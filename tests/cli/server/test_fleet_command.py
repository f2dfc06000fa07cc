"""`oddaemon fleet` without a daemon: what the database says of the hosts, in words and as a document."""

import json
import re
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import anyio
import pytest

from oddaemon.core.fleet.lease import LeaseKind
from oddaemon.core.fleet.member import Departure, Stage
from oddaemon.store.fleet import leases, members
from oddaemon.store.fleet.members import NewMember
from tests.cli.sample_fleet import invoke, parse_json, write_config
from tests.golden import GoldenTexts
from tests.postgres_server import running_server
from tests.store.postgresql.database import open_database
from tests.store.postgresql.engines import needs_postgresql

pytestmark = needs_postgresql
OFFICES = {"bright-smiles": "1", "hill-street": "1", "new-oak": "1"}


@pytest.fixture(scope="module")
def dsn() -> Iterator[str]:
    with running_server() as server:
        server.create_user("keeper", "hunter2", "SUPERUSER")
        yield server.make_dsn(user="keeper:hunter2")


@pytest.fixture
def config(tmp_path: Path, dsn: str) -> Path:
    """Of a fleet: `a` works, `b` works and lacks an office, `c` died, `d` was stopped."""
    anyio.run(fill, dsn)
    config = write_config(tmp_path)
    secret = tmp_path / "database.url"
    secret.write_text(dsn)
    secret.chmod(0o600)
    config.write_text(config.read_text().replace('database = "state.db"', 'database_url_file = "database.url"'))
    return config


async def fill(dsn: str) -> None:
    async with open_database(dsn) as database:
        keeper, numbers = database.keeper, {}
        for host in "abcd":
            offices = {name: each for name, each in OFFICES.items() if (host, name) != ("b", "new-oak")}
            new = NewMember(host, "", 1, "1.0", "0004", f"{host}.example.com:9464", "", "5e771e550000", offices, {})
            numbers[host], _ = await members.join(keeper, new, 15.0)
            await members.renew(keeper, numbers[host], Stage.WORKING, 0, 15.0)
        await leases.add(keeper, LeaseKind.OFFICE, OFFICES)
        await leases.take(keeper, numbers["a"], LeaseKind.OFFICE, {"bright-smiles": "1", "hill-street": "1"})
        await members.leave(keeper, numbers["c"], Departure.EXPIRED)
        await members.leave(keeper, numbers["d"], Departure.DRAINED)


def test_people_see_the_hosts_those_that_are_gone_and_what_differs(config: Path, golden: GoldenTexts) -> None:
    result = invoke("fleet", "--config", str(config))
    assert result.exit_code == 0, result.stderr
    text = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", "2026-03-02 08:00:00 UTC", result.stdout)
    golden.check(re.sub(r"\d+ s\b", "1 s", text) + re.sub(r"/\S+/", "/", result.stderr))


def test_programs_see_the_same(config: Path) -> None:
    document = parse_json(invoke("fleet", "--json", "--config", str(config)))
    assert document["host"] is None
    assert document["offices"] == {"held": 2, "unheld": 1}
    assert document["lost_hosts"] == ["c"]
    assert document["database"] == {"standbys": 0, "is_synchronous": False, "lag_seconds": None}
    text = json.dumps(document)
    assert "hunter2" not in text
    status = parse_json(invoke("status", "--json", "--config", str(config)))
    assert isinstance(status["offices"], list)
    assert [office["host"] for office in status["offices"] if office["id"] == "hill-street"] == ["a"]
    assert isinstance(status["fleet"], dict)
    assert status["fleet"]["differences"] == document["differences"]


def test_status_and_explain_show_the_host(config: Path) -> None:
    said = invoke("status", "--config", str(config))
    assert "HOST" in said.stdout
    assert "b lacks new-oak" in said.stderr
    assert re.search(
        r"^Host +a, since ", invoke("explain", "hill-street", "--config", str(config)).stdout, re.MULTILINE
    )


def test_a_plan_is_compared_with_the_other_hosts(config: Path) -> None:
    config.write_text(f'{config.read_text()}\n[fleet]\nhost = "b"\n')
    said = invoke("check", "--plan", "--config", str(config))
    assert said.exit_code == 0, said.stderr
    assert "With these files the hosts would differ: a " in said.stdout
    hosts = parse_json(invoke("check", "--plan", "--json", "--config", str(config)))["hosts"]
    assert isinstance(hosts, dict)
    assert hosts["compared"] == ["a"]
    assert [each["host"] for each in hosts["differences"]] == ["a", "b"]
    assert [each["lacks"] for each in hosts["differences"]] == [["coast-reno"], []]


def test_a_support_bundle_has_the_hosts(config: Path, tmp_path: Path) -> None:
    bundle = tmp_path / "bundle.tar.gz"
    result = invoke("support-bundle", "--config", str(config), "--output", str(bundle))
    assert result.exit_code == 0, result.stderr
    with tarfile.open(bundle) as archive:
        texts = {Path(name).name: archive.extractfile(name) for name in archive.getnames()}
        document = json.loads(_read(texts["fleet.json"]))
        status = json.loads(_read(texts["status.json"]))
        assert b"hunter2" not in b"".join(map(_read, texts.values()))
    assert [member["host"] for member in document["members"]] == ["a", "b"]
    assert {office["id"]: office["host"] for office in status["offices"]}["hill-street"] == "a"


def _read(file: IO[bytes] | None) -> bytes:
    assert file is not None, "an ordinary file"
    file.seek(0)
    return file.read()


def test_a_database_that_cannot_be_reached_shows_no_password(config: Path, dsn: str) -> None:
    (config.parent / "database.url").write_text(dsn.replace("postgres?", "absent?"))
    result = invoke("fleet", "--config", str(config))
    assert result.exit_code == 1
    assert "hunter2" not in result.stderr
