"""The whole way of a file: a daemon and a headquarters of their own, and SFTP between them."""

import json
from pathlib import Path

import pytest

from tests.cli.processes import run_command, running_command, wait_for_output

pytestmark = pytest.mark.real("two real processes, which keep the pace of the API in real time")

QUERY = """SELECT PatNum, EstBalance, Bal_0_30, Bal_31_60, Bal_61_90, BalOver90, InsEst, BalTotal, LName
FROM patient WHERE PatNum = Guarantor AND BalTotal <> 0 AND '{as_of}' <> ''"""


def test_an_office_uploads_its_night_and_a_past_day(tmp_path: Path) -> None:
    simulator, daemon = tmp_path / "simulator.log", tmp_path / "daemon.log"
    rehearsal = tmp_path / "rehearsal"
    with running_command(
        "simulator", "--offices", "1", "--due-in", "1", "--config-dir", str(rehearsal), output=simulator
    ) as headquarters:
        wait_for_output("Ready.", simulator, headquarters)
        config, office = rehearsal / "oddaemon.toml", rehearsal / "offices.d" / "office-0001.toml"
        receiver = '[sftp]\nlisten = "127.0.0.1:0"\npublic_host = "127.0.0.1"\n[log]\nformat = "json"\n'
        config.write_text(f"{config.read_text()}\n{receiver}")
        office.write_text(office.read_text().replace("[[office]]", '[[office]]\nreader = "sftp"'))
        query = tmp_path / "aging.sql"
        query.write_text(QUERY)
        with running_command("run", "--config", str(config), output=daemon) as process:
            output = wait_for_output('"snapshot_published"', daemon, process)
            (published,) = [json.loads(line) for line in output.splitlines() if '"snapshot_published"' in line]
            assert published["reader"] == "sftp"
            assert published["guarantors"] > 0
            arguments = ("office-0001", "--as-of", "2025-12-31", "--via", "sftp", "--query", str(query))
            done = run_command("backfill", *arguments, "--config", str(config), cwd=tmp_path)
            assert (done.returncode, "is stored" in done.stdout) == (0, True), done.stderr
    assert "SHA256:" in output, "the host key's fingerprint is logged"
    assert list((rehearsal / "uploads").iterdir()) == []
