"""`deploy/install.sh` below a directory of its own: whole, twice without harm, and away again.

The wheel is the real one without its dependencies, which would have to be fetched; `make test-systemd` installs them
and starts what is installed.
"""

import hashlib
import os
import shutil
import stat
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]
SCRIPT = CHECKOUT / "deploy" / "install.sh"
HAND_WRITTEN = "# written by hand\n"
needs_root = pytest.mark.skipif(os.getuid() != 0, reason="only root can give files to a group")
needs_sysusers = pytest.mark.skipif(
    shutil.which("systemd-sysusers") is None, reason="systemd-sysusers is missing: apt-get install systemd"
)
pytestmark = [pytest.mark.real("installs on this machine"), needs_sysusers]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The real wheel, in need of nothing."""
    built, bare = tmp_path_factory.mktemp("built"), tmp_path_factory.mktemp("bare")
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(built), str(CHECKOUT)],
        check=True,
        capture_output=True,
    )
    (whole,) = built.glob("*.whl")
    with zipfile.ZipFile(whole) as source, zipfile.ZipFile(bare / whole.name, "w") as target:
        for name in source.namelist():
            content = source.read(name)
            if name.endswith(".dist-info/METADATA"):
                content = b"\n".join(line for line in content.split(b"\n") if not line.startswith(b"Requires-Dist"))
            target.writestr(source.getinfo(name), content)
    return bare / whole.name


def run_installer(root: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [SCRIPT, "--root", root, "--python", sys.executable, *arguments]
    # Into a world of its own: nothing of the developer's environment decides what is installed.
    environment = {"PATH": os.environ["PATH"], "PIP_NO_INDEX": "1", "PIP_CONFIG_FILE": os.devnull}
    return subprocess.run(list(map(str, command)), env=environment, capture_output=True, text=True, check=False)


def install(root: Path, *arguments: str | Path) -> str:
    finished = run_installer(root, *arguments)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    return finished.stdout


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("machine")
    install(root, wheel)
    return root


@pytest.fixture
def machine(installed: Path, tmp_path: Path) -> Path:
    """A machine with oddaemon on it, for this test alone."""
    return Path(shutil.copytree(installed, tmp_path / "machine", symlinks=True))


def read_files(root: Path) -> Mapping[str, bytes]:
    """Every file and link but those of the program and of the accounts."""
    return {
        str(path.relative_to(root)): str(path.readlink()).encode() if path.is_symlink() else path.read_bytes()
        for path in root.rglob("*")
        if (path.is_symlink() or path.is_file()) and not path.is_relative_to(root / "opt" / "oddaemon")
        if path.name not in {"group", "group-", "gshadow", "gshadow-", ".pwd.lock"}
    }


def test_a_whole_installation_comes_from_the_wheel_alone(installed: Path) -> None:
    assert set(read_files(installed)) == {
        "etc/oddaemon/oddaemon.toml",
        "etc/systemd/system/oddaemon.service",
        "etc/sysusers.d/oddaemon.conf",
        "etc/tmpfiles.d/oddaemon.conf",
        "usr/local/bin/oddaemon",
    }
    for shipped, place in {
        "oddaemon.service": "etc/systemd/system/oddaemon.service",
        "oddaemon.sysusers": "etc/sysusers.d/oddaemon.conf",
        "oddaemon.tmpfiles": "etc/tmpfiles.d/oddaemon.conf",
    }.items():
        assert (installed / place).read_bytes() == (CHECKOUT / "systemd" / shipped).read_bytes()


def test_what_is_installed_runs_where_the_root_will_be(installed: Path) -> None:
    program = installed / "opt" / "oddaemon" / "bin" / "oddaemon"
    release = (installed / "opt" / "oddaemon" / "current").readlink()
    assert program.read_text().splitlines()[0] == f"#!/opt/oddaemon/{release}/bin/python"
    assert str(installed) not in (installed / "opt" / "oddaemon" / "pyvenv.cfg").read_text()
    assert (installed / "usr/local/bin/oddaemon").readlink() == Path("/opt/oddaemon/bin/oddaemon")


@needs_root
def test_the_configuration_is_roots_and_the_groups_to_read_and_keys_are_roots_alone(installed: Path) -> None:
    etc = installed / "etc"
    [line] = [line for line in (etc / "group").read_text().splitlines() if line.startswith("oddaemon-config:")]
    group = int(line.split(":")[2])
    found = {
        name: (stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid)
        for name in ("", "offices.d", "oddaemon.toml", "keys")
        for status in [(etc / "oddaemon" / name).stat()]
    }
    assert found == {
        "": (0o2750, 0, group),
        "offices.d": (0o2750, 0, group),
        "oddaemon.toml": (0o640, 0, group),
        "keys": (0o700, 0, 0),
    }


def test_the_first_configuration_lacks_nothing_but_a_key(installed: Path, tmp_path: Path) -> None:
    shutil.copytree(installed / "etc" / "oddaemon", tmp_path / "oddaemon")
    config = tmp_path / "oddaemon" / "oddaemon.toml"
    check = [sys.executable, "-m", "oddaemon", "check", "--config", str(config)]
    lacking = subprocess.run(check, capture_output=True, text=True, check=False)
    assert lacking.returncode == 78
    assert lacking.stderr.splitlines()[0].startswith(f"{config}:6: api.developer_key_file")
    key = config.with_name("developer.key")
    key.write_text("Qm7xT2kLp9RvWc4Z")
    key.chmod(0o600)
    assert subprocess.run(check, capture_output=True, check=False).returncode == 0


def test_a_second_installation_overwrites_nothing_that_was_written_by_hand(machine: Path, wheel: Path) -> None:
    etc = machine / "etc" / "oddaemon"
    (etc / "oddaemon.toml").write_text(HAND_WRITTEN)
    (etc / "offices.d" / "smile.toml").write_text(HAND_WRITTEN)
    (etc / "keys" / "smile.key").write_text(HAND_WRITTEN)
    state = machine / "var" / "lib" / "private" / "oddaemon"
    state.mkdir(parents=True)
    (state / "oddaemon.db").write_text(HAND_WRITTEN)
    before = read_files(machine)
    (machine / "etc" / "systemd" / "system" / "oddaemon.service").write_text("# an older one\n")
    install(machine, wheel)
    assert read_files(machine) == before


def test_an_upgrade_replaces_the_program_even_under_the_same_version(machine: Path, wheel: Path) -> None:
    [module] = machine.glob("opt/oddaemon/lib/python*/site-packages/oddaemon/__main__.py")
    module.write_text("broken")
    install(machine, wheel)
    assert module.read_text() != "broken"


def list_releases(machine: Path) -> set[str]:
    return {f"releases/{path.name}" for path in (machine / "opt" / "oddaemon" / "releases").iterdir()}


def test_an_upgrade_keeps_the_program_before_it_and_no_older_one(machine: Path, wheel: Path) -> None:
    current = machine / "opt" / "oddaemon" / "current"
    releases = [current.readlink()]
    for _ in range(2):
        install(machine, wheel)
        releases.append(current.readlink())
    assert list_releases(machine) == set(map(str, releases[1:]))


def test_a_failed_upgrade_leaves_the_old_program(machine: Path, wheel: Path, tmp_path: Path) -> None:
    wanting = change_wheel(wheel, tmp_path, requires=b"Requires-Dist: no-such-package-here")
    before = (machine / "opt" / "oddaemon" / "current").readlink()
    assert run_installer(machine, wanting).returncode != 0
    assert (machine / "opt" / "oddaemon" / "current").readlink() == before
    assert list_releases(machine) == {str(before)}


@pytest.mark.parametrize(("sha256", "returncode"), [(None, 0), ("0" * 64, 1)], ids=["as locked", "another file"])
def test_a_package_is_installed_only_with_the_hash_of_the_lock(
    tmp_path: Path, wheel: Path, sha256: str | None, returncode: int
) -> None:
    needed = make_wheel(tmp_path / "links", "needed", "1.0")
    sha256 = sha256 or hashlib.sha256(needed.read_bytes()).hexdigest()
    lock = f"needed==1.0 \\\n    --hash=sha256:{sha256}\n".encode()
    wanting = change_wheel(wheel, tmp_path, requires=b"Requires-Dist: needed", lock=lock)
    machine = tmp_path / "machine"
    finished = run_installer(machine, "--find-links", tmp_path / "links", wanting)
    assert finished.returncode == returncode, finished.stderr
    assert (machine / "opt" / "oddaemon" / "current").exists() == (returncode == 0)
    assert returncode == 0 or "HASH" in finished.stderr


@pytest.mark.parametrize("directory", ["a machine & more", "x" * 130], ids=["with spaces", "over 127 characters"])
def test_a_root_may_have_any_path(tmp_path: Path, wheel: Path, directory: str) -> None:
    root = tmp_path / directory
    install(root, wheel)
    program = root / "opt" / "oddaemon" / "bin" / "oddaemon"
    first, *others = program.read_text().splitlines()
    assert first.startswith("#!/opt/oddaemon/releases/")
    assert not any("exec" in line or directory in line for line in others)


def change_wheel(wheel: Path, directory: Path, *, requires: bytes, lock: bytes | None = None) -> Path:
    """The wheel with another line of metadata, and another lock."""
    changed = directory / wheel.name
    with zipfile.ZipFile(wheel) as source, zipfile.ZipFile(changed, "w") as target:
        for name in source.namelist():
            content = source.read(name)
            if name.endswith(".dist-info/METADATA"):
                content = content.replace(b"\n\n", b"\n" + requires + b"\n\n", 1)
            if name.endswith("/requirements.lock") and lock is not None:
                content = lock
            target.writestr(source.getinfo(name), content)
    return changed


def make_wheel(directory: Path, name: str, version: str) -> Path:
    """An empty package."""
    directory.mkdir()
    path, info = directory / f"{name}-{version}-py3-none-any.whl", f"{name}-{version}.dist-info"
    with zipfile.ZipFile(path, "w") as target:
        target.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        target.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        target.writestr(f"{info}/RECORD", f"{info}/METADATA,,\n{info}/WHEEL,,\n{info}/RECORD,,\n")
    return path


def test_removing_keeps_configuration_and_balances_and_purging_does_not(machine: Path) -> None:
    state = machine / "var" / "lib" / "private" / "oddaemon"
    state.mkdir(parents=True)
    (state / "oddaemon.db").write_text(HAND_WRITTEN)
    output = install(machine, "--remove")
    assert set(read_files(machine)) == {"etc/oddaemon/oddaemon.toml", "var/lib/private/oddaemon/oddaemon.db"}
    assert not (machine / "opt" / "oddaemon").exists()
    assert " stay" in output
    install(machine, "--remove")
    install(machine, "--remove", "--purge")
    assert read_files(machine) == {}
    groups = machine / "etc" / "group"  # only root makes one
    assert not groups.exists() or "oddaemon" not in groups.read_text()


def test_what_is_not_ours_is_left_alone(tmp_path: Path, wheel: Path) -> None:
    theirs = tmp_path / "opt" / "oddaemon"
    theirs.mkdir(parents=True)
    (theirs / "notes.txt").write_text(HAND_WRITTEN)
    refused = run_installer(tmp_path, wheel)
    assert refused.returncode == 1
    assert "exists and this script did not make it" in refused.stderr
    assert run_installer(tmp_path, "--remove").returncode == 1
    assert (theirs / "notes.txt").read_text() == HAND_WRITTEN


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--colour"], "unknown option --colour"),
        (["--purge"], "--purge requires --remove"),
        (["--find-links"], "--find-links needs a value"),
        (["nowhere.whl"], "no such wheel: nowhere.whl"),
        (["one.whl", "two.whl"], "one wheel at a time"),
        (["--python", "python0"], "python0 is missing or older than 3.11"),
    ],
)
def test_a_wrong_call_is_a_message(tmp_path: Path, wheel: Path, arguments: list[str], message: str) -> None:
    refused = run_installer(tmp_path, *arguments, *([wheel] if arguments[0] == "--python" else []))
    assert refused.returncode == 1
    assert refused.stderr.startswith("install.sh: ")
    assert message in refused.stderr


def test_a_wheel_that_lies_beside_the_caller_need_not_be_named(tmp_path: Path, wheel: Path) -> None:
    for name in (wheel.name, f"{wheel.name.replace('0.1.0', '0.2.0')}"):
        shutil.copy(wheel, tmp_path / name)
    script = shutil.copy(SCRIPT, tmp_path)
    refused = subprocess.run(
        [script, "--root", str(tmp_path / "root")], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert refused.returncode == 1
    assert "name one" in refused.stderr


def test_help_is_the_scripts_own_beginning() -> None:
    output = subprocess.run([str(SCRIPT), "--help"], capture_output=True, text=True, check=True).stdout
    assert "--remove --purge" in output
    assert "#" not in output


def test_the_script_is_clean() -> None:
    shellcheck = shutil.which("shellcheck")
    if shellcheck is None:
        pytest.skip("shellcheck is missing: apt-get install shellcheck")
    checked = subprocess.run([shellcheck, str(SCRIPT)], capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stdout) == (0, "")
