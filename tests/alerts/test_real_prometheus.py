"""The whole chain for real: Debian's Prometheus scrapes a daemon of its own process and evaluates the shipped rules."""

import json
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.alerts.promtool import PROMETHEUS, RULES, load_expressions
from tests.cli.commands.test_run import write_paused_config
from tests.cli.processes import TIMEOUT_SECONDS, running_command, wait_for_output
from tests.ports import reserved_port

pytestmark = [
    pytest.mark.real("needs Prometheus"),
    pytest.mark.skipif(
        shutil.which("prometheus") is None, reason="no prometheus: install Debian's package `prometheus`"
    ),
]


def test_a_real_prometheus_scrapes_a_real_daemon_and_its_rules_say_that_all_is_well(tmp_path: Path) -> None:
    output = tmp_path / "log"
    with running_command("run", "--config", str(write_paused_config(tmp_path)), output=output) as daemon:
        log_output = wait_for_output('"daemon_ready"', output, daemon)
        (ready,) = [json.loads(line) for line in log_output.splitlines() if '"daemon_ready"' in line]
        with prometheus(tmp_path, ready["listen"]) as address:
            targets = wait_for_api(
                address, "targets", lambda found: [each for each in found["activeTargets"] if each["health"] == "up"]
            )
            assert targets["activeTargets"][0]["lastError"] == ""
            rules = wait_for_api(
                address, "rules", lambda found: {each["health"] for each in list_rules(found)} == {"ok"}
            )
            assert len(list_rules(rules)) == len(load_expressions())
            alerts = wait_for_api(address, "alerts", lambda found: found["alerts"])["alerts"]
            assert {each["labels"]["alertname"] for each in alerts if each["state"] == "firing"} == {"OddaemonWatchdog"}


def list_rules(found: Any) -> list[dict[str, Any]]:
    """All rules of an answer about rules."""
    return [rule for group in found["groups"] for rule in group["rules"]]


@contextmanager
def prometheus(directory: Path, target: str) -> Iterator[str]:
    """One with the shipped configuration, but that it looks more often, and at this target."""
    config = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text())
    config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    config["rule_files"] = [str(RULES)]
    config["scrape_configs"][0]["static_configs"][0]["targets"] = [target]
    path = directory / "prometheus.yml"
    path.write_text(yaml.safe_dump(config))
    command = ["prometheus", f"--config.file={path}", f"--storage.tsdb.path={directory / 'tsdb'}"]
    with reserved_port() as port, (directory / "prometheus.log").open("wb") as log:
        address = f"127.0.0.1:{port}"
        process = subprocess.Popen([*command, f"--web.listen-address={address}"], stdout=log, stderr=log)
        try:
            yield address
        finally:
            process.kill()
            process.wait()


def wait_for_api(address: str, what: str, reached: Any) -> Any:
    """What it answers about this, once that holds."""
    deadline, found = time.monotonic() + TIMEOUT_SECONDS, None
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"http://{address}/api/v1/{what}", timeout=10) as answer:
                found = json.load(answer)["data"]
            if reached(found):
                return found
        except (urllib.error.URLError, ConnectionError):
            pass  # it starts
        time.sleep(0.05)  # another process: there is nothing to wait on
    raise AssertionError(f"not reached: {found}")
