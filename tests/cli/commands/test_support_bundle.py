"""A support bundle holds what a helper needs, and no key, no patient and no amount."""

import gzip
import hashlib
import json
import stat
import tarfile
import tomllib
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import anyio
import pytest
from typer.testing import Result

from oddaemon.core.model import Balance, OfficeSpec, Reader, Snapshot
from oddaemon.core.snapshot.verify import compute_totals
from oddaemon.store import journal, snapshots
from oddaemon.store.journal import JournalEntry
from oddaemon.store.sqlite.connection import SqliteDatabase
from tests.cli.inspected_daemon import inspected_daemon
from tests.cli.sample_fleet import KEYS, SampleFleet, invoke, make_fresh_state
from tests.golden import GoldenTexts
from tests.store.configured import register_offices

INLINE, IN_A_FILE = "Vx8kP3mJc6RtYw2N", "Fg5hS9bLz4DqKv7M"
SIGNING = "whsec_c2lnbmVkLXdpdGgtdGhpcy1vbmUtYW5kLW9ubHk="
PASSWORD, PING, HOOK = "correct-horse-battery", "5f0c9b1e-ping-me", "hook-9a8b7c6d"
PATIENTS = (
    Balance(9007199254740993, 0, 7654321, 1234567, 2345678, 3456789, 4567891, 5678912, 6789123),
    Balance(9007199254740999, 3, 8765432, 9876543, 1928374, 2837465, 3746556, 4655647, 5564738),
)
CONFIGURATION = f"""
# formerly {IN_A_FILE}
[api]
developer_key = "{INLINE}"
[state]
database = "state.db"
[alerts]
ping_url = "https://hc-ping.com/{PING}"
[[sink]]
name = "ledger"
kind = "webhook"
url = "https://ledger.example.com/{HOOK}"
secret = "{SIGNING}"
[[sink]]
name = "warehouse"
kind = "postgres"
dsn_file = "warehouse.dsn"
[[sink]]
name = "own"
kind = "exec"
command = ["/bin/true", "--token={IN_A_FILE}", "{PASSWORD}"]
[[office]]
id = "bright-smiles"
customer_key_env = "BRIGHT"
[[office]]
id = "hill-street"
customer_key_file = "hill.key"
[office.labels]
note = "asked for {IN_A_FILE}"
"""


@pytest.fixture
def fleet(tmp_path: Path) -> SampleFleet:
    """Two offices with patients whose numbers cannot be there by chance, and a journal that repeats a key."""
    config = tmp_path / "oddaemon.toml"
    config.write_text(CONFIGURATION)
    config.chmod(0o600)
    (tmp_path / "hill.key").write_text(IN_A_FILE)
    (tmp_path / "hill.key").chmod(0o600)
    (tmp_path / "warehouse.dsn").write_text(f"postgresql://u:{PASSWORD}@127.0.0.1/x")
    (tmp_path / "warehouse.dsn").chmod(0o600)
    now = datetime.now(UTC)
    anyio.run(_fill_database, tmp_path / "state.db", now)
    return SampleFleet(config, now)


async def _fill_database(path: Path, now: datetime) -> None:
    async with SqliteDatabase.open(str(path)) as db:
        await register_offices(db, [OfficeSpec(each, each) for each in ("bright-smiles", "hill-street")])
        snapshot = Snapshot(date(2026, 3, 2), now, Reader.STATEMENT, 1, compute_totals(PATIENTS), PATIENTS)
        await snapshots.publish(db, "bright-smiles", snapshot, make_fresh_state(now), now)
        messages = [
            f"it was ODFHIR {INLINE}/{IN_A_FILE}, {KEYS['BRIGHT']}",
            f"https://x:{IN_A_FILE}@h/?k={INLINE}",
            'The header must look like "ODFHIR {DeveloperKey}/{CustomerKey}".',
            'See "https://kb.example.com/article?id=5", or \\"https://u:p@h\\"',
            f"{SIGNING}, https://hc-ping.com/{PING}, postgresql://u:{PASSWORD}@127.0.0.1/x",
        ]
        entries = [JournalEntry("hill-street", now, "warning", "failure_seen", {"message": text}) for text in messages]
        await journal.append(
            db, [*entries, JournalEntry("bright-smiles", now, "info", "office_started", {})], entries_max=100
        )


def unpack(path: Path) -> dict[str, str]:
    """The texts of an archive by their names inside of its one directory."""
    with tarfile.open(path) as tar:
        members = tar.getmembers()
        assert all(member.isfile() and member.mode == 0o600 for member in members)
        (directory,) = {member.name.partition("/")[0] for member in members}
        files = {member.name: tar.extractfile(member) for member in members}
        return {name.removeprefix(f"{directory}/"): file.read().decode() for name, file in files.items() if file}


def make_bundle(fleet: SampleFleet, *arguments: str) -> tuple[Result, dict[str, str]]:
    target = fleet.config.with_name("bundle.tar.gz")
    result = fleet.run("support-bundle", "-o", str(target), *arguments)
    assert result.exit_code == 0, result.stderr
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    return result, unpack(target)


def list_secrets() -> Iterator[str]:
    yield from (INLINE, IN_A_FILE, KEYS["BRIGHT"], SIGNING, PASSWORD, PING, HOOK)
    for balance in PATIENTS:
        yield str(balance.pat_num)
        for cents in balance[2:]:
            yield from (str(cents), f"{cents // 100}.{cents % 100:02}", f"{cents // 100:,}")
    for cents in compute_totals(PATIENTS)[1:]:
        yield from (str(cents), f"{cents // 100}.{cents % 100:02}")


@pytest.mark.parametrize("running", [True, False])
def test_no_key_no_patient_and_no_amount_is_in_it(fleet: SampleFleet, *, running: bool) -> None:
    if running:
        with inspected_daemon(fleet.config.parent):
            _, texts = make_bundle(fleet)
    else:
        _, texts = make_bundle(fleet)
    everything = "\n".join([*texts, *texts.values()])

    assert len(list(list_secrets())) > 50
    assert [secret for secret in list_secrets() if secret in everything] == []
    assert "it was ODFHIR ***" in texts["journal/hill-street.jsonl"]
    assert fleet.run("balances", "bright-smiles").stdout.count("90071992547409") == 2, "they are in the database"


@pytest.mark.parametrize("running", [True, False])
def test_every_file_of_it_keeps_its_syntax_whatever_a_server_said(fleet: SampleFleet, *, running: bool) -> None:
    text = fleet.config.read_text().replace('id = "bright-smiles"', 'id = "bright-smiles"\nname = "\\"ODFHIR a\\"b"')
    fleet.config.write_text(text)
    if running:
        with inspected_daemon(fleet.config.parent):
            _, texts = make_bundle(fleet)
    else:
        _, texts = make_bundle(fleet)
    for name, text in texts.items():
        if name.endswith(".json"):
            json.loads(text)
        elif name.endswith(".jsonl"):
            assert [json.loads(line)["event"] for line in text.splitlines()]
        elif name.endswith(".toml"):
            tomllib.loads(text)
    assert len([name for name in texts if name.endswith((".json", ".jsonl", ".toml"))]) >= 9


def test_labels_are_free_text_and_are_hidden(fleet: SampleFleet) -> None:
    fleet.config.write_text(fleet.config.read_text() + 'pw = "hunter2hunter2"\n')
    _, texts = make_bundle(fleet)
    assert [name for name, text in texts.items() if "hunter2hunter2" in text] == []
    assert json.loads(texts["offices/hill-street.json"])["labels"] == {"note": "\u2026", "pw": "\u2026"}


def test_what_a_helper_needs_is_in_it(fleet: SampleFleet) -> None:
    with inspected_daemon(fleet.config.parent):
        result, texts = make_bundle(fleet)
    documents: dict[str, Any] = {name: json.loads(text) for name, text in texts.items() if name.endswith(".json")}

    assert {name.partition("/")[0] for name in texts} == {
        "manifest.json",
        "configuration",
        "check.json",
        "versions.json",
        "status.json",
        "metrics.txt",
        "store.json",
        "offices",
        "journal",
    }
    assert 'customer_key_file = "hill.key"' in texts["configuration/00000-oddaemon.toml"]
    assert documents["check.json"]["problems"] == []
    assert documents["versions.json"]["packages"]["anyio"]
    assert documents["status.json"]["source"] == "daemon"
    assert documents["status.json"]["offices"][0]["snapshot"]["bal_total"] is None
    assert "oddaemon_requests_in_flight 0.0" in texts["metrics.txt"]
    assert (documents["store.json"]["offices"], documents["store.json"]["journal_entries"]) == (2, 6)
    assert documents["store.json"]["mode"] == "0600"
    assert documents["offices/bright-smiles.json"]["condition"] == "fresh"
    assert json.loads(texts["journal/bright-smiles.jsonl"])["event"] == "office_started"
    manifest = documents["manifest.json"]
    assert manifest["missing"] == {}
    assert set(manifest["files"]) == set(texts) - {"manifest.json"}
    for name, facts in manifest["files"].items():
        assert facts["sha256"] == hashlib.sha256(texts[name].encode()).hexdigest()
    for place in manifest["in_it"]:
        assert any(name.startswith(place) for name in texts)
        assert f"  {place}" in result.stdout
    assert "Not included: keys" in result.stdout
    assert result.stdout.splitlines()[-1].startswith("Inspect it before you send it: tar xzf ")


def test_without_a_daemon_the_database_is_read_and_missing_parts_are_named(fleet: SampleFleet) -> None:
    result, texts = make_bundle(fleet)

    assert json.loads(texts["status.json"])["source"] == "database"
    assert "metrics.txt" not in texts
    assert "metrics.txt: the daemon" in result.stdout
    assert json.loads(texts["manifest.json"])["missing"].keys() == {"metrics.txt"}


def test_named_offices_alone_are_in_it_and_unknown_ones_end_it(fleet: SampleFleet, golden: GoldenTexts) -> None:
    _, texts = make_bundle(fleet, "hill-street")
    assert [name for name in texts if name.startswith(("offices/", "journal/"))] == [
        "journal/hill-street.jsonl",
        "offices/hill-street.json",
    ]
    unknown = fleet.run("support-bundle", "hillstreet")
    assert (unknown.exit_code, unknown.stdout) == (1, "")
    golden.check(unknown.stderr)


def test_a_broken_configuration_is_what_help_is_needed_with(fleet: SampleFleet) -> None:
    fleet.config.write_text(CONFIGURATION + f'[colour]\nshade = "{KEYS["OAK"]}"\n')
    result, texts = make_bundle(fleet)

    assert "colour" in json.loads(texts["check.json"])["problems"][0]
    assert "[colour]" in texts["configuration/00000-oddaemon.toml"]
    assert KEYS["OAK"] not in "".join(texts.values())
    assert "configuration is invalid" in result.stdout


@pytest.mark.parametrize("damage", ["missing", "garbage"])
def test_an_unreadable_database_is_reported(fleet: SampleFleet, damage: str) -> None:
    database = fleet.config.with_name("state.db")
    for path in database.parent.glob("state.db*"):
        path.unlink()
    if damage == "garbage":
        database.write_bytes(b"garbage" * 1000)
    result, texts = make_bundle(fleet)

    assert json.loads(texts["store.json"])["error"] in result.stdout
    assert json.loads(texts["store.json"])["advice"]


def test_a_place_that_cannot_be_written_is_a_message(fleet: SampleFleet, tmp_path: Path) -> None:
    result = fleet.run("support-bundle", "-o", str(tmp_path / "nowhere" / "x.tar.gz"))
    assert (result.exit_code, result.stdout) == (1, "")
    assert "cannot write" in result.stderr


def test_its_name_says_when_it_was_made(fleet: SampleFleet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert invoke("support-bundle", "--config", str(fleet.config)).exit_code == 0
    (bundle,) = tmp_path.glob("oddaemon-support-*Z.tar.gz")
    assert gzip.decompress(bundle.read_bytes())
