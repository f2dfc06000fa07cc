"""A real systemd to start the unit with, on a machine whose first process may be any other.

Debian's own runs as process 1 of namespaces of its own, in a root directory of its own; nothing outside that directory
is touched, and the network is the machine's, so that the daemon in there reaches a simulator out here. The root is made
once (a minute, 300 MB) and kept in a cache.
"""

import os
import shutil
import signal
import subprocess
import time
import zipfile
from collections.abc import Callable
from importlib.metadata import distribution
from pathlib import Path
from typing import TypeVar

from packaging.requirements import Requirement

CHECKOUT = Path(__file__).parents[2]
CACHE = Path(os.environ.get("ODDAEMON_LAB", Path.home() / ".cache" / "oddaemon" / "systemd-lab"))
TIMEOUT_SECONDS = 240.0
T = TypeVar("T")
PACKAGES = "systemd,systemd-sysv,dbus,python3,ca-certificates"
INIT = ("/lib/systemd/systemd", "--unit=multi-user.target")
_UNITS = {
    "oddaemon.service": "etc/systemd/system/oddaemon.service",
    "oddaemon.sysusers": "etc/sysusers.d/oddaemon.conf",
    "oddaemon.tmpfiles": "etc/tmpfiles.d/oddaemon.conf",
}
"""Where each belongs, as `deploy/install.sh` has it."""
_BOOT = """
set -eu
mount --bind "$0" "$0"
mount -t proc proc "$0/proc"
mount -t tmpfs tmpfs "$0/sys"
mkdir -p "$0/sys/fs/cgroup"
mount -t tmpfs -o mode=755 tmpfs "$0/sys/fs/cgroup"
mkdir "$0/sys/fs/cgroup/systemd"
mount -t cgroup -o none,name=systemd cgroup "$0/sys/fs/cgroup/systemd"
for place in run tmp dev; do mount -t tmpfs -o mode=755 tmpfs "$0/$place"; done
chmod 1777 "$0/tmp"
for device in null zero full random urandom tty; do
    touch "$0/dev/$device"; mount --bind "/dev/$device" "$0/dev/$device"
done
mkdir "$0/dev/shm"
mount -t tmpfs -o mode=1777 tmpfs "$0/dev/shm"
ln -s /proc/self/fd "$0/dev/fd"
ln -s pts/ptmx "$0/dev/ptmx"
# Not chroot alone: what a unit may see is mounted below the root of the name space, which must be this one.
cd "$0"
mkdir -p old-root
pivot_root . old-root
umount --lazy /old-root
# In a container systemd leaves this to its creator; without it a unit's credentials stay empty.
mount --make-rshared /
exec /usr/bin/env -i container=lab PATH=/usr/sbin:/usr/bin:/sbin:/bin TERM=dumb "$@"
"""


def find_missing_requirement() -> str:
    """Why there can be no lab here; empty: there can."""
    if os.geteuid() != 0:
        return "needs root"
    lacking = [name for name in ("debootstrap", "unshare", "nsenter") if shutil.which(name) is None]
    return f"apt-get install {' '.join(lacking)}" if lacking else ""


class SystemdLab:
    """One root, and the systemd that runs in it."""

    def __init__(self, root: Path = CACHE) -> None:
        self.root = root
        self._boot: subprocess.Popen[bytes] | None = None
        self._init = 0
        self._journal_mark = 0

    def build(self) -> None:
        """Make the root, if there is none."""
        if (self.root / INIT[0].lstrip("/")).exists():
            return
        making = self.root.with_name(f"{self.root.name}.new")
        shutil.rmtree(making, ignore_errors=True)
        making.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(
            ["debootstrap", "--variant=minbase", f"--include={PACKAGES}", "bookworm", str(making)],
            check=True, capture_output=True, timeout=600,
        )  # fmt: skip
        shutil.rmtree(self.root, ignore_errors=True)
        making.rename(self.root)

    def install(self, wheel: Path) -> None:
        """The wheel with what it needs, as `deploy/install.sh` lays it out, and the units as shipped."""
        opt = self.root / "opt" / "oddaemon"
        for place in (opt, self.root / "etc/oddaemon", *self.root.glob("var/lib/private/oddaemon")):
            shutil.rmtree(place, ignore_errors=True)
        self.run_in_root("/usr/bin/python3", "-m", "venv", "--without-pip", "/opt/oddaemon")
        site = opt / "lib" / "python3.11" / "site-packages"
        for name in _list_requirements():
            _copy_distribution(name, site)
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(site)
        (data,) = site.glob("oddaemon-*.data/data")
        shutil.copytree(data, opt, dirs_exist_ok=True)
        command = opt / "bin" / "oddaemon"
        command.write_text("#!/opt/oddaemon/bin/python\nfrom oddaemon.cli import main\nmain()\n")
        command.chmod(0o755)
        shipped = opt / "share" / "oddaemon" / "systemd"
        for source, target in _UNITS.items():
            place = self.root / target
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(shipped / source, place)

    def start(self) -> None:
        """Boot; returns once systemd is up."""
        with (self.root.parent / f"{self.root.name}.log").open("wb") as log:
            self._boot = subprocess.Popen(
                ["unshare", "--fork", "--kill-child", "--pid", "--mount", "--uts", "--ipc", "--cgroup",
                 "--propagation", "private", "bash", "-c", _BOOT, str(self.root), *INIT],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        self._init = self.wait_until(self._find_init)
        self.wait_until(lambda: self.run("systemctl", "is-system-running").stdout.strip() in {"running", "degraded"})

    def stop(self) -> None:
        """End everything in it."""
        if self._boot is not None:
            self._boot.send_signal(signal.SIGKILL)
            self._boot.wait()
            self._boot = None

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """A command beside that systemd."""
        entered = ("nsenter", "-t", str(self._init), "-m", "-p", "-u", "-i", "-C", "--root", "--wd=/")
        return subprocess.run((*entered, *command), capture_output=True, text=True, check=False, timeout=120)

    def run_in_root(self, *command: str) -> None:
        """A command in the root, without any systemd."""
        subprocess.run(("chroot", str(self.root), *command), check=True, capture_output=True, timeout=120)

    def get_property(self, name: str) -> str:
        """A property of the unit."""
        return self.run("systemctl", "show", "oddaemon", "--value", "-p", name).stdout.strip()

    def mark_journal(self) -> None:
        """`journal` returns what is logged from now on."""
        self._journal_mark = len(self._read_whole_journal())

    def read_journal(self) -> str:
        """What the unit said since then."""
        return self._read_whole_journal()[self._journal_mark :]

    def _read_whole_journal(self) -> str:
        return self.run("journalctl", "-u", "oddaemon", "-o", "cat", "--no-pager").stdout

    def wait_until(self, reached: Callable[[], T]) -> T:
        """What comes once it is something; another system is looked at, so there is nothing to wait on."""
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while not (found := reached()):
            assert time.monotonic() < deadline, f"not reached; the journal says:\n{self.read_journal()[-3000:]}"
            time.sleep(0.05)
        return found

    def _find_init(self) -> int:
        assert self._boot is not None, "looked for only once it is started"
        boot = self._boot.pid
        for child in Path(f"/proc/{boot}/task/{boot}/children").read_text().split():
            if Path(f"/proc/{child}/cmdline").read_bytes().startswith(INIT[0].encode()):
                return int(child)
        return 0


def _list_requirements() -> set[str]:
    """The distributions that the wheel needs to run, and what those need."""
    wanted, found = ["oddaemon"], set[str]()
    while wanted:
        for text in distribution(wanted.pop()).requires or ():
            requirement = Requirement(text)
            is_wanted = requirement.marker is None or requirement.marker.evaluate({"extra": ""})
            if is_wanted and requirement.name not in found:
                found.add(requirement.name)
                wanted.append(requirement.name)
        extras = ("sqlalchemy", "greenlet")
        if extras[0] in found and extras[1] not in found:
            found.add(extras[1])
            wanted.append(extras[1])
    return found


def _copy_distribution(name: str, site: Path) -> None:
    for file in distribution(name).files or ():
        source = Path(str(file.locate()))
        if ".." in file.parts or not source.is_file():
            continue
        target = site / file
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, target)
