"""Proxies are named in the configuration, checked there, and their credentials are secrets."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from oddaemon.engine.delivery.sink_factory import create_sink
from oddaemon.settings import LoadResult, Settings, try_load
from oddaemon.settings.files.secret_sources import find_secrets
from oddaemon.settings.load import render_redacted_files
from oddaemon.settings.model import keep_restart_tables
from oddaemon.settings.tables.sink import SINK_TABLES
from oddaemon.settings.values.url import validate_proxy_url
from oddaemon.sinks.webhook import Webhook

PROXY = "http://daemon:planted-password@proxy.example.com:3128"
SINK = f"""
[[sink]]
name = "ledger"
kind = "webhook"
url = "https://ledger.example.com/balances"
secret = "whsec_{"eHh4" * 8}"
"""


def load_text(directory: Path, text: str) -> LoadResult:
    path = directory / "oddaemon.toml"
    path.write_text(text)
    path.chmod(0o600)
    return try_load(path, {"D": "Qm7xT2kLp9RvWc4Z", "P": PROXY})


def load_good(directory: Path, api: str = "", alerts: str = "", sink: str = "") -> Settings:
    text = f'[api]\ndeveloper_key_env = "D"\n{api}\n[alerts]\n{alerts}\n{SINK}{sink}'
    loaded = load_text(directory, text)
    assert loaded.settings is not None, loaded.problems
    return loaded.settings


@pytest.mark.parametrize("written", [f'proxy_url = "{PROXY}"', 'proxy_url_env = "P"'])
def test_each_way_out_has_a_proxy_of_its_own_which_is_a_secret(tmp_path: Path, written: str) -> None:
    direct = load_good(tmp_path)
    for place in ("api", "alerts", "sink"):
        settings = load_good(tmp_path, **{place: written})
        found = [each.proxy_url for each in (settings.api, settings.alerts, settings.sinks[0])]  # type: ignore[union-attr]
        assert [each is not None for each in found] == [place == each for each in ("api", "alerts", "sink")]
        assert PROXY in [secret.reveal() for secret in find_secrets(settings)]
        assert "planted-password" not in repr(settings)
        (_, shown), *_ = render_redacted_files(tmp_path / "oddaemon.toml", lambda text: text)
        assert "planted-password" not in shown
        assert settings != direct


def test_the_proxy_to_headquarters_changes_at_a_start(tmp_path: Path) -> None:
    before, after = load_good(tmp_path), load_good(tmp_path, 'proxy_url_env = "P"')
    assert keep_restart_tables(before, after).api.proxy_url is None


def test_a_webhook_is_made_with_its_proxy(tmp_path: Path) -> None:
    (sink,) = load_good(tmp_path, sink='proxy_url_env = "P"').sinks
    made = create_sink(sink, lambda: datetime.now(UTC))
    assert isinstance(made, Webhook)
    assert made._options.proxy is not None
    assert made._options.proxy.address == "proxy.example.com:3128"
    assert "planted" not in repr(made._options)


@pytest.mark.parametrize(
    "url", ["http://10.1.2.3:3128", "https://proxy.example.com", "http://user:p%40ss@[::1]:8080/", "http://proxy:3128"]
)
def test_these_are_proxies(url: str) -> None:
    validate_proxy_url(url)


@pytest.mark.parametrize("kind", sorted(SINK_TABLES.keys() - {"webhook"}))
def test_a_sink_that_uses_no_http_refuses_a_proxy(tmp_path: Path, kind: str) -> None:
    text = f'[api]\ndeveloper_key_env = "D"\n[[sink]]\nname = "x"\nkind = {json.dumps(kind)}\nproxy_url = "{PROXY}"\n'
    problems = load_text(tmp_path, text).problems
    assert [each.message for each in problems if "proxy_url" in str(each)] == ["is a key of sinks of kind `webhook`"]
