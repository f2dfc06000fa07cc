"""Bad configurations, each with the exact lines that its author gets to read.

A case is a file beside this one: TOML, then `#! ` lines with what must be said about it. `#: NAME` begins a
further file of the case, so that one file can hold `offices.d/a.toml` too. The lines are at the end of a
case, so that their line numbers are those of the file.
"""

import stat
from pathlib import Path

import pytest

from oddaemon.settings import try_load

CASES = sorted((Path(__file__).parent / "invalid").glob("*.toml"))
ENVIRONMENT = {
    "GOOD": "Qm7xT2kLp9RvWc4Z",
    "OTHER": "Jt6mB3yCf8XhNw5R",
    "EMPTY": "",
    "DATABASE_PATH": "/var/lib/oddaemon.db",
    "SPACED": "Qm7xT2 kLp9RvWc4Z",
    "QUOTED": "“Qm7xT2kLp9RvWc4Z”",
}
"""What the cases find in the environment."""


def write_case_files(case: Path, directory: Path) -> list[str]:
    """Writes the files of a case to `directory` and returns the lines that are expected."""
    expected: list[str] = []
    name, written = "oddaemon.toml", list[str]()
    files = {name: written}
    for line in case.read_text().splitlines():
        if line.startswith("#! "):
            expected.append(line.removeprefix("#! "))
        elif line.startswith("#: "):
            name = line.removeprefix("#: ")
            files[name] = written = []
        else:
            written.append(line)
    for name, lines in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(lines) + "\n")
        path.chmod(stat.S_IRUSR | stat.S_IWUSR)
    return expected


def test_there_are_enough_of_them() -> None:
    assert len(CASES) >= 30


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
def test_every_problem_is_named_exactly(case: Path, tmp_path: Path) -> None:
    expected = write_case_files(case, tmp_path)
    loaded = try_load(tmp_path / "oddaemon.toml", ENVIRONMENT)
    assert [str(problem).replace(f"{tmp_path}/", "") for problem in loaded.problems] == expected
    assert loaded.settings is None
