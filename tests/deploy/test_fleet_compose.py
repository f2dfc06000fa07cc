"""The daemons and the PostgreSQL of `deploy/compose.fleet.yaml` may do little, and nothing is missing."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from oddaemon.settings import Settings, try_load

DEPLOY = Path(__file__).parents[2] / "deploy"
TEXT = (DEPLOY / "compose.fleet.yaml").read_text(encoding="utf-8")
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
DAEMONS = ("a", "b")
PASSWORD = "planted-password"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """The daemons' configuration, its secrets at another place."""
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    url = f"postgresql://oddaemon:{PASSWORD}@/oddaemon?host=/run/postgresql"
    for name, value in (("developer_key", "Qm7xT2kLp9RvWc4Z"), ("database_url", url)):
        (secrets / name).write_text(value)
        (secrets / name).chmod(0o400)
    shutil.copytree(DEPLOY / "container" / "etc", tmp_path / "etc")
    main = tmp_path / "etc" / "fleet.toml"
    main.write_text(main.read_text().replace("/run/secrets", str(secrets)))
    loaded = try_load(main, {})
    assert loaded.problems == ()
    assert loaded.settings is not None
    return loaded.settings


def list_mounts(name: str) -> dict[str, str]:
    return {volume.split(":")[1]: volume.split(":")[0] for volume in SERVICES[name]["volumes"]}


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_may_do_as_little_as_possible(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not service.keys() & {"privileged", "cap_add", "devices", "pid"}
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ()))
    assert ":" in service["image"].rpartition("/")[2]
    assert not service["image"].endswith(":latest")


@pytest.mark.parametrize("name", SERVICES)
def test_whatever_a_service_names_is_there(name: str) -> None:
    service = SERVICES[name]
    for target, source in list_mounts(name).items():
        assert target.startswith("/")
        assert (DEPLOY / source).exists() if source.startswith(".") else source in COMPOSE["volumes"]
    assert set(service["secrets"]) <= COMPOSE["secrets"].keys()
    assert set(service.get("networks", ())) <= COMPOSE["networks"].keys()
    assert set(service.get("depends_on", ())) <= SERVICES.keys()


def test_each_secret_is_used_and_its_making_described() -> None:
    assert COMPOSE["secrets"].keys() == {each for service in SERVICES.values() for each in service["secrets"]}
    described = (DEPLOY / "container" / "secrets" / "README").read_text(encoding="utf-8")
    for secret in COMPOSE["secrets"].values():
        name = Path(secret["file"]).name
        assert name in described
        assert name in TEXT.partition("name: oddaemon")[0]


def test_the_balances_are_in_one_volume_of_the_server() -> None:
    assert [name for name in SERVICES if "balances" in list_mounts(name).values()] == ["postgresql"]
    assert SERVICES["postgresql"]["network_mode"] == "none"


def test_the_two_daemons_differ_in_their_name_and_port_alone() -> None:
    a, b = ({key: SERVICES[name][key] for key in SERVICES[name]} for name in DAEMONS)
    assert {key for key in a if a[key] != b[key]} == {"hostname", "ports"}
    assert [SERVICES[name]["hostname"] for name in DAEMONS] == list(DAEMONS)


def test_the_configuration_has_the_database_on_the_shared_socket_and_shows_no_password(settings: Settings) -> None:
    assert settings.state.is_postgresql
    assert PASSWORD not in settings.state.where
    directory = settings.state.database_url.reveal().rpartition("host=")[2]
    for name in (*DAEMONS, "postgresql"):
        assert list_mounts(name)[directory] == "sockets"


def test_the_control_socket_is_where_the_daemon_can_write(settings: Settings) -> None:
    assert settings.http.control_socket is not None
    places = [mount.partition(":")[0] for mount in SERVICES["a"]["tmpfs"]]
    assert str(settings.http.control_socket.parent) in places


def test_stopping_waits_for_what_is_under_way(settings: Settings) -> None:
    for name in DAEMONS:
        assert float(SERVICES[name]["stop_grace_period"].removesuffix("s")) > settings.daemon.drain_seconds
