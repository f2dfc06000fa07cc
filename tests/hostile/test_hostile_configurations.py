"""Configurations made to exhaust time or memory, or to forge a line of the log."""

import os
import resource
import time
from pathlib import Path

import pytest

from oddaemon.settings import LoadResult, try_load
from tests.golden import GoldenTexts

SIZE = 400_000
SECONDS_MAX = 10.0
"""CPU time; what is due to the square of its size took minutes."""
API = '[api]\ndeveloper_key_env = "D"\n'
OFFICE = '[[office]]\nid = "a"\ncustomer_key_env = "C"\n'
KEYS = {"D": "Qm7xT2kLp9RvWc4Z", "C": "Hb3nY8sVd5FqXg1J"}
LONG = {
    "offices of nothing": "[[office]]\n" * (SIZE // 11),
    "offices all alike": '[[office]]\nid = "o"\ncustomer_key_env = "C"\n' * (SIZE // 45),
    "offices in unknown zones": "".join(
        f'[[office]]\nid = "o{n}"\ntimezone = "Amerika/{n}"\n' for n in range(SIZE // 45)
    ),
    "unknown keys": API + "".join(f"k{number} = 1\n" for number in range(SIZE // 12)),
    "clinics all alike": f"{OFFICE}clinics = [{'1, ' * (SIZE // 3)}]\n",
    "clinics": f"{OFFICE}clinics = [{', '.join(map(str, range(SIZE // 8)))}]\n",
    "a dotted key": f"{'a.' * (SIZE // 2)}a = 1\n",
    "a dotted table": f"[{'a.' * (SIZE // 2)}a]\n",
    "a dotted key in a table": f"a = {{{'a.' * (SIZE // 2)}a = 1}}\n",
    "a spaced quoted dotted key": '"a" . ' * (SIZE // 6) + "a = 1\n",
    "many dotted keys": f"{'a.' * 16}a = 1\n" * (SIZE // 38),
    "brackets": "a = " + "[" * SIZE,
    "braces": "a = " + "{a = " * (SIZE // 5),
    "hosts": API + "[http]\nallowed_hosts = [" + '"*", ' * (SIZE // 5) + "]\n",
    "a cron": API + '[maintenance]\nwal_checkpoint = "' + "1," * (SIZE // 2) + '1 * * * *"\n',
    "a zone": OFFICE + 'timezone = "' + "x/" * (SIZE // 2) + '"\n',
    "a word": "x" * SIZE,
    "digits": "a = " + "1" * SIZE,
    "labels": f"{OFFICE}[office.labels]\n" + "".join(f'l{number} = "x"\n' for number in range(SIZE // 12)),
}


def read_from(directory: Path, text: str) -> LoadResult:
    path = directory / "oddaemon.toml"
    path.write_text(text)
    path.chmod(0o600)
    return try_load(path, KEYS)


@pytest.mark.parametrize("text", LONG.values(), ids=LONG)
def test_no_file_takes_the_square_of_its_size(tmp_path: Path, text: str) -> None:
    started, before = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    loaded = read_from(tmp_path, text)
    assert time.process_time() - started < SECONDS_MAX
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300_000
    assert len(loaded.problems) <= 1010
    assert all(len(str(problem)) < 1000 for problem in (*loaded.problems, *loaded.warnings))


def test_a_million_offices_are_a_file_too_large(tmp_path: Path, golden: GoldenTexts) -> None:
    loaded = read_from(tmp_path, OFFICE * 1_000_000)
    golden.check([problem.message for problem in loaded.problems])


def test_files_that_hold_too_much_together_are_not_all_read(tmp_path: Path, golden: GoldenTexts) -> None:
    (tmp_path / "o").mkdir()
    for number in range(6):
        (tmp_path / "o" / f"{number}.toml").write_text("#" * 2_000_000)
    loaded = read_from(tmp_path, f'{API}[offices]\ndirectory = "o"\n')
    golden.check([(problem.file.name, problem.message) for problem in loaded.problems])


def test_a_key_of_any_length_is_shown_in_short(tmp_path: Path) -> None:
    (problem,) = read_from(tmp_path, f"{'x' * 100_000} = 1\n{API}").problems
    assert problem.key == "x" * 60 + "…"


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("a.toml", "Too many levels of symbolic links"),
        ("nowhere", None),
        ("/dev/zero", "not a regular file"),
        (".", "Is a directory"),
    ],
)
def test_an_office_file_that_leads_elsewhere_is_a_problem(tmp_path: Path, target: str, message: str | None) -> None:
    (tmp_path / "o").mkdir()
    (tmp_path / "o/a.toml").symlink_to(target)
    (problem,) = read_from(tmp_path, f'{API}[offices]\ndirectory = "o"\n').problems
    assert problem.message == ("no such file" if message is None else f"cannot be read: {message}")


def test_pipes_do_not_block_the_reading(tmp_path: Path) -> None:
    (tmp_path / "o").mkdir()
    os.mkfifo(tmp_path / "o/a.toml")
    os.mkfifo(tmp_path / "key", 0o600)
    loaded = read_from(
        tmp_path, '[api]\ndeveloper_key_file = "key"\n[offices]\ndirectory = "o"\n[[office]]\nid = "a"\n'
    )
    assert {"is not a regular file", "cannot be read: not a regular file"} <= {each.message for each in loaded.problems}


def test_an_endless_file_is_read_to_its_limit(tmp_path: Path) -> None:
    """Files of /proc say that they are empty."""
    (tmp_path / "o").mkdir()
    (tmp_path / "o/a.toml").symlink_to("/proc/kallsyms")
    (problem,) = read_from(tmp_path, f'{API}[offices]\ndirectory = "o"\n').problems
    assert problem.message.startswith(("cannot be read", "not valid TOML"))


def test_the_name_of_a_file_cannot_forge_a_line(tmp_path: Path) -> None:
    (tmp_path / "o").mkdir()
    (tmp_path / "o" / "a\nAll is well.\x1b[2J.toml").write_text("x")
    (tmp_path / "o" / os.fsdecode(b"\xff\xfe.toml")).write_text("x")
    texts = [str(problem) for problem in read_from(tmp_path, f'{API}[offices]\ndirectory = "o"\n').problems]
    assert len(texts) == 2
    for text in texts:
        assert text.isprintable()
        text.encode()


def test_ordinary_names_are_shown_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "Büro ﬁles").mkdir()
    (problem,) = read_from(tmp_path / "Büro ﬁles", f"{API}x y").problems
    assert str(problem).startswith(f"{tmp_path}/Büro ﬁles/oddaemon.toml:3: ")
