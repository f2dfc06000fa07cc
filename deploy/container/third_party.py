# ruff: noqa: INP001 - a script of the image, in no package
"""Writes the licences and notices of the packages that an image holds: python third_party.py > THIRD_PARTY.md."""

import re
import sys
from collections.abc import Iterator
from importlib.metadata import Distribution, distributions

OURS = "oddaemon"
HEADING = """# Third-party packages

oddaemon is under Apache-2.0. This image also holds these packages, unchanged, under their own licences. The source of
each is on https://pypi.org. The packages of Debian have their licences in /usr/share/doc."""
_NOTICE = re.compile(r"(^|/)(LICEN[CS]E|COPYING|NOTICE|AUTHORS)[^/]*$", re.IGNORECASE)
_CLASSIFIER = "License :: OSI Approved :: "
_NAME_CHARACTERS_MAX = 60
"""A longer text in `License` is the licence itself."""


def find_licence(package: Distribution) -> str:
    """The name of a package's licence, as its metadata has it."""
    metadata = package.metadata
    for name in (metadata.get("License-Expression"), metadata.get("License")):
        if name and len(name) <= _NAME_CHARACTERS_MAX:
            return name
    classifiers = metadata.get_all("Classifier") or []
    names = [each.removeprefix(_CLASSIFIER) for each in classifiers if each.startswith(_CLASSIFIER)]
    return ", ".join(names) or "see its notices"


def list_notices(package: Distribution) -> Iterator[str]:
    """The texts of its licences and notices."""
    for file in package.files or ():
        if _NOTICE.search(str(file)) and (text := file.read_text()):
            yield text.strip()


def render(packages: list[Distribution]) -> str:
    """The whole file."""
    parts = [HEADING]
    for package in sorted(packages, key=lambda each: each.name.lower()):
        parts.append(f"## {package.name} {package.version}: {find_licence(package)}")
        parts += [f"```text\n{text}\n```" for text in list_notices(package)]
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    sys.stdout.write(render([each for each in distributions() if each.name != OURS]))
