"""The unit as it is shipped, under a real systemd: dynamic user, credentials, system-call filter and all."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.processes import running_command, wait_for_output
from tests.systemd.lab import CHECKOUT, SystemdLab, find_missing_requirement

ONLY_WITH = "ODDAEMON_SYSTEMD_LAB"
pytestmark = [
    pytest.mark.systemd,
    pytest.mark.skipif(ONLY_WITH not in os.environ, reason="make test-systemd starts it"),
]


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SystemdLab]:
    if why := find_missing_requirement():
        pytest.skip(why)
    dist = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(dist), str(CHECKOUT)],
        check=True, capture_output=True,
    )  # fmt: skip
    lab = SystemdLab()
    lab.build()
    lab.install(next(dist.glob("*.whl")))
    lab.start()
    yield lab
    lab.stop()


@pytest.fixture
def installed(lab: SystemdLab, tmp_path: Path) -> Iterator[SystemdLab]:
    """A daemon with three offices of a simulated headquarters, configured and not started."""
    rehearsal, output = tmp_path / "rehearsal", tmp_path / "simulator.log"
    etc = lab.root / "etc" / "oddaemon"
    shutil.rmtree(etc, ignore_errors=True)
    lab.run("systemd-sysusers")
    lab.run("systemd-tmpfiles", "--create", "/etc/tmpfiles.d/oddaemon.conf")
    with running_command(
        "simulator", "--offices", "3", "--due-in", "3600", "--config-dir", str(rehearsal), output=output
    ) as headquarters:
        wait_for_output("Ready.", output, headquarters)
        _configure(lab, rehearsal)
        lab.mark_journal()
        yield lab
        lab.run("systemctl", "stop", "oddaemon")
        lab.run("systemctl", "reset-failed", "oddaemon")
        lab.run("rm", "-rf", "/var/lib/private/oddaemon")


def _configure(lab: SystemdLab, rehearsal: Path) -> None:
    """What the simulator wrote, with each key in a file of root's."""
    etc = lab.root / "etc" / "oddaemon"
    written = (rehearsal / "oddaemon.toml").read_text()
    base_url, key = re.findall(r'base_url = "(.*)"', written)[0], re.findall(r'developer_key = "(.*)"', written)[0]
    _write_secret(etc / "developer.key", key)
    (etc / "oddaemon.toml").write_text(
        f'[api]\nbase_url = "{base_url}"\ndeveloper_key_file = "developer.key"\n'
        '[state]\ndatabase = "/var/lib/oddaemon/oddaemon.db"\n'
        '[http]\nlisten = "127.0.0.1:0"\ncontrol_socket = "/run/oddaemon/control.sock"\n'
        '[offices]\ndirectory = "offices.d"\n[daemon]\nwatch = false\ndrain_seconds = 20\n'
    )
    for file in (rehearsal / "offices.d").glob("*.toml"):
        text = file.read_text()
        _write_secret(etc / "keys" / f"{file.stem}.key", re.findall(r'customer_key = "(.*)"', text)[0])
        (etc / "offices.d" / file.name).write_text(
            re.sub(r'customer_key = ".*"', f'customer_key_file = "../keys/{file.stem}.key"', text)
        )
    lab.run("chgrp", "-R", "oddaemon-config", "/etc/oddaemon/oddaemon.toml", "/etc/oddaemon/offices.d")
    lab.run("chmod", "-R", "g+rX", "/etc/oddaemon/oddaemon.toml", "/etc/oddaemon/offices.d")


def _write_secret(path: Path, key: str) -> None:
    path.write_text(key + "\n")
    path.chmod(0o600)


def list_events(lab: SystemdLab, name: str) -> list[dict[str, object]]:
    lines = [line for line in lab.read_journal().splitlines() if f'"event": "{name}"' in line]
    return [json.loads(line) for line in lines]


def test_it_starts_as_shipped_and_pulls(installed: SystemdLab) -> None:
    started = installed.run("systemctl", "start", "oddaemon")
    assert started.returncode == 0, installed.read_journal()
    assert installed.get_property("ActiveState") == "active"
    assert installed.wait_until(lambda: re.search(r"\d of \d fresh", installed.get_property("StatusText")))
    assert installed.wait_until(lambda: list_events(installed, "snapshot_published"))
    (uid,) = {line.split()[1] for line in _read_process_status(installed).splitlines() if line.startswith("Uid:")}
    assert int(uid) >= 61_184, "a dynamic user"
    assert "NoNewPrivs:\t1" in _read_process_status(installed)
    assert "Seccomp:\t2" in _read_process_status(installed)


def test_a_reload_is_checked_first_and_applied_then(installed: SystemdLab) -> None:
    installed.run("systemctl", "start", "oddaemon")
    office = installed.root / "etc/oddaemon/offices.d/office-0001.toml"
    before, loaded = office.read_text(), len(list_events(installed, "configuration_loaded"))
    office.write_text(before + 'colour = "red"\n')
    assert installed.run("systemctl", "reload", "oddaemon").returncode != 0
    assert installed.get_property("ActiveState") == "active"
    assert len(list_events(installed, "configuration_loaded")) == loaded, "the daemon never heard of it"
    office.write_text(before + "enabled = false\n")
    reloaded = installed.run("systemctl", "reload", "oddaemon")
    assert reloaded.returncode == 0, reloaded.stderr + installed.read_journal()[-2000:]
    installed.wait_until(lambda: len(list_events(installed, "configuration_loaded")) > loaded)


def test_an_engine_that_hangs_is_killed_and_started_again(installed: SystemdLab) -> None:
    drop_in = installed.root / "run-watchdog.conf"
    drop_in.write_text("[Service]\nWatchdogSec=4\nRestartSec=1\n")
    installed.run("mkdir", "-p", "/run/systemd/system/oddaemon.service.d")
    installed.run("cp", "/run-watchdog.conf", "/run/systemd/system/oddaemon.service.d/lab.conf")
    installed.run("systemctl", "daemon-reload")
    try:
        installed.run("systemctl", "start", "oddaemon")
        pid = installed.get_property("MainPID")
        installed.run("systemctl", "kill", "--kill-who=main", "--signal=STOP", "oddaemon")
        installed.wait_until(
            lambda: (
                installed.get_property("MainPID") not in {pid, "0"}
                and installed.get_property("ActiveState") == "active"
            )
        )
        assert installed.get_property("NRestarts") == "1"
        assert "Watchdog timeout" in installed.read_journal()
    finally:
        installed.run("rm", "/run/systemd/system/oddaemon.service.d/lab.conf")
        installed.run("systemctl", "daemon-reload")


def test_a_crash_is_started_again(installed: SystemdLab) -> None:
    installed.run("systemctl", "start", "oddaemon")
    pid = installed.get_property("MainPID")
    installed.run("systemctl", "kill", "--kill-who=main", "--signal=KILL", "oddaemon")
    installed.wait_until(
        lambda: (
            installed.get_property("MainPID") not in {pid, "0"} and installed.get_property("ActiveState") == "active"
        )
    )


def test_it_stops_in_good_order_in_the_middle_of_a_pull(installed: SystemdLab) -> None:
    installed.run("systemctl", "start", "oddaemon")
    installed.wait_until(lambda: list_events(installed, "pull_started"))
    assert installed.run("systemctl", "stop", "oddaemon").returncode == 0
    assert installed.get_property("Result") == "success"
    assert installed.wait_until(lambda: list_events(installed, "daemon_stopped"))
    assert installed.run("systemctl", "start", "oddaemon").returncode == 0
    installed.wait_until(lambda: len(list_events(installed, "daemon_ready")) >= 2)


def test_a_bad_configuration_does_not_start_and_is_not_tried_again(installed: SystemdLab) -> None:
    config = installed.root / "etc/oddaemon/oddaemon.toml"
    config.write_text(config.read_text() + "[colour]\n")
    assert installed.run("systemctl", "start", "oddaemon").returncode != 0
    installed.wait_until(lambda: installed.get_property("ActiveState") == "failed")
    assert installed.get_property("NRestarts") == "0"
    assert "colour" in installed.read_journal()


def test_a_key_that_is_changed_is_handed_over_at_the_next_start(installed: SystemdLab) -> None:
    key = installed.root / "etc/oddaemon/keys/office-0001.key"
    good = key.read_text()
    _write_secret(key, "Hb3nY8sVd5FqXg1J")
    installed.run("systemctl", "start", "oddaemon")
    installed.wait_until(lambda: [each for each in list_events(installed, "condition_changed")
                             if each["office"] == "office-0001" and each["after"] == "blocked"])  # fmt: skip
    _write_secret(key, good.strip())
    assert installed.run("systemctl", "restart", "oddaemon").returncode == 0
    installed.wait_until(lambda: [each for each in list_events(installed, "snapshot_published")
                             if each["office"] == "office-0001"])  # fmt: skip


def _read_process_status(lab: SystemdLab) -> str:
    return lab.run("cat", f"/proc/{lab.get_property('MainPID')}/status").stdout
