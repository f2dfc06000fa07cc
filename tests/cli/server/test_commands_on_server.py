"""Every command that reads says the same of a database on a PostgreSQL server as of the file that was moved there."""

import json
import os
import re
import subprocess
import sys
import tarfile
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path

import psycopg
import pytest

from oddaemon.api import open_database
from oddaemon.core.dsn import parse_dsn
from tests.cli.commands.test_sink import refusing  # noqa: F401 - a fixture
from tests.cli.processes import TIMEOUT_SECONDS, running_command, wait_for_output
from tests.cli.sample_fleet import SampleFleet
from tests.cli.sample_history import FIRST, History, make_history, store_backfill
from tests.golden import GoldenTexts
from tests.postgres_server import find_missing_requirement, running_server

pytestmark = [
    pytest.mark.real("needs PostgreSQL"),
    pytest.mark.skipif(bool(find_missing_requirement()), reason=find_missing_requirement() or "all there"),
]

READING = (
    ("status",),
    ("status", "--json"),
    ("explain", "bright-smiles"),
    ("explain", "bright-smiles", "--json"),
    ("office", "list"),
    ("office", "list", "--json"),
    ("balances", "bright-smiles"),
    ("balances", "bright-smiles", "--as-of", "2026-03-02", "--format", "json"),
    ("balances", "bright-smiles", "--as-of", "2025-12-31"),
    ("balances", "--fleet"),
    ("changes", "bright-smiles", "--from", "2026-03-02"),
    ("changes", "bright-smiles", "--from", "2025-12-31", "--format", "ndjson"),
    ("history", "bright-smiles"),
    ("history", "bright-smiles", "--format", "json"),
    ("sink", "status"),
    ("sink", "status", "--json"),
    ("check", "--plan", "--json"),
    ("state", "verify", "--json"),
)

ONLY_ON_SERVER = {("status", "--json"): "fleet", ("check", "--plan", "--json"): "hosts"}
"""What a document has besides, where other hosts may use the database."""


@pytest.fixture(scope="module")
def dsn() -> Iterator[str]:
    with running_server() as server:
        server.create_user("keeper", "hunter2", "SUPERUSER")
        yield server.make_dsn(user="keeper:hunter2")


@pytest.fixture
def url(dsn: str) -> Iterator[str]:
    """An empty database, by a URL with a password."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("CREATE DATABASE moved")
        yield dsn.replace("/postgres?", "/moved?")
        connection.execute("DROP DATABASE moved WITH (FORCE)")


@pytest.fixture
def history(tmp_path: Path) -> History:
    history = make_history(tmp_path)
    store_backfill(history, date(2025, 12, 31), FIRST)
    return history


def read_all(history: History) -> dict[str, str]:
    """What each command writes, without what differs: the database's place, its control socket and moments."""
    said = {}
    for arguments in READING:
        result = history.fleet.run(*arguments)
        assert result.exit_code in {0, 3}, (arguments, result.stderr)
        text = result.stdout + result.stderr
        if only_there := ONLY_ON_SERVER.get(arguments):
            document = json.loads(result.stdout)
            text = json.dumps({name: value for name, value in document.items() if name != only_there})
        text = re.sub(r"\S*(state\.db|oddaemon)\.sock", "SOCKET", text)
        text = re.sub(r"(/\S+)?/(state\.db|moved)\b", "DATABASE", text)
        if arguments[0] in {"status", "explain"}:  # what they say depends on the moment
            text = re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+Z", "INSTANT", text)
            text = re.sub(r"\b\d+ (ms|s|min|h|d)\b", "AGO", text)
            text = re.sub(r"[ ─]+", " ", text)
        said[" ".join(arguments)] = text
    return said


def use_server(history: History, url: str) -> None:
    config = history.fleet.config
    (config.parent / "database.url").write_text(f"{url}\n")
    (config.parent / "database.url").chmod(0o600)
    config.write_text(config.read_text().replace('database = "state.db"', 'database_url_file = "database.url"'))


def move(history: History, url: str, *options: str) -> str:
    """Move the file to the server; what the command says."""
    secret = history.directory / "target.url"
    secret.write_text(f"{url}\n")
    secret.chmod(0o600)
    return history.run("state", "move", "--to-file", str(secret), *options)


@pytest.fixture
def moved(history: History, url: str) -> History:
    move(history, url)
    use_server(history, url)
    return history


def test_every_reading_command_says_the_same(history: History, url: str) -> None:
    before = read_all(history)
    document = json.loads(move(history, url, "--json"))
    assert (document["offices"], document["tables"]["snapshot"]["rows"]) == (3, document["snapshots"])
    use_server(history, url)
    assert read_all(history) == before


def describe(place: str) -> Mapping[str, object]:
    """What `oddaemon.api` gives."""
    with open_database(place) as fleet:
        found: dict[str, object] = {"changes": list(fleet.changes("bright-smiles", since=date(2025, 12, 31)))}
        for office in fleet.offices():
            days = fleet.history(office.id)
            balances = [list(fleet.balances(office.id, day.snapshot.aging_date)) for day in days]
            found[office.id] = (office, fleet.snapshots(office.id), days, balances)
        return found


def test_programs_read_the_same_and_keep_their_environment(history: History, url: str) -> None:
    environment = {**os.environ, "PGHOST": "/nowhere", "PGDATABASE": "other", "PYTHONPATH": str(Path.cwd())}
    move(history, url)
    assert describe(url) == describe(str(history.directory / "state.db"))
    program = (
        "import ctypes, sys\nfrom oddaemon.api import open_database\n"
        "with open_database(sys.argv[1]) as fleet: assert fleet.offices()\n"
        "getenv = ctypes.CDLL(None).getenv\ngetenv.restype = ctypes.c_char_p\nprint(getenv(b'PGHOST').decode())"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, url], env=environment, capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("/nowhere\n", "")


@pytest.mark.parametrize("command", [("retry", "lake"), ("skip", "lake", "bright-smiles")])
def test_what_waits_for_a_sink_is_retried_and_skipped_where_no_daemon_of_this_host_runs(
    refusing: SampleFleet,  # noqa: F811 - the fixture
    url: str,
    command: tuple[str, ...],
    golden: GoldenTexts,
) -> None:
    history = History(refusing, refusing.config.parent)
    before = history.run("sink", "status", "--json")
    move(history, url)
    use_server(history, url)
    assert history.run("sink", "status", "--json") == before
    golden.check(history.run("sink", *command))
    assert history.run("sink", "status", "--json") != before


def test_an_export_is_the_same_file(history: History, url: str, tmp_path: Path) -> None:
    def export(name: str) -> bytes:
        path = tmp_path / name
        result = history.fleet.run("balances", "bright-smiles", "--format", "csv", "--output", str(path))
        assert result.exit_code == 0, result.stderr
        return path.read_bytes()

    before = export("before.csv")
    move(history, url)
    use_server(history, url)
    assert export("after.csv") == before


def test_it_says_what_to_do_with_a_moved_database(history: History, url: str, golden: GoldenTexts) -> None:
    secret, place = history.directory / "open.url", parse_dsn(url).where
    secret.write_text(url)
    golden.check(history.run_failing("state", "move", "--to-file", str(secret)))
    golden.check(move(history, url), PLACE=place)
    golden.check(history.run_failing("state", "move", "--to-file", str(history.directory / "target.url")), PLACE=place)
    for wrong in ("postgresql://od:hunter2@db.example.com/od", "mysql://od:hunter2@localhost/od"):
        golden.check(history.run_failing("state", "move", "--to", wrong))


def test_what_the_server_s_own_tools_do_is_said_without_the_password(
    moved: History, dsn: str, golden: GoldenTexts
) -> None:
    directory = dsn.partition("host=")[2]
    for arguments in (("state", "backup", "/backup/my file"), ("state", "vacuum")):
        refused = moved.run_failing(*arguments)
        assert "hunter2" not in refused
        golden.check(refused, SOCKETS=directory)


def test_an_office_is_forgotten_with_what_that_means(moved: History, url: str, dsn: str, golden: GoldenTexts) -> None:
    directory = dsn.partition("host=")[2]
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO member (host, network, pid, version, revision, address, session, stage, joined_at, "
            "renewed_at, expires_at, offices) VALUES ('od-2', '', 1, '', '', '', '', 'working', now(), now(), "
            """now() + interval '1 h', '{"left": "x"}')"""
        )
        golden.check(moved.run_failing("office", "forget", "left", "--yes"))
        connection.execute("UPDATE member SET stage = 'gone'")
    golden.check(moved.run("office", "forget", "left", "--yes"), SOCKETS=directory)
    golden.check(moved.run_failing("office", "forget", "left", "--yes"))
    assert "is intact" in moved.run("state", "verify")


def test_old_days_are_pruned_where_no_daemon_of_this_host_runs(moved: History, url: str, golden: GoldenTexts) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("UPDATE snapshot SET aging_date = aging_date - 2000")
    golden.check(moved.run("state", "prune", "--older-than-days", "1"))


def test_beside_a_daemon_of_this_host_it_does_the_work(moved: History, url: str, dsn: str, golden: GoldenTexts) -> None:
    config, log = moved.fleet.config, moved.directory / "log"
    text = config.read_text().replace("[[office]]", "[[office]]\nenabled = false")
    text = text.replace('customer_key_env = "RENO"\nenabled = false', 'customer_key_env = "RENO"')
    config.write_text(
        f'{text}\n[http]\nlisten = "127.0.0.1:0"\n[log]\nformat = "json"\n'
        '[daemon]\nwatch = false\n[fleet]\nhost = "od-1"\n'
    )
    with running_command("run", "--config", str(config), output=log) as process:
        wait_for_output('"daemon_ready"', log, process)
        golden.check(
            moved.run_failing("state", "move", "--to", str(moved.directory / "back.db")),
            SOCKETS=dsn.partition("host=")[2],
        )
        pruned, forgotten = moved.fleet.run("state", "prune"), moved.fleet.run("office", "forget", "left", "--yes")
        process.terminate()
        assert process.wait(TIMEOUT_SECONDS) == 0
    golden.check(pruned.stderr + pruned.stdout)
    golden.check(forgotten.stderr + forgotten.stdout, SOCKETS=dsn.partition("host=")[2])
    output = log.read_text()
    assert '"job": "forget left"' in output
    assert [line for line in output.splitlines() if "hunter2" in line or url in line] == []
    assert parse_dsn(url).where in output
    moved.run("state", "move", "--to", str(moved.directory / "back.db"))


def test_a_support_bundle_has_facts_of_the_server_and_no_password(moved: History, tmp_path: Path) -> None:
    path = tmp_path / "bundle.tar.gz"
    assert moved.fleet.run("support-bundle", "--output", str(path)).exit_code == 0
    with tarfile.open(path) as archive:
        texts = {each.name: archive.extractfile(each).read().decode() for each in archive if each.isfile()}  # type: ignore[union-attr]  # a file
    (store,) = [json.loads(text) for name, text in texts.items() if name.endswith("/store.json")]
    assert store["server"].startswith("PostgreSQL")
    assert [name for name, text in texts.items() if "hunter2" in text] == []


def test_without_tables_a_command_creates_none(history: History, url: str) -> None:
    use_server(history, url)
    for arguments in (("status",), ("state", "prune"), ("state", "verify")):
        failed = history.fleet.run(*arguments)
        assert failed.exit_code == 1
        assert "oddaemon run" in failed.stderr
    plan = json.loads(history.fleet.run("check", "--plan", "--json").stdout)["plan"]
    assert len(plan["new"]) == 4
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT to_regclass('office')").fetchone() == (None,)
