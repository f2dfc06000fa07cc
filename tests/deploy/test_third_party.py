"""The licences of what the image holds, which are shipped with it."""

import re
import runpy
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

DEPLOY = Path(__file__).parents[2] / "deploy"
LOCKED = re.findall(r"(?m)^([A-Za-z0-9._-]+)==", (DEPLOY / "container" / "runtime.lock").read_text())
SCRIPT = runpy.run_path(str(DEPLOY / "container" / "third_party.py"))


def test_every_package_of_the_image_is_named_with_its_licence() -> None:
    packages = []
    for name in LOCKED:
        try:
            packages.append(distribution(name))
        except PackageNotFoundError:
            continue  # of another platform
    written = SCRIPT["render"](packages)
    headings = dict(re.findall(r"(?m)^## (\S+) \S+: (.+)$", written))
    assert len(headings) == len(packages)
    assert headings["asyncssh"] == "EPL-2.0 OR GPL-2.0-or-later"
    assert "Eclipse Public License" in written
    assert "see its notices" not in headings.values()


def test_the_image_ships_the_notices_and_its_label_names_the_strictest_licence() -> None:
    dockerfile = (DEPLOY / "Dockerfile").read_text()
    assert "third_party.py >/opt/oddaemon/share/oddaemon/THIRD_PARTY.md" in dockerfile
    assert "EPL-2.0 OR GPL-2.0-or-later" in dockerfile
