"""What can be known of the container without a container engine: and that is most of it.

The steps of the Dockerfile are run as far as a machine without a network can, the configuration is loaded, and the
daemon is started as the user of the image, with no capability, on a root file system that it cannot write to.
"""

import json
import os
import re
import shutil
import stat
import subprocess
import sys
import zipfile
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
import yaml

from oddaemon.settings import Settings, try_load
from tests.alerts.promtool import needs_promtool, run_promtool

pytestmark = pytest.mark.real("starts the program as the user of the container image")

CHECKOUT = Path(__file__).parents[2]
DEPLOY = CHECKOUT / "deploy"
DOCKERFILE = (DEPLOY / "Dockerfile").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
USER = "10001"
KEY = "Qm7xT2kLp9RvWc4Z"


def parse_instructions() -> list[tuple[str, str]]:
    """Each instruction of the Dockerfile with its whole line, and the defaults of its arguments filled in."""
    text = re.sub(r"^#.*\n", "", DOCKERFILE, flags=re.MULTILINE).replace("\\\n", " ")
    for name, default in re.findall(r"^ARG (\w+)=(\S+)$", text, flags=re.MULTILINE)[::-1]:
        text = text.replace(f"${{{name}}}", default)
    lines = (line.partition(" ") for line in text.splitlines() if line)
    return [(name, " ".join(rest.split())) for name, _, rest in lines]


def get_final_stage() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, rest in parse_instructions():
        if name == "FROM":
            found = {}
        found.setdefault(name, []).append(rest)
    return found


def list_build_context() -> list[Path]:
    """What a build is sent: the top of the tree, as the ignore file lets it through."""
    lines = (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*", "nothing, unless it is named"
    return [CHECKOUT / rule.removeprefix("!") for rule in rules if rule.startswith("!")]


# --- the image --------------------------------------------------------------------------------------------------------


def test_the_image_runs_as_an_unprivileged_user_and_reports_its_health() -> None:
    stage = get_final_stage()
    assert stage["USER"] == [f"{USER}:{USER}"]
    assert stage["VOLUME"] == ["/var/lib/oddaemon"]
    assert json.loads(stage["ENTRYPOINT"][0]) == ["oddaemon"]
    assert json.loads(stage["CMD"][0]) == ["run"]
    assert "STOPSIGNAL" in stage
    (health,) = stage["HEALTHCHECK"]
    assert "/-/healthy" in json.loads(health.partition("CMD ")[2])[-1]


def test_the_image_is_built_in_two_stages_of_one_base_and_brings_no_builder_along() -> None:
    bases = [rest.removesuffix(" AS build") for name, rest in parse_instructions() if name == "FROM"]
    assert len(bases) == 2
    assert len(set(bases)) == 1
    assert re.fullmatch(r"docker\.io/library/python:3\.11-slim-bookworm@sha256:[0-9a-f]{64}", bases[0])
    assert ":" in bases[0]
    assert [rest for rest in get_final_stage()["COPY"] if not rest.startswith("--from=build ")] == []
    assert not any(tool in rest for rest in get_final_stage()["RUN"] for tool in ("pip", "apt", "curl", "wget"))


def test_no_instruction_is_one_that_a_linter_would_frown_at() -> None:
    names = [name for name, _ in parse_instructions()]
    assert "ADD" not in names
    assert names[0] == "ARG"
    for name, rest in parse_instructions():
        assert not re.search(r"\b(sudo|chmod 777|--no-check|latest)\b", rest), rest
        assert name != "WORKDIR" or rest.startswith("/")
        assert name not in {"ENTRYPOINT", "CMD"} or isinstance(json.loads(rest), list)
        if name in {"ENV", "ARG"}:
            assert not re.search(r"(?i)key|secret|password|token", rest), rest
        for install in re.findall(r"pip (?:--python \S+ )?install [^&]*", rest):
            assert "--require-hashes" in install or "--no-index --no-deps" in install, install


@pytest.mark.parametrize("name", ["runtime.lock", "build.lock"])
def test_a_lock_of_the_image_is_a_share_of_the_one_that_is_tested(name: str) -> None:
    ours, tested = _parse_lock_file(DEPLOY / "container" / name), _parse_lock_file(CHECKOUT / "requirements.lock")
    assert ours
    assert {package: tested.get(package) for package in ours} == ours
    assert not ours.keys() & {"pytest", "ruff", "mypy", "playwright"}


@pytest.mark.parametrize("name", ["runtime.lock", "build.lock"])
def test_a_lock_of_the_image_lacks_nothing(name: str) -> None:
    """Everything is installed here, in these versions; a package that the lock forgot has no hash and is refused."""
    pip = [sys.executable, "-m", "pip", "install", "--dry-run", "--no-index", "--require-hashes"]
    result = subprocess.run(
        [*pip, "-r", DEPLOY / "container" / name], capture_output=True, text=True, check=False, timeout=120
    )
    assert result.returncode == 0, result.stderr
    assert "Would install" not in result.stdout, "another version than the one that is tested"


def test_the_wheel_is_built_of_what_the_build_is_sent(tmp_path: Path) -> None:
    source = tmp_path / "src"
    for path in list_build_context():
        assert path.exists(), path
        target = source / path.relative_to(CHECKOUT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(path, target) if path.is_dir() else shutil.copy(path, target)
    pip = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--no-index", "-q"]
    subprocess.run([*pip, "--wheel-dir", tmp_path / "dist", source], check=True, capture_output=True, timeout=300)
    (wheel,) = (tmp_path / "dist").glob("oddaemon-*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert "oddaemon/cli/app.py" in names
    assert any(name.endswith("share/oddaemon/deploy/RUNBOOK.md") for name in names)


def test_what_an_installation_has_of_its_own_stays_out_of_image_and_repository() -> None:
    ignored = (DEPLOY / "container" / ".gitignore").read_text().split()
    excluded = [line for line in (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines() if line]
    for place in ("secrets", "etc/keys", "etc/offices.d"):
        assert f"/{place}/*" in ignored
        assert any(fnmatch(f"deploy/container/{place}", f"{rule}*") for rule in excluded), place


def _parse_lock_file(path: Path) -> dict[str, str]:
    """Each package with its version, its marker and its hashes."""
    blocks = re.split(r"\n(?=\S)", path.read_text().strip())
    return {block.partition("==")[0]: re.sub(r" ; [^\\]*", "", block) for block in blocks}


# --- compose ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_may_do_as_little_as_possible(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not service.keys() & {"privileged", "cap_add", "devices", "pid", "network_mode", "user"}
    assert all(port.startswith("127.0.0.1:") for port in service["ports"]), "on loopback alone"
    assert not service["image"].endswith(":latest")
    assert ":" in service["image"].rpartition("/")[2]


@pytest.mark.parametrize("name", SERVICES)
def test_whatever_a_service_names_is_there(name: str) -> None:
    service = SERVICES[name]
    for volume in service["volumes"]:
        source, target, *mode = volume.split(":")
        assert target.startswith("/")
        if source.startswith("."):
            assert (DEPLOY / source).exists(), source
            assert mode == ["ro"], "what is ours is read only"
        else:
            assert source in COMPOSE["volumes"]
    assert set(service.get("secrets", ())) <= COMPOSE["secrets"].keys()
    assert set(service["networks"]) <= COMPOSE["networks"].keys()
    assert set(service.get("depends_on", ())) <= SERVICES.keys()


def test_everything_that_is_declared_is_used() -> None:
    services = SERVICES.values()
    assert COMPOSE["secrets"].keys() == {each for service in services for each in service.get("secrets", ())}
    assert COMPOSE["networks"].keys() == {each for service in services for each in service["networks"]}
    for secret in COMPOSE["secrets"].values():
        path = DEPLOY / secret["file"]
        assert path.parent == DEPLOY / "container" / "secrets"
        assert path.name in (path.parent / "README").read_text()
        assert path.name in (DEPLOY / "compose.yaml").read_text().partition("name: oddaemon")[0], "how it is made"


def test_the_balances_are_in_one_volume_that_no_other_service_mounts() -> None:
    mounted = {name: [volume.partition(":")[0] for volume in service["volumes"]] for name, service in SERVICES.items()}
    assert [name for name, volumes in mounted.items() if "balances" in volumes] == ["oddaemon"]


def test_the_build_finds_its_dockerfile() -> None:
    build = SERVICES["oddaemon"]["build"]
    assert (DEPLOY / build["context"]).resolve() == CHECKOUT
    assert CHECKOUT / build["dockerfile"] == DEPLOY / "Dockerfile"
    for name, rest in parse_instructions():
        if name == "COPY" and not rest.startswith("--from"):
            *sources, _ = rest.split()
            assert all(source == "." or list(CHECKOUT.glob(source)) for source in sources), rest


def test_prometheus_scrapes_the_daemon_at_its_address_and_allowed_host(settings: Settings) -> None:
    config = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text())
    (job,) = config["scrape_configs"]
    ((target,),) = [each["targets"] for each in job["static_configs"]]
    host, port = target.split(":")
    assert job["job_name"] == "oddaemon", "the rules say so"
    assert host in SERVICES
    assert host in settings.http.allowed_hosts
    assert int(port) == settings.http.port
    assert config["rule_files"] == ["oddaemon.rules.yml"]
    assert (DEPLOY / "prometheus" / config["rule_files"][0]).exists()
    shared = set(SERVICES[host]["networks"]) & set(SERVICES["prometheus"]["networks"])
    assert [COMPOSE["networks"][name] for name in shared] == [{"internal": True}]


@needs_promtool
@pytest.mark.parametrize("name", ["prometheus.yml", "scrape.yml"])
def test_promtool_finds_nothing_wrong_with_the_configuration(name: str) -> None:
    result = run_promtool("check", "config", DEPLOY / "prometheus" / name)
    assert result.returncode == 0, result.stdout


def test_stopping_waits_for_what_is_under_way(settings: Settings) -> None:
    assert float(SERVICES["oddaemon"]["stop_grace_period"].removesuffix("s")) > settings.daemon.drain_seconds


# --- the daemon in it -------------------------------------------------------------------------------------------------


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """The container's configuration, its secret at another place."""
    secret = tmp_path / "developer_key"
    secret.write_text(KEY)
    secret.chmod(0o400)
    shutil.copytree(DEPLOY / "container" / "etc", tmp_path / "etc")
    main = tmp_path / "etc" / "oddaemon.toml"
    main.write_text(main.read_text().replace("/run/secrets/developer_key", str(secret)))
    loaded = try_load(main, {})
    assert loaded.problems == ()
    assert loaded.settings is not None
    return loaded.settings


def test_the_configuration_keeps_its_balances_in_the_volume(settings: Settings) -> None:
    (volume,) = get_final_stage()["VOLUME"]
    assert settings.state.path.parent == Path(volume)
    assert settings.http.control_socket is not None
    assert settings.http.control_socket.parent == Path(volume)


NEEDED = [Path(sys.base_prefix), Path(sys.prefix), CHECKOUT]
"""The Python, its environment and the program. The checkout may stand in a home that other users may not enter."""


def find_closed_directories(places: list[Path]) -> list[str]:
    """The outermost directory on the way to each place that other users may not enter."""
    found = set()
    for place in places:
        for directory in reversed(place.resolve().parents):
            if not directory.stat().st_mode & stat.S_IXOTH:
                found.add(str(directory))
                break
    return sorted(found) or ["/mnt"]


ISOLATED_RUN_SCRIPT = """
set -eu
ip link set lo up
number=0
while read -r place; do
    number=$((number + 1))
    mkdir "$STAGE/$number"
    mount --rbind "$place" "$STAGE/$number"
done <<END
$PLACES
END
mount -t tmpfs -o mode=755 tmpfs /mnt
mount -t tmpfs -o mode=755 tmpfs /run
mount -t tmpfs -o mode=755 tmpfs /var/lib
cp -r "$ETC" /mnt/etc
chmod -R a+rX /mnt/etc
install -d -o $USER_ID -g $USER_ID -m 0700 /var/lib/oddaemon
install -d -m 0755 /run/secrets
printf %s "$KEY" >/run/secrets/developer_key
chown $USER_ID /run/secrets/developer_key
chmod 0400 /run/secrets/developer_key
while read -r closed; do
    mount -t tmpfs -o mode=755 tmpfs "$closed"
done <<END
$CLOSED
END
number=0
while read -r place; do
    number=$((number + 1))
    mkdir -p "$place"
    mount --rbind "$STAGE/$number" "$place"
done <<END
$PLACES
END
mount -o remount,bind,ro /mnt
mount -o remount,bind,ro /run
mount -o remount,bind,ro /
! touch /written /mnt/written /run/written 2>/dev/null
as_user="setpriv --reuid $USER_ID --regid $USER_ID --clear-groups --no-new-privs --bounding-set=-all --inh-caps=-all --"
cd /var/lib/oddaemon
$as_user "$PYTHON" -m oddaemon check
$as_user "$PYTHON" -m oddaemon run &
daemon=$!
tries=0
until $as_user "$PYTHON" -c "$HEALTHCHECK" 2>/dev/null; do
    tries=$((tries + 1))
    [ $tries -lt 300 ]
    sleep 0.1
done
$as_user "$PYTHON" -m oddaemon status --json
$as_user "$PYTHON" -c "import urllib.request; print(urllib.request.urlopen('http://127.0.0.1:9464/metrics').read().decode())"
kill -TERM $daemon
wait $daemon
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may make a root file system read only")
@pytest.mark.skipif(not all(map(shutil.which, ("unshare", "setpriv", "ip"))), reason="no unshare, setpriv or ip")
def test_the_daemon_works_without_capabilities_on_a_read_only_root(tmp_path: Path) -> None:
    (health,) = get_final_stage()["HEALTHCHECK"]
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHON": sys.executable,
        "PYTHONPATH": str(CHECKOUT),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PLACES": "\n".join(map(str, NEEDED)),
        "CLOSED": "\n".join(find_closed_directories(NEEDED)),
        "STAGE": str(tmp_path),
        "ETC": str(DEPLOY / "container" / "etc"),
        "ODDAEMON_CONFIG": "/mnt/etc/oddaemon.toml",
        "HEALTHCHECK": json.loads(health.partition("CMD ")[2])[-1],
        "USER_ID": USER,
        "KEY": KEY,
    }
    command = ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "sh", "-c", ISOLATED_RUN_SCRIPT]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=120)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "oddaemon_ready 1.0" in result.stdout
    assert '"daemon_stopped"' in result.stdout
    assert KEY not in result.stdout + result.stderr


def test_ignored_files_hold_no_readable_key() -> None:
    """A checkout may hold keys of an installation beside these; they must at least be private."""
    for place in ("secrets", "etc/keys"):
        for path in (DEPLOY / "container" / place).iterdir():
            assert path.name == "README" or not path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO), path
