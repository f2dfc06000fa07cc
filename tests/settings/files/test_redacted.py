"""A configuration can be shown to others: what could be a secret is only said to be there."""

import tomllib
from pathlib import Path

import pytest

from oddaemon.settings import Secret, load, render_redacted_files, try_load
from oddaemon.settings.files.redacted import HIDDEN
from oddaemon.settings.files.secret_sources import find_secrets

KEYS = ("Qm7xT2kLp9RvWc4Z", "Hb3nY8sVd5FqXg1J", "Zk4wN6tBc8MrHj2P", "Wd9pX5hTz3KqLs7V", "hunter2/p@ss")
A, B, C, D, PASSWORD = KEYS

CANARY = f"""
# The old key was {A}
[api]
developer_key = "{A}"            # {A}
base_url = "https://user:{PASSWORD}@api.example.com/api/v1?token={B}"

[state]
database = "state.db"

[offices]
directory = "offices.d"

[colour]
shade = "{C}"
strength = 12345678
nested = {{ password = "{PASSWORD}", list = ["{B}"] }}

["{D}"]
x = 1

[[sink]]
name = "warehouse"
secret = "whsec_{C}"
dsn = "postgresql://u:{PASSWORD}@db/x"
secret_file = "keys/hook"
command = ["/usr/bin/send", "--token", "{C}"]
headers = {{ Authorization = "Bearer {C}" }}

[[office]]
id = "elm"
name = "Elm [Family] \\"Dental\\""
customer_key = "{B}"
clinics = [1, 2]
fresh_by = "07:00"
[office.labels]
group = "coast"
note = "key {C}"
api_token = "swordfish"

[[office]]
id = "oak"
customer_key_env = "{D}"
customer_key_file = "keys/oak"
enabled = false
opened = 2026-03-08
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "oddaemon.toml"
    path.write_text(CANARY)
    (tmp_path / "offices.d").mkdir()
    (tmp_path / "offices.d" / "ash.toml").write_text(f'[[office]]\nid = "ash"\ncustomer_key = "{C}"\ntier = 7\n')
    (tmp_path / "offices.d" / "broken.toml").write_text(f'[[office]]\ncustomer_key = "{C}\n')
    return path


def test_no_secret_of_any_kind_is_shown_and_what_is_harmless_is(config: Path) -> None:
    files = render_redacted_files(config, str)
    text = "\n".join(text for _, text in files)

    assert [path.name for path, _ in files] == ["oddaemon.toml", "ash.toml"]
    assert [secret for secret in (*KEYS, "hunter2", "p@ss", "swordfish", "Bearer", "12345678") if secret in text] == []
    main = tomllib.loads(files[0][1])
    assert main["api"] == {"developer_key": HIDDEN, "base_url": "https://api.example.com/api/v1"}
    assert main["state"] == {"database": "state.db"}
    assert main["office"][0]["name"] == 'Elm [Family] "Dental"'
    assert (main["office"][0]["customer_key"], main["office"][0]["clinics"]) == (HIDDEN, [1, 2])
    assert main["office"][0]["labels"] == {"group": HIDDEN, "note": HIDDEN, "api_token": HIDDEN}
    assert (main["office"][1]["customer_key_env"], main["office"][1]["customer_key_file"]) == (HIDDEN, "keys/oak")
    assert main["colour"]["strength"] == HIDDEN
    assert tomllib.loads(files[1][1])["office"] == [{"id": "ash", "customer_key": HIDDEN, "tier": 7}]


def test_what_cannot_be_read_is_not_shown(tmp_path: Path) -> None:
    (tmp_path / "oddaemon.toml").write_text(f'[api]\ndeveloper_key = "{A}\n')
    assert render_redacted_files(tmp_path / "oddaemon.toml", str) == []
    assert render_redacted_files(tmp_path / "nowhere.toml", str) == []


def test_every_secret_of_settings_is_found(tmp_path: Path) -> None:
    path = tmp_path / "oddaemon.toml"
    path.write_text(f'[api]\ndeveloper_key = "{A}"\n[[office]]\nid = "elm"\ncustomer_key = "{B}"\n')
    path.chmod(0o600)
    assert {secret.reveal() for secret in find_secrets(load(path))} == {A, B}
    nested = {"deep": [({"er": Secret(C)},)]}
    assert [secret.reveal() for secret in find_secrets(nested)] == [C]
    assert list(find_secrets(try_load(tmp_path / "nowhere").settings)) == []
