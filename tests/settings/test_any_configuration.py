"""Whatever is done to a configuration, the outcome is settings or problems, and no key is ever shown."""

import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from oddaemon.settings import BadConfiguration, load, try_load
from oddaemon.settings.tables.office import OFFICE_FIELDS

DEVELOPER_KEY = "Qm7xT2kLp9RvWc4Z"
CUSTOMER_KEYS = ("Hb3nY8sVd5FqXg1J", "Zk4wN6tBc8MrHj2P")
MAIN = f"""\
[api]
base_url = "https://api.opendental.com/api/v1"
max_in_flight = 8
max_requests_per_second = 4.5
developer_key = "{DEVELOPER_KEY}"
[state]
database = "od.db"
retain_days = 30
[http]
listen = "127.0.0.1:0"
[offices]
directory = "offices.d"
[cadence]
probe_seconds = 1.5
[log]
format = "json"
[maintenance]
wal_checkpoint = "15 3 * * 1-5"
[alerts]
ping_url = "https://ping.example/c0ffee"
"""
OFFICES = f"""\
[[office]]
id = "smile"
name = "Smile"
timezone = "America/Denver"
tier = "enterprise"
clinics = [1, 2]
fresh_by = "06:30"
enabled = true
customer_key = "{CUSTOMER_KEYS[0]}"
[office.labels]
region = "west"
[[office]]
id = "grin"
base_url = "http://10.0.0.7:30223/api/v1"
min_interval_seconds = 0.5
reader = "pages"
customer_key = "{CUSTOMER_KEYS[1]}"
"""
INSERTS = st.one_of(
    st.text(max_size=6),
    st.sampled_from(
        ["[", "]", '"', "=", "\n", "\\u0000", "-", "0x" + "f" * 5000, "1" * 5000, "inf", "nan", "1979-05-27"]
    ),
    st.sampled_from(sorted(OFFICE_FIELDS)),
    st.sampled_from(
        ["[[office]]\n", "[offices]\n", "[[offices]]\n", "[office]\n", "[api]\n", "[[sink]]\n", "~/", "../"]
    ),
)


@st.composite
def edited_text(draw: st.DrawFn, text: str) -> str:
    """`text` after some edits as hands make them: cut, typed into, lines moved, lines doubled."""
    for _ in range(draw(st.integers(0, 3))):
        start = draw(st.integers(0, len(text)))
        end = min(len(text), start + draw(st.integers(0, 40)))
        lines = text.splitlines(keepends=True)
        match draw(st.sampled_from(["replace", "double", "move"])):
            case "replace":
                text = text[:start] + draw(INSERTS) + text[end:]
            case "double":
                text = text[:end] + text[start:end] + text[end:]
            case _ if lines:
                line = lines.pop(draw(st.integers(0, len(lines) - 1)))
                lines.insert(draw(st.integers(0, len(lines))), line)
                text = "".join(lines)
    return text


@given(edited_text(MAIN), edited_text(OFFICES), st.sampled_from([0o600, 0o644]))
def test_any_edit_gives_settings_or_problems_and_shows_no_key(main: str, offices: str, mode: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "oddaemon.toml"
        (path.parent / "offices.d").mkdir()
        for file, text in ((path, main), (path.parent / "offices.d/a.toml", offices)):
            file.write_bytes(text.encode("utf-8", "surrogateescape"))
            file.chmod(mode)
        loaded = try_load(path, {})
        assert (loaded.settings is None) == bool(loaded.problems)
        shown = [repr(loaded), *map(str, loaded.problems), *map(str, loaded.warnings)]
        try:
            shown.append(str(load(path, {})))
        except BadConfiguration as error:
            shown.extend([str(error), repr(error)])
    for key in (DEVELOPER_KEY, *CUSTOMER_KEYS):
        assert not any(key in text for text in shown)
    assert all("\n" not in str(problem) for problem in loaded.problems)


def test_the_configuration_that_is_edited_is_valid(tmp_path: Path) -> None:
    (tmp_path / "offices.d").mkdir()
    (tmp_path / "oddaemon.toml").write_text(MAIN)
    (tmp_path / "offices.d/a.toml").write_text(OFFICES)
    assert len(load(tmp_path / "oddaemon.toml", {}).offices) == 2
