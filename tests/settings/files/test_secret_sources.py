import os
from pathlib import Path

import pytest

from oddaemon.settings import LoadResult, try_load
from oddaemon.settings.values.path import is_private
from tests.golden import GoldenTexts

KEY = "Hb3nY8sVd5FqXg1J"


def load_config(directory: Path, source: str, environment: dict[str, str] | None = None) -> LoadResult:
    path = directory / "oddaemon.toml"
    path.write_text(f'[api]\ndeveloper_key_env = "DEVELOPER"\n[[office]]\nid = "smile"\n{source}\n')
    path.chmod(0o600)
    return try_load(path, {"DEVELOPER": "Qm7xT2kLp9RvWc4Z", **(environment or {})})


def write_key_file(directory: Path, content: bytes, mode: int = 0o600) -> Path:
    path = directory / "smile.key"
    path.write_bytes(content)
    path.chmod(mode)
    return path


def get_key(loaded: LoadResult) -> str:
    assert loaded.settings is not None, loaded.problems
    return next(iter(loaded.settings.offices.values())).credentials.customer_key.reveal()


def get_only_message(loaded: LoadResult) -> str:
    (problem,) = loaded.problems
    assert problem.key == 'office[0] "smile".customer_key_file'
    assert problem.value == '"smile.key"'
    assert KEY not in str(problem)
    return problem.message


@pytest.mark.parametrize("content", [b"%s", b"%s\n", b"%s\r\n"])
def test_a_file_holds_a_key_and_perhaps_one_newline(tmp_path: Path, content: bytes) -> None:
    write_key_file(tmp_path, content % KEY.encode())
    assert get_key(load_config(tmp_path, 'customer_key_file = "smile.key"')) == KEY


def test_the_environment_holds_a_key(tmp_path: Path) -> None:
    loaded = load_config(tmp_path, 'customer_key_env = "SMILE"', {"SMILE": KEY})
    assert get_key(loaded) == KEY
    assert loaded.warnings == ()


def test_the_configuration_itself_holds_a_key(tmp_path: Path) -> None:
    loaded = load_config(tmp_path, f'customer_key = "{KEY}"')
    assert get_key(loaded) == KEY
    assert loaded.warnings == ()


def test_an_absolute_path_is_taken_as_it_is(tmp_path: Path) -> None:
    path = write_key_file(tmp_path, KEY.encode())
    (tmp_path / "elsewhere").mkdir()
    assert get_key(load_config(tmp_path / "elsewhere", f'customer_key_file = "{path}"')) == KEY


INVALID_KEYS = [
    b"",
    b"\n",
    KEY.encode() + b"\n\n",
    b" " + KEY.encode(),
    b"Qm7xT2kLp9RvWc4Z/" + KEY.encode(),
    "“key”".encode(),
    b"\xff\xfeK\x00",
    b"\x00" * 16,
    b"k" * 5000,
    b"k" * 300,
]


def test_what_is_no_key_is_refused(tmp_path: Path, golden: GoldenTexts) -> None:
    found = []
    for content in INVALID_KEYS:
        write_key_file(tmp_path, content)
        message = get_only_message(load_config(tmp_path, 'customer_key_file = "smile.key"'))
        found.append(f"{content[:40]!r}: {message}")
    golden.check(found)


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660, 0o610])
def test_a_file_open_to_others_is_refused_with_the_command_that_mends_it(tmp_path: Path, mode: int) -> None:
    path = write_key_file(tmp_path, KEY.encode(), mode)
    loaded = load_config(tmp_path, 'customer_key_file = "smile.key"')
    assert f"(mode {mode:04o})" in get_only_message(loaded)
    assert loaded.problems[0].hint == f"chmod 600 {path}"


def test_the_advice_for_a_file_on_a_read_only_mount_can_be_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, golden: GoldenTexts
) -> None:
    write_key_file(tmp_path, KEY.encode(), 0o444)
    status = os.statvfs(tmp_path)
    read_only = os.statvfs_result((*status[:8], status.f_flag | os.ST_RDONLY, *status[9:]))
    monkeypatch.setattr(os, "statvfs", lambda _: read_only)
    loaded = load_config(tmp_path, 'customer_key_file = "smile.key"')
    golden.check(get_only_message(loaded))
    hint = loaded.problems[0].hint
    assert "chmod 600" not in hint
    assert all(word in hint for word in ("read-only", "Docker", "Kubernetes"))


@pytest.mark.parametrize("written", ["1.11122E+15", "1,11122E+15", "1E+15", "1.11122e15"])
def test_a_key_that_a_spreadsheet_made_a_number_is_named(tmp_path: Path, written: str) -> None:
    write_key_file(tmp_path, written.encode())
    assert "turned the key" in get_only_message(load_config(tmp_path, 'customer_key_file = "smile.key"'))


@pytest.mark.parametrize("written", ["#REF!", "#N/A", "#NAME?"])
def test_an_error_of_a_spreadsheet_is_no_key(tmp_path: Path, written: str) -> None:
    write_key_file(tmp_path, written.encode())
    message = get_only_message(load_config(tmp_path, 'customer_key_file = "smile.key"'))
    assert "error in place of the key" in message


@pytest.mark.parametrize("written", ["'1111222233334444", '="1111222233334444"', '"1111222233334444"'])
def test_a_key_with_the_marks_of_a_spreadsheet_is_refused(tmp_path: Path, written: str) -> None:
    write_key_file(tmp_path, written.encode())
    assert "a quote" in get_only_message(load_config(tmp_path, 'customer_key_file = "smile.key"'))


def test_systemd_guards_its_credentials_in_its_own_way(tmp_path: Path) -> None:
    write_key_file(tmp_path, KEY.encode(), 0o440)
    loaded = load_config(tmp_path, 'customer_key_file = "smile.key"', {"CREDENTIALS_DIRECTORY": str(tmp_path)})
    assert get_key(loaded) == KEY


def make_credentials(directory: Path, name: str, content: str = KEY) -> dict[str, str]:
    """The environment of a unit with one credential."""
    credentials = directory / "credentials"
    credentials.mkdir(exist_ok=True)
    (credentials / name).write_text(content)
    (credentials / name).chmod(0o400)
    return {"CREDENTIALS_DIRECTORY": str(credentials)}


@pytest.mark.parametrize("written", ["keys/smile.key", "../elsewhere/keys/smile.key", "/etc/nowhere/keys/smile.key"])
@pytest.mark.parametrize("credential", ["keys_smile.key", "smile.key"])
def test_a_file_that_cannot_be_reached_is_looked_for_among_systemds_credentials(
    tmp_path: Path, written: str, credential: str
) -> None:
    loaded = load_config(tmp_path, f'customer_key_file = "{written}"', make_credentials(tmp_path, credential))
    assert get_key(loaded) == KEY


def test_a_file_that_can_be_read_comes_before_its_copy(tmp_path: Path) -> None:
    write_key_file(tmp_path, KEY.encode())
    loaded = load_config(
        tmp_path, 'customer_key_file = "smile.key"', make_credentials(tmp_path, "smile.key", "an-older-key")
    )
    assert get_key(loaded) == KEY


def test_a_credential_of_a_directory_comes_before_another_of_the_same_name(tmp_path: Path) -> None:
    environment = make_credentials(tmp_path, "smile.key", "key-of-another") | make_credentials(
        tmp_path, "keys_smile.key"
    )
    assert get_key(load_config(tmp_path, 'customer_key_file = "keys/smile.key"', environment)) == KEY


def test_a_key_that_systemd_never_saw_needs_a_restart(tmp_path: Path, golden: GoldenTexts) -> None:
    loaded = load_config(tmp_path, 'customer_key_file = "keys/smile.key"', make_credentials(tmp_path, "keys_other.key"))
    (problem,) = loaded.problems
    assert problem.message == "no such file"
    golden.check(problem.hint)


def test_a_credential_that_is_no_key_is_named(tmp_path: Path, golden: GoldenTexts) -> None:
    loaded = load_config(tmp_path, 'customer_key_file = "smile.key"', make_credentials(tmp_path, "smile.key", "\n"))
    golden.check(get_only_message(loaded))
    golden.check(loaded.problems[0].hint)


@pytest.mark.parametrize(
    ("mode", "owner", "reader", "private"),
    [
        (0o600, 1000, 1000, True),
        (0o640, 1000, 1000, False),
        (0o640, 0, 0, False),
        (0o640, 0, 1000, True),
        (0o440, 0, 1000, True),
        (0o644, 0, 1000, False),
        (0o660, 0, 1000, False),
        (0o650, 0, 1000, False),
    ],
)
def test_root_may_lend_a_file_to_the_group_of_its_reader(mode: int, owner: int, reader: int, private: bool) -> None:
    status = os.stat_result((mode, 1, 1, 1, owner, 0, 16, 0, 0, 0))
    assert is_private(status, reader) is private


def test_a_device_is_not_waited_for(tmp_path: Path, golden: GoldenTexts) -> None:
    loaded = load_config(tmp_path, 'customer_key_file = "/dev/zero"')
    golden.check([problem.message for problem in loaded.problems])


def test_inline_keys_in_an_open_file_are_warned_about_once(tmp_path: Path, golden: GoldenTexts) -> None:
    path = tmp_path / "oddaemon.toml"
    path.write_text(f'[api]\ndeveloper_key = "Qm7xT2kLp9RvWc4Z"\n[[office]]\nid = "smile"\ncustomer_key = "{KEY}"\n')
    path.chmod(0o644)
    loaded = try_load(path, {})
    assert get_key(loaded) == KEY
    (warning,) = loaded.warnings
    golden.check(str(warning))
