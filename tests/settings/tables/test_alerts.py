"""The URL of the sign of life is kept like a key."""

from pathlib import Path

import pytest

from oddaemon.settings import Settings, load, try_load
from oddaemon.settings.values.url import validate_ping_url
from tests.golden import GoldenTexts

URL = "https://ping.example/c0ffee-secret?status=up"


def load_settings(directory: Path, alerts: str, **environment: str) -> Settings:
    path = directory / "oddaemon.toml"
    path.write_text(f'[api]\ndeveloper_key_env = "D"\n{alerts}\n')
    path.chmod(0o600)
    return load(path, {"D": "Qm7xT2kLp9RvWc4Z", **environment})


def test_no_ping_is_sent_by_default(tmp_path: Path) -> None:
    assert load_settings(tmp_path, "").alerts.ping_url is None


@pytest.mark.parametrize("source", ["ping_url", "ping_url_env", "ping_url_file"])
def test_it_may_be_written_in_three_ways_and_shows_in_none(tmp_path: Path, source: str) -> None:
    secret = tmp_path / "ping.url"
    secret.write_text(f"{URL}\n")
    secret.chmod(0o600)
    value = {"ping_url": URL, "ping_url_env": "P", "ping_url_file": "ping.url"}[source]
    found = load_settings(tmp_path, f'[alerts]\n{source} = "{value}"', P=URL)
    assert found.alerts.ping_url is not None
    assert found.alerts.ping_url.reveal() == URL
    assert "c0ffee" not in repr(found)


def test_a_file_that_others_may_read_is_refused(tmp_path: Path, golden: GoldenTexts) -> None:
    secret = tmp_path / "ping.url"
    secret.write_text(URL)
    secret.chmod(0o644)
    (tmp_path / "oddaemon.toml").write_text('[api]\ndeveloper_key_env = "D"\n[alerts]\nping_url_file = "ping.url"\n')
    loaded = try_load(tmp_path / "oddaemon.toml", {"D": "Qm7xT2kLp9RvWc4Z"})
    golden.check([problem.message for problem in loaded.problems])
    assert secret in loaded.files


@pytest.mark.parametrize(
    "url", [URL, "https://[2001:db8::1]:8443/x", "http://127.0.0.1:8000/ping", "http://localhost/"]
)
def test_these_are_urls_to_ping(url: str) -> None:
    validate_ping_url(url)
