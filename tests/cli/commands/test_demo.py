import signal
from pathlib import Path

import pytest

from tests.cli.processes import TIMEOUT_SECONDS, running_command, wait_for_output
from tests.cli.sample_fleet import invoke


def find_processes(directory: Path) -> list[str]:
    """The command lines of this machine that name the directory."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
        if f"{directory}/" in line:
            found.append(line)
    return found


@pytest.mark.real("starts the demo with its processes")
def test_an_interrupted_night_leaves_no_process_and_says_where_its_logs_are(tmp_path: Path) -> None:
    night, output = tmp_path / "night", tmp_path / "said"
    with running_command("demo", "--keep", str(night), output=output) as process:
        wait_for_output("The daemon starts.", output, process)
        assert len(find_processes(night)) >= 1
        process.send_signal(signal.SIGTERM)
        assert process.wait(TIMEOUT_SECONDS) == 1

    assert find_processes(night) == []
    assert f"Logs and database: {night}\n" in output.read_text()


def test_a_directory_that_is_in_use_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "letter").write_text("mine")
    result = invoke("demo", "--keep", str(tmp_path))

    assert result.exit_code == 1
    assert "is not empty" in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["letter"]
