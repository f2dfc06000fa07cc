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

from tests.cli.processes import running, wait_for
from tests.systemd.lab import CHECKOUT, Lab, missing

ONLY_WITH = "ODDAEMON_SYSTEMD_LAB"
pytestmark = [
    pytest.mark.systemd,
    pytest.mark.skipif(ONLY_WITH not in os.environ, reason="make test-systemd starts it"),
]


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    if why := missing():
        pytest.skip(why)
    dist = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(dist), str(CHECKOUT)],
        check=True, capture_output=True,
    )  # fmt: skip
    lab = Lab()
    lab.build()
    lab.install(next(dist.glob("*.whl")))
    lab.start()
    yield lab
    lab.stop()


@pytest.fixture
def installed(lab: Lab, tmp_path: Path) -> Iterator[Lab]:
    """A daemon with three offices of a simulated headquarters, configured and not started."""
    rehearsal, output = tmp_path / "rehearsal", tmp_path / "simulator.log"
    etc = lab.root / "etc" / "oddaemon"
    shutil.rmtree(etc, ignore_errors=True)
    lab.run("systemd-sysusers")
    lab.run("systemd-tmpfiles", "--create", "/etc/tmpfiles.d/oddaemon.conf")
    with running(
        "simulator", "--offices", "3", "--due-in", "3600", "--config-dir", str(rehearsal), output=output
    ) as headquarters:
        wait_for("Ready.", output, headquarters)
        _configure(lab, rehearsal)
        lab.begin()
        yield lab
        lab.run("systemctl", "stop", "oddaemon")
        lab.run("systemctl", "reset-failed", "oddaemon")
        lab.run("rm", "-rf", "/var/lib/private/oddaemon")


def _configure(lab: Lab, rehearsal: Path) -> None:
    """What the simulator wrote, with each key in a file of root's."""
    etc = lab.root / "etc" / "oddaemon"
    written = (rehearsal / "oddaemon.toml").read_text()
    base_url, key = re.findall(r'base_url = "(.*)"', written)[0], re.findall(r'developer_key = "(.*)"', written)[0]
    _secret(etc / "developer.key", key)
    (etc / "oddaemon.toml").write_text(
        f'[api]\nbase_url = "{base_url}"\ndeveloper_key_file = "developer.key"\n'
        '[state]\ndatabase = "/var/lib/oddaemon/oddaemon.db"\n'
        '[http]\nlisten = "127.0.0.1:0"\ncontrol_socket = "/run/oddaemon/control.sock"\n'
        '[offices]\ndirectory = "offices.d"\n[daemon]\nwatch = false\ndrain_seconds = 20\n'
    )
    for file in (rehearsal / "offices.d").glob("*.toml"):
        text = file.read_text()
        _secret(etc / "keys" / f"{file.stem}.key", re.findall(r'customer_key = "(.*)"', text)[0])
        (etc / "offices.d" / file.name).write_text(
            re.sub(r'customer_key = ".*"', f'customer_key_file = "../keys/{file.stem}.key"', text)
        )
    lab.run("chgrp", "-R", "oddaemon-config", "/etc/oddaemon/oddaemon.toml", "/etc/oddaemon/offices.d")
    lab.run("chmod", "-R", "g+rX", "/etc/oddaemon/oddaemon.toml", "/etc/oddaemon/offices.d")


def _secret(path: Path, key: str) -> None:
    path.write_text(key + "\n")
    path.chmod(0o600)


def events(lab: Lab, name: str) -> list[dict[str, object]]:
    lines = [line for line in lab.journal().splitlines() if f'"event": "{name}"' in line]
    return [json.loads(line) for line in lines]


def test_it_starts_as_shipped_and_pulls(installed: Lab) -> None:
    started = installed.run("systemctl", "start", "oddaemon")
    assert started.returncode == 0, installed.journal()
    assert installed.show("ActiveState") == "active"
    assert installed.until(lambda: re.search(r"\d of \d fresh", installed.show("StatusText")))
    assert installed.until(lambda: events(installed, "snapshot_published"))
    (uid,) = {line.split()[1] for line in _status_of(installed).splitlines() if line.startswith("Uid:")}
    assert int(uid) >= 61_184, "a dynamic user"
    assert "NoNewPrivs:\t1" in _status_of(installed)
    assert "Seccomp:\t2" in _status_of(installed)


def test_a_reload_is_checked_first_and_applied_then(installed: Lab) -> None:
    installed.run("systemctl", "start", "oddaemon")
    office = installed.root / "etc/oddaemon/offices.d/office-0001.toml"
    before, loaded = office.read_text(), len(events(installed, "configuration_loaded"))
    office.write_text(before + 'colour = "red"\n')
    assert installed.run("systemctl", "reload", "oddaemon").returncode != 0
    assert installed.show("ActiveState") == "active"
    assert len(events(installed, "configuration_loaded")) == loaded, "the daemon never heard of it"
    office.write_text(before + "enabled = false\n")
    reloaded = installed.run("systemctl", "reload", "oddaemon")
    assert reloaded.returncode == 0, reloaded.stderr + installed.journal()[-2000:]
    installed.until(lambda: len(events(installed, "configuration_loaded")) > loaded)


def test_an_engine_that_hangs_is_killed_and_started_again(installed: Lab) -> None:
    drop_in = installed.root / "run-watchdog.conf"
    drop_in.write_text("[Service]\nWatchdogSec=4\nRestartSec=1\n")
    installed.run("mkdir", "-p", "/run/systemd/system/oddaemon.service.d")
    installed.run("cp", "/run-watchdog.conf", "/run/systemd/system/oddaemon.service.d/lab.conf")
    installed.run("systemctl", "daemon-reload")
    try:
        installed.run("systemctl", "start", "oddaemon")
        pid = installed.show("MainPID")
        installed.run("systemctl", "kill", "--kill-who=main", "--signal=STOP", "oddaemon")
        installed.until(
            lambda: installed.show("MainPID") not in {pid, "0"} and installed.show("ActiveState") == "active"
        )
        assert installed.show("NRestarts") == "1"
        assert "Watchdog timeout" in installed.journal()
    finally:
        installed.run("rm", "/run/systemd/system/oddaemon.service.d/lab.conf")
        installed.run("systemctl", "daemon-reload")


def test_a_crash_is_started_again(installed: Lab) -> None:
    installed.run("systemctl", "start", "oddaemon")
    pid = installed.show("MainPID")
    installed.run("systemctl", "kill", "--kill-who=main", "--signal=KILL", "oddaemon")
    installed.until(lambda: installed.show("MainPID") not in {pid, "0"} and installed.show("ActiveState") == "active")


def test_it_stops_in_good_order_in_the_middle_of_a_pull(installed: Lab) -> None:
    installed.run("systemctl", "start", "oddaemon")
    installed.until(lambda: events(installed, "pull_started"))
    assert installed.run("systemctl", "stop", "oddaemon").returncode == 0
    assert installed.show("Result") == "success"
    assert installed.until(lambda: events(installed, "daemon_stopped"))
    assert installed.run("systemctl", "start", "oddaemon").returncode == 0
    installed.until(lambda: len(events(installed, "daemon_ready")) >= 2)


def test_a_bad_configuration_does_not_start_and_is_not_tried_again(installed: Lab) -> None:
    config = installed.root / "etc/oddaemon/oddaemon.toml"
    config.write_text(config.read_text() + "[colour]\n")
    assert installed.run("systemctl", "start", "oddaemon").returncode != 0
    installed.until(lambda: installed.show("ActiveState") == "failed")
    assert installed.show("NRestarts") == "0"
    assert "colour" in installed.journal()


def test_a_key_that_is_changed_is_handed_over_at_the_next_start(installed: Lab) -> None:
    key = installed.root / "etc/oddaemon/keys/office-0001.key"
    good = key.read_text()
    _secret(key, "Hb3nY8sVd5FqXg1J")
    installed.run("systemctl", "start", "oddaemon")
    installed.until(lambda: [each for each in events(installed, "condition_changed")
                             if each["office"] == "office-0001" and each["after"] == "blocked"])  # fmt: skip
    _secret(key, good.strip())
    assert installed.run("systemctl", "restart", "oddaemon").returncode == 0
    installed.until(lambda: [each for each in events(installed, "snapshot_published")
                             if each["office"] == "office-0001"])  # fmt: skip


def _status_of(lab: Lab) -> str:
    return lab.run("cat", f"/proc/{lab.show('MainPID')}/status").stdout
