from pathlib import Path

import pytest

from oddaemon.settings import Loaded, read

KEY = "Hb3nY8sVd5FqXg1J"


def configure(directory: Path, source: str, environment: dict[str, str] | None = None) -> Loaded:
    path = directory / "oddaemon.toml"
    path.write_text(f'[api]\ndeveloper_key_env = "DEVELOPER"\n[[office]]\nid = "smile"\n{source}\n')
    path.chmod(0o600)
    return read(path, {"DEVELOPER": "Qm7xT2kLp9RvWc4Z", **(environment or {})})


def key_file(directory: Path, content: bytes, mode: int = 0o600) -> Path:
    path = directory / "smile.key"
    path.write_bytes(content)
    path.chmod(mode)
    return path


def key_of(loaded: Loaded) -> str:
    assert loaded.settings is not None, loaded.problems
    return loaded.settings.offices[0].customer_key.reveal()


def only_message(loaded: Loaded) -> str:
    (problem,) = loaded.problems
    assert problem.where == 'office[0] "smile".customer_key_file'
    assert problem.value == '"smile.key"'
    assert KEY not in str(problem)
    return problem.message


@pytest.mark.parametrize("content", [b"%s", b"%s\n", b"%s\r\n"])
def test_a_file_holds_a_key_and_perhaps_one_newline(tmp_path: Path, content: bytes) -> None:
    key_file(tmp_path, content % KEY.encode())
    assert key_of(configure(tmp_path, 'customer_key_file = "smile.key"')) == KEY


def test_the_environment_holds_a_key(tmp_path: Path) -> None:
    loaded = configure(tmp_path, 'customer_key_env = "SMILE"', {"SMILE": KEY})
    assert key_of(loaded) == KEY
    assert loaded.warnings == ()


def test_the_configuration_itself_holds_a_key(tmp_path: Path) -> None:
    loaded = configure(tmp_path, f'customer_key = "{KEY}"')
    assert key_of(loaded) == KEY
    assert loaded.warnings == ()


def test_an_absolute_path_is_taken_as_it_is(tmp_path: Path) -> None:
    path = key_file(tmp_path, KEY.encode())
    (tmp_path / "elsewhere").mkdir()
    assert key_of(configure(tmp_path / "elsewhere", f'customer_key_file = "{path}"')) == KEY


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the key is empty"),
        (b"\n", "the key is empty"),
        (KEY.encode() + b"\n\n", "the key contains white space"),
        (b" " + KEY.encode(), "the key contains white space"),
        (b"Qm7xT2kLp9RvWc4Z/" + KEY.encode(), "the key contains a slash"),
        ("“key”".encode(), "holds characters that no key has"),
        (b"\xff\xfeK\x00", "holds characters that no key has"),
        (b"\x00" * 16, "the key contains characters that no key has"),
        (b"k" * 5000, "too big for a key (5000 bytes)"),
        (b"k" * 300, "the key is longer than 256 characters"),
    ],
)
def test_what_is_no_key_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    key_file(tmp_path, content)
    assert only_message(configure(tmp_path, 'customer_key_file = "smile.key"')) == message


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660, 0o610])
def test_a_file_open_to_others_is_refused_with_the_command_that_mends_it(tmp_path: Path, mode: int) -> None:
    path = key_file(tmp_path, KEY.encode(), mode)
    loaded = configure(tmp_path, 'customer_key_file = "smile.key"')
    assert only_message(loaded) == f"other users may read it (mode {mode:04o})"
    assert loaded.problems[0].hint == f"chmod 600 {path}"


def test_systemd_guards_its_credentials_in_its_own_way(tmp_path: Path) -> None:
    key_file(tmp_path, KEY.encode(), 0o440)
    loaded = configure(tmp_path, 'customer_key_file = "smile.key"', {"CREDENTIALS_DIRECTORY": str(tmp_path)})
    assert key_of(loaded) == KEY


def test_a_device_is_not_waited_for(tmp_path: Path) -> None:
    loaded = configure(tmp_path, 'customer_key_file = "/dev/zero"')
    assert [problem.message for problem in loaded.problems] == ["is not a regular file"]


def test_inline_keys_in_an_open_file_are_warned_about_once(tmp_path: Path) -> None:
    path = tmp_path / "oddaemon.toml"
    path.write_text(f'[api]\ndeveloper_key = "Qm7xT2kLp9RvWc4Z"\n[[office]]\nid = "smile"\ncustomer_key = "{KEY}"\n')
    path.chmod(0o644)
    loaded = read(path, {})
    assert key_of(loaded) == KEY
    (warning,) = loaded.warnings
    assert str(warning) == (
        f"{path}:2: api.developer_key: 2 keys stand in a file that other users may read; "
        f"chmod 600 {path}, or keep each key in a file of its own"
    )
