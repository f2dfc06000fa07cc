"""Descriptors that run out during the start."""

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize("limit", [6, pytest.param(8, marks=pytest.mark.slow("waits for real time-outs")), 14])
def test_descriptors_that_run_out_during_the_start_end_it_in_words(tmp_path: Path, limit: int) -> None:
    config = tmp_path / "oddaemon.toml"
    config.write_text(
        f'[api]\ndeveloper_key = "k"\n[state]\ndatabase = "{tmp_path}/oddaemon.db"\n[http]\nlisten = "127.0.0.1:0"\n'
    )
    config.chmod(0o600)
    ended = subprocess.run(
        ["timeout", "8", sys.executable, "-m", "oddaemon", "run", "--config", str(config)],
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit)),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    # With a few more it may do, and runs until it is stopped.
    assert ended.returncode in (1, 124), ended
    assert "Traceback" not in ended.stderr, ended.stderr[-1500:]
